/** Decides whether a guest may run a program of the host, and with which environment. Pure. */
import * as ByteString from "../ByteString.ts"
import * as Utf8 from "../Utf8.ts"
import type { Decision, Request } from "./Message.ts"

/** Exit code of a program that is not allowed, the same as for one that cannot be executed. */
const refused = 126

/** Variables of the caller that are passed to the host: language, terminal, and desktop activation. */
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

/** Programs of the host build file names from some of these values, so no value may lead out of their directories. */
const isHarmless = (name: string, value: string): boolean =>
  value.length <= 256
  && /^[\x20-\x7e]*$/.test(value)
  && !value.includes("..")
  && (name === "TZ" ? !/^[:/]/.test(value) : name === "DESKTOP_STARTUP_ID" || !value.includes("/"))

const crosses = (name: string, value: string): boolean =>
  (names.has(name) || /^LC_[A-Z]+$/.test(name)) && isHarmless(name, value)

/** The only variables of the caller that a decision uses, so only these are sent. `*` stands for any end of a name. */
export const usedVariables: ReadonlyArray<string> = [...names, "LC_*"]

/** Variables of the launcher. They describe this image and are useless for programs of the host. */
const own: ReadonlySet<string> = new Set([
  "FIM_BACKGROUND",
  "FIM_BIN_SELF",
  "FIM_COMMIT",
  "FIM_DIR_APP",
  "FIM_IGNORED",
  "FIM_JANITOR",
  "FIM_OFFSET",
  "FIM_TIMESTAMP",
  "FIM_VERSION"
])

/** What an image allows, and what programs of the host inherit. */
export interface Policy {
  /** The list that `fim-portal` stores: names and absolute paths, or `*` for all programs. */
  readonly allowed: ReadonlyArray<string>
  /** The host's environment. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The working directory of the image's caller. */
  readonly directory: string | undefined
}

/** Text as a byte string, the form of arguments in portal messages. */
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

/**
 * Decides a request. A program is allowed only by exactly the requested name: `a` allows neither `/usr/bin/a` nor `./a`.
 *
 * @param request a request of the guest
 * @param policy what the image allows
 * @returns how to start the program, or a refusal with its message
 */
export const decide = (request: Request, policy: Policy): Decision => {
  const { call } = request
  const program = fromBytes(request.words[0] ?? "")
  if (!policy.allowed.includes("*") && !policy.allowed.includes(program)) {
    const lines = [
      `E::'${program}' may not be run on the host`,
      `E::To allow it, from the image's next start on: IMAGE fim-portal allow ${program}`
    ]
    return { kind: "refuse", call, code: refused, lines }
  }
  const directories = [request.directory, ...(policy.directory === undefined ? [] : [toBytes(policy.directory)]), "/"]
  // The native side may cache the decision: the policy does not change during a run, and no other field was used.
  return { kind: "start", call, environment: environmentOf(request, policy), directories, lasting: true }
}
