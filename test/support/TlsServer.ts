/** Certificates of authorities that only a test has, made with the machine's openssl. */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"

export interface Certificate {
  readonly key: Buffer
  readonly cert: Buffer
}

export interface Authority {
  /** Path of its certificate. */
  readonly path: string
  /** A certificate for names as openssl has them (`DNS:localhost`), which is valid for so many days from now. */
  readonly sign: (names: string, days?: number) => Certificate
}

const openssl = (words: ReadonlyArray<string>) => execFileSync("openssl", words, { stdio: "pipe" })

/** A new authority, with its files in a directory. */
export const newAuthority = (directory: string): Authority => {
  const path = `${directory}/authority.pem`
  const key = `${directory}/authority.key`
  const elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  openssl(["req", "-x509", ...elliptic, "-keyout", key, "-out", path, "-subj", "/CN=authority of a test", "-days", "2"])
  let number = 0
  return {
    path,
    sign: (names, days = 2) => {
      const file = `${directory}/server-${number++}`
      openssl(["req", ...elliptic, "-keyout", `${file}.key`, "-out", `${file}.csr`, "-subj", "/CN=server of a test"])
      writeFileSync(`${file}.ext`, `subjectAltName=${names}`)
      const signer = ["-CA", path, "-CAkey", key, "-CAcreateserial", "-days", String(days)]
      openssl(["x509", "-req", "-in", `${file}.csr`, ...signer, "-extfile", `${file}.ext`, "-out", `${file}.pem`])
      return { key: readFileSync(`${file}.key`), cert: readFileSync(`${file}.pem`) }
    }
  }
}
