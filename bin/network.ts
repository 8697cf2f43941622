/**
 * `fetch` of Node as images have it: with the certificates that the machine trusts, `SSL_CERT_FILE`, and the usual variables of proxies.
 * It changes settings of the whole process when something is fetched for the first time, so it is only for our own programs.
 */
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"

/** Where distributions keep the authorities that they trust, all in one file; as in `src/native/engine/src/host/fetch.rs`. */
const authorities = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
  "/var/lib/ca-certificates/ca-bundle.pem"
]

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const certificatesIn = (path: string): ReadonlyArray<string> => readFileSync(path, "latin1").match(certificate) ?? []

/** Fails with a code that `src/NetworkFailure.ts` has words for. */
const certificatesOf = (path: string): ReadonlyArray<string> => {
  const failed = (detail: string) => Object.assign(new Error(`'${path}' ${detail}`), { code: "FIM_CERTIFICATES" })
  let found: ReadonlyArray<string>
  try {
    found = certificatesIn(path)
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined
    throw failed(code === "ENOENT" ? "does not exist" : code === "EACCES" ? "may not be read" : "cannot be read")
  }
  if (found.length === 0) throw failed("has no certificates")
  return found
}

const ofMachine = (): ReadonlyArray<string> => {
  for (const path of authorities) {
    try {
      const found = certificatesIn(path)
      if (found.length > 0) return found
    } catch {
      // It is another one's.
    }
  }
  return []
}

const trust = async () => {
  const tls = await import("node:tls")
  const told = process.env["SSL_CERT_FILE"] ?? ""
  const found = told === "" ? ofMachine() : certificatesOf(told)
  // Where the machine trusts nobody, Node's own list stays.
  if (found.length > 0) tls.setDefaultCACertificates([...found, ...tls.getCACertificates("extra")])
}

/** In lower case before upper case. An empty one says nothing. */
const variable = (name: string): string | undefined =>
  [name, name.toUpperCase()].map((name) => process.env[name]).find((value) => value !== undefined && value !== "")

const useProxies = async () => {
  const { setGlobalProxyFromEnv } = await import("node:http")
  const forAll = variable("all_proxy")
  const settings = {
    http_proxy: variable("http_proxy") ?? forAll,
    // Without one, that of HTTP.
    https_proxy: variable("https_proxy") ?? forAll,
    no_proxy: variable("no_proxy")
  }
  try {
    setGlobalProxyFromEnv(Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)))
  } catch {
    // What it says may have a password in it.
    throw Object.assign(new Error("its variable is not http://HOST:PORT"), { code: "FIM_PROXY" })
  }
}

let proxies: Promise<void> | undefined
let trusted: Promise<void> | undefined

const fetch: typeof globalThis.fetch = async (input, init) => {
  await (proxies ??= useProxies())
  const url = typeof input === "object" && "url" in input ? input.url : String(input)
  if (/^https:/i.test(url)) await (trusted ??= trust())
  return globalThis.fetch(input, init)
}

/** What Effect's client of HTTP fetches with. */
export const layer = Layer.succeed(FetchHttpClient.Fetch, fetch)
