/** Explains why a request has failed, with the same messages on every platform, and what to try. */

/** What platforms say in an error, or in one that is its cause. */
interface Said {
  readonly code?: unknown
  readonly message?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
  /** On the engine: the host that it tried to connect to. On Node that is `address` and `port`. */
  readonly peer?: unknown
  readonly address?: unknown
  readonly port?: unknown
  readonly hostname?: unknown
}

/** The most nested causes that are read. */
const deepest = 8

/** The error itself, and what has caused it, outermost first. Of several attempts the first counts. */
const chainOf = (error: unknown): ReadonlyArray<Said> => {
  const chain: Array<Said> = []
  let next = error
  while (typeof next === "object" && next !== null && chain.length < deepest) {
    const said: Said = next
    chain.push(said)
    next = said.cause ?? (Array.isArray(said.errors) ? said.errors[0] : undefined)
  }
  return chain
}

const proxy = "behind a proxy set http_proxy and https_proxy"
const network = `check the address and the network; ${proxy}`
const trust = "to trust its authority set SSL_CERT_FILE to a file with its certificate (PEM)"

interface Words {
  readonly why: string
  readonly remedy?: string
}

const untrusted: Words = {
  why: "certificate not trusted: nobody whom this machine trusts has signed it",
  remedy: trust
}
const closed: Words = { why: "the server closed the connection", remedy: "try again" }
const silent: Words = { why: "no answer", remedy: network }
const unreachable: Words = { why: "there is no way to the server", remedy: network }
const unknown: Words = { why: "name not found", remedy: network }

const words: Readonly<Record<string, Words>> = {
  ECONNREFUSED: { why: "connection refused", remedy: network },
  ENOTFOUND: unknown,
  EAI_AGAIN: unknown,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ETIMEDOUT: silent,
  UND_ERR_CONNECT_TIMEOUT: silent,
  UND_ERR_HEADERS_TIMEOUT: silent,
  UND_ERR_BODY_TIMEOUT: silent,
  ECONNRESET: closed,
  EPIPE: closed,
  UND_ERR_SOCKET: closed,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  CERT_HAS_EXPIRED: { why: "certificate not trusted: it has expired", remedy: "check the clock of this machine: date" },
  CERT_NOT_YET_VALID: {
    why: "certificate not trusted: it is not valid yet",
    remedy: "check the clock of this machine: date"
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    why: "certificate not trusted: it is for another name",
    remedy: "use the name that the certificate has"
  },
  ERR_SSL_WRONG_VERSION_NUMBER: { why: "the server does not speak TLS", remedy: "check whether its address is http://" }
}

/** For these codes `message` is more precise than a fixed text could be. */
const telling: Readonly<Record<string, (detail: string) => Words>> = {
  CERT_REJECTED: (detail) => ({ why: `certificate not trusted: ${detail}`, remedy: trust }),
  FIM_CERTIFICATES: (detail) => ({ why: `SSL_CERT_FILE is of no use: ${detail}`, remedy: "unset SSL_CERT_FILE" }),
  FIM_PROXY: (detail) => ({ why: `the proxy failed: ${detail}`, remedy: "check http_proxy, https_proxy and no_proxy" }),
  EPROTO: (detail) => ({ why: `TLS failed: ${detail}` })
}

/** The host that the request tried to connect to, which may be a proxy. */
const peerOf = (code: string, { address, hostname, peer, port }: Said): string => {
  if (words[code] === unknown) return String(hostname ?? peer ?? "").replace(/:\d+$/, "")
  return String(peer ?? (address === undefined ? "" : `${String(address)}:${String(port)}`))
}

const withPeer = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"])

const line = (text: unknown): string => String(text).trim().split("\n")[0] ?? ""

/** Node's message for ports that browsers do not connect to. */
const blocked = "bad port"

/** Node's message when a proxy refuses. */
const refusedByProxy = /^Proxy response \((\d+)\)/

/**
 * Why a request failed.
 *
 * @param error what the platform's `fetch`, or Effect's client on it, has failed with
 * @returns one line: the reason, a colon, and what to try if there is anything
 */
export const explain = (error: unknown): string => {
  const chain = chainOf(error)
  for (const said of chain) {
    const code = typeof said.code === "string" ? said.code : ""
    const refused = refusedByProxy.exec(String(said.message))?.[1]
    const found = refused === undefined
      ? telling[code]?.(line(said.message)) ?? words[code]
      : telling["FIM_PROXY"]?.(`it answered with ${refused}`)
    if (found === undefined) continue
    const peer = withPeer.has(code) ? peerOf(code, said) : ""
    const why = peer === "" ? found.why : `${found.why} (${peer})`
    return found.remedy === undefined ? why : `${why}: ${found.remedy}`
  }
  if (chain.some(({ message }) => message === blocked)) {
    return "the port is one of another service: name that of the server"
  }
  // The innermost has said most.
  const last = chain.findLast(({ message }) => typeof message === "string" && message !== "")
  return line(last === undefined ? error : last.message)
}
