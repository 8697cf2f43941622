/** What a registry asks for, and who may be told the credentials for it. */
import * as Result from "effect/Result"

/** An answer to a request without the right to it. */
export type Challenge =
  | { readonly _tag: "Basic" }
  | {
    readonly _tag: "Bearer"
    readonly realm: string
    readonly service: string | undefined
    readonly scope: string | undefined
  }

const parameter = /([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)/y

/** Parses a `WWW-Authenticate` header. `undefined` for a scheme that no registry uses. */
export const parseChallenge = (header: string): Challenge | undefined => {
  const scheme = /^\s*([A-Za-z]+)\s*/.exec(header)
  if (scheme?.[1]?.toLowerCase() === "basic") return { _tag: "Basic" }
  if (scheme?.[1]?.toLowerCase() !== "bearer") return undefined
  const parameters: Record<string, string> = {}
  parameter.lastIndex = scheme[0].length
  for (let match = parameter.exec(header); match !== null; match = parameter.exec(header)) {
    const [, name = "", quoted, plain] = match
    parameters[name.toLowerCase()] = plain ?? (quoted ?? "").replaceAll(/\\(.)/g, "$1")
    while (header[parameter.lastIndex] === " ") parameter.lastIndex++
  }
  const { realm, scope, service } = parameters
  return realm === undefined ? undefined : { _tag: "Bearer", realm, service, scope }
}

/** Whether a host is this machine, as a URL has it. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)

const isAddress = (hostname: string) => hostname.startsWith("[") || /^[\d.]+$/.test(hostname)

/**
 * Second labels under which countries register names. There is no list of all suffixes here: where one is missing, two customers of the same
 * suffix count as one, and the credentials that a registry could have gathered itself go where that registry says.
 */
const generic = new Set([
  "ac",
  "co",
  "com",
  "edu",
  "gob",
  "gov",
  "gouv",
  "govt",
  "ltd",
  "mil",
  "ne",
  "net",
  "nom",
  "or",
  "org",
  "plc",
  "sch"
])

/** Suffixes below which names belong to different people. */
const shared = [
  "amazonaws.com",
  "azurecr.io",
  "azurewebsites.net",
  "cloudfront.net",
  "fly.dev",
  "github.io",
  "herokuapp.com",
  "pkg.dev",
  "run.app",
  "vercel.app",
  "workers.dev"
]

/** The part of a name that is registered for one owner. */
const registrable = (hostname: string): string => {
  if (isAddress(hostname) || !hostname.includes(".")) return hostname
  const suffix = shared.find((suffix) => hostname.endsWith(`.${suffix}`))
  // Regions and services lie between the customer and the suffix.
  if (suffix !== undefined) return hostname
  const labels = hostname.split(".")
  const [second = "", top = ""] = labels.slice(-2)
  return labels.slice(generic.has(second) && top.length === 2 ? -3 : -2).join(".")
}

/**
 * Whether the credentials of a registry may be sent to the token server that it names.
 *
 * @param registry its URL
 * @param realm the URL in its challenge
 * @param listed hosts that the user trusts with them
 * @returns the realm; fails with the reason
 */
export const trustedRealm = (
  registry: URL,
  realm: string,
  listed: ReadonlyArray<string>
): Result.Result<URL, string> => {
  const url = URL.canParse(realm) ? new URL(realm) : undefined
  if (url === undefined || url.username !== "" || url.password !== "") return Result.fail("it is not a URL")
  const isPlain = url.protocol === "http:" && isLoopback(url.hostname) && isLoopback(registry.hostname)
  if (url.protocol !== "https:" && !isPlain) return Result.fail("it is not https")
  const isKnown = url.host === registry.host || isPlain || listed.includes(url.host) ||
    (!isAddress(url.hostname) && registrable(url.hostname) === registrable(registry.hostname))
  return isKnown ? Result.succeed(url) : Result.fail("it is of another domain than the registry")
}
