/** Certificate authorities that the host adds to those of its distribution, for guests in its network. */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Utf8 from "../Utf8.ts"
import type { HostReader } from "./HostReader.ts"

/** Where administrators put authorities: Debian, Ubuntu and Alpine; Fedora and its relatives; openSUSE; Arch. */
const places = [
  "/usr/local/share/ca-certificates",
  "/etc/pki/ca-trust/source/anchors",
  "/etc/pki/trust/anchors",
  "/etc/ca-certificates/trust-source/anchors"
]

/** Packages of others install theirs beside those of Mozilla. */
const packaged = "/usr/share/ca-certificates"
const usual = "mozilla"

/** Variables that name a file with authorities for the caller's programs. */
const variables = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"]

const fileLimit = 1024 * 1024
const countLimit = 512

/** Where guests have all authorities in one file of PEM, each by its distribution. */
export const bundlePlaces: ReadonlyArray<string> = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/var/lib/ca-certificates/ca-bundle.pem",
  "/etc/ssl/cert.pem"
]

/** More than this is not read of a guest's. */
export const bundleLimit = 4 * 1024 * 1024

const block = /-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE-----/g

const bodyOf = (base64: string): string => base64.replaceAll(/\s+/g, "")

const pemOf = (body: string): string =>
  `-----BEGIN CERTIFICATE-----\n${body.replaceAll(/.{1,64}/g, "$&\n")}-----END CERTIFICATE-----\n`

/** The certificates in a file of PEM or DER, each as one line of base64. */
export const certificatesIn = (bytes: Uint8Array): ReadonlyArray<string> => {
  // A sequence of more than 255 bytes, as every certificate is.
  const isDer = bytes.length > 4 && bytes[0] === 0x30 && bytes[1] === 0x82 &&
    bytes.length === 4 + (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0)
  if (isDer) return [Base64.encode(bytes)]
  return [...Utf8.decode(bytes).matchAll(block)].map(([, base64 = ""]) => bodyOf(base64))
}

/**
 * The authorities that the host adds.
 *
 * @param host reads files of the host
 * @param environment the caller's
 * @returns certificates in base64
 */
export const addedAuthorities = Effect.fn("Certificates.addedAuthorities")(function*(
  host: HostReader,
  environment: Readonly<Record<string, string | undefined>>
) {
  const found: Array<string> = []
  const take = Effect.fnUntraced(function*(path: string) {
    if (found.length >= countLimit) return false
    const bytes = yield* host.bytesOf(path, fileLimit)
    if (bytes !== undefined) found.push(...certificatesIn(bytes))
    return bytes !== undefined
  })
  const search = Effect.fnUntraced(
    function*(directory: string, depth: number, skipped?: string): Effect.fn.Return<void> {
      for (const name of (yield* host.namesIn(directory)).toSorted()) {
        if (name === skipped) continue
        const path = `${directory}/${name}`
        if (/\.(?:crt|pem|cer|der)$/i.test(name) ? yield* take(path) : false) continue
        if (depth > 0 && !/\.\w{1,4}$/.test(name)) yield* search(path, depth - 1)
      }
    }
  )
  for (const place of places) yield* search(place, 2)
  yield* search(packaged, 2, usual)
  for (const variable of variables) {
    const path = environment[variable]
    if (path?.startsWith("/") === true) yield* take(path)
  }
  return [...new Set(found)].slice(0, countLimit)
})

/**
 * A guest's bundle with more authorities.
 *
 * @param bundle the guest's, in PEM
 * @param authorities certificates in base64
 * @returns `undefined` if it has all of them
 */
export const bundleWith = (bundle: string, authorities: ReadonlyArray<string>): string | undefined => {
  // The first lines have the serial number. A search costs less than to parse the bundle.
  const missing = authorities.filter((body) => !bundle.includes(`${body.slice(0, 64)}\n${body.slice(64, 128)}`))
  if (missing.length === 0) return undefined
  return [bundle === "" || bundle.endsWith("\n") ? bundle : `${bundle}\n`, ...missing.map(pemOf)].join("")
}
