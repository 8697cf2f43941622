/** Whether a guest may run a program of the host, and with what. Nothing here is looked up. */
import * as ByteString from "../ByteString.ts"
import * as Utf8 from "../Utf8.ts"
import type { Decision, Request } from "./Message.ts"

/** Exit code of a program that may not be run, as for one that cannot be. */
const refused = 126

/** What of the caller's environment crosses the wall: how to speak to the user, and which window is in front. */
const names: ReadonlySet<string> = new Set([
  "COLORTERM",
  "DESKTOP_STARTUP_ID",
  "LANG",
  "LANGUAGE",
  "NO_COLOR",
  "TERM",
  "TZ",
  "XDG_ACTIVATION_TOKEN"
])

/** The host's programs make names of files of some of these: nothing may lead out of the directories they look in. */
const isHarmless = (name: string, value: string): boolean =>
  value.length <= 256
  && /^[\x20-\x7e]*$/.test(value)
  && !value.includes("..")
  && (name === "TZ" ? !/^[:/]/.test(value) : name === "DESKTOP_STARTUP_ID" || !value.includes("/"))

const crosses = (name: string, value: string): boolean =>
  (names.has(name) || /^LC_[A-Z]+$/.test(name)) && isHarmless(name, value)

/** Of the caller's variables no others are looked at, so no others need to be sent. `*` stands for any end of a name. */
export const lookedAt: ReadonlyArray<string> = [...names, "LC_*"]

/** Variables of the launcher, which are about this image and not about the programs of the host. */
const own: ReadonlySet<string> = new Set([
  "FIM_BIN_SELF",
  "FIM_COMMIT",
  "FIM_DIR_APP",
  "FIM_JANITOR",
  "FIM_OFFSET",
  "FIM_TIMESTAMP",
  "FIM_VERSION"
])

export interface Policy {
  /** As `fim-portal` stores it: names and absolute paths, or `*` for all. */
  readonly allowed: ReadonlyArray<string>
  /** The host's. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The working directory of the image's caller. */
  readonly directory: string | undefined
}

/** Text as characters that are bytes, the form in which words cross the wall. */
const toBytes = ByteString.ofText
const fromBytes = (bytes: string): string => Utf8.decode(ByteString.toBytes(bytes))

const environmentOf = (request: Request, policy: Policy): ReadonlyArray<string> => {
  const all = new Map<string, string>()
  for (const [name, value] of Object.entries(policy.environment)) {
    if (value !== undefined && !own.has(name)) all.set(name, toBytes(value))
  }
  for (const variable of request.environment) {
    const at = variable.indexOf("=")
    const [name, value] = [variable.slice(0, at), variable.slice(at + 1)]
    if (crosses(name, value)) all.set(name, value)
  }
  return [...all].map(([name, value]) => `${toBytes(name)}=${value}`)
}

/** A program is allowed by exactly the name that it is asked for with: `a` allows neither `/usr/bin/a` nor `./a`. */
export const decide = (request: Request, policy: Policy): Decision => {
  const { call } = request
  const program = fromBytes(request.words[0] ?? "")
  if (!policy.allowed.includes("*") && !policy.allowed.includes(program)) {
    const lines = [
      `E::'${program}' may not be run on the host`,
      `E::'fim-portal allow ${program}' in front of the image's words allows it, from its next start on`
    ]
    return { kind: "refuse", call, code: refused, lines }
  }
  const directories = [request.directory, ...(policy.directory === undefined ? [] : [toBytes(policy.directory)]), "/"]
  // What is allowed is read once, at the start of the image, and nothing else of a request was looked at.
  return { kind: "start", call, environment: environmentOf(request, policy), directories, lasting: true }
}
