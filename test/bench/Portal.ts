import * as Effect from "effect/Effect"
import { as, type Caller } from "./Caller.ts"
import { held, output, timed } from "./Processes.ts"
import { idle } from "./Starts.ts"
import { summarize, type Summary } from "./Statistics.ts"
import { applicationOf, type Subject } from "./Subject.ts"

/** Calls across the wall and what they are compared with: times in milliseconds, speeds in MB per second. */
export interface Calls {
  readonly direct: Summary
  /** `fim_portal true` in the guest. */
  readonly outward: Summary
  /** `APP fim-instance exec 0 true`. */
  readonly inward: Summary
  /** Until the first byte of a program of the host is read in the guest, and of a program started directly. */
  readonly firstByte: { readonly outward: Summary; readonly direct: Summary }
  /** Bytes to a program on the other side and from it, and through a plain pipe. */
  readonly speed: Readonly<Record<"plain" | "outwardTo" | "outwardFrom" | "inwardTo" | "inwardFrom", number>>
}

/** Lets the guest of the subject's image run what is measured. As whoever runs the bench: the image is theirs. */
export const allow = (subject: Subject, own: Caller, operation: "allow" | "clear") =>
  timed({
    ...as(own, [subject.image, "fim-portal", operation, ...operation === "allow" ? ["true", "sh", "cat", "head"] : []]),
    ids: undefined
  })

/** Functions of bash. It takes the time itself: in the guest nobody else can, and outside it must cost the same. */
const functions = `
  each() { local n=$1 a b; shift; for ((i = 0; i < n; i++)); do a=\${EPOCHREALTIME/[.,]/}; "$@" < /dev/null; b=\${EPOCHREALTIME/[.,]/}; echo $((b - a)); done; }
  first() { local n=$1 a; shift; for ((i = 0; i < n; i++)); do a=\${EPOCHREALTIME/[.,]/}; "$@" sh -c 'echo x; exec sleep 0.05' | { read -r x; echo $((\${EPOCHREALTIME/[.,]/} - a)); }; done; }
  to() { local a b n=$1; shift; a=\${EPOCHREALTIME/[.,]/}; head -c $n /dev/zero | "$@" cat > /dev/null; b=\${EPOCHREALTIME/[.,]/}; echo $((b - a)); }
  from() { local a b n=$1; shift; a=\${EPOCHREALTIME/[.,]/}; "$@" head -c $n /dev/zero | cat > /dev/null; b=\${EPOCHREALTIME/[.,]/}; echo $((b - a)); }
`

const milliseconds = (times: ReadonlyArray<number>) => summarize(times.map((time) => time / 1000))
const thrice = (script: string) => `${script}; ${script}; ${script}`

/** Measures calls of one caller. Each is made `rounds` times, `bytes` go each way. */
export const calls = Effect.fn("Portal.calls")(
  function*(subject: Subject, caller: Caller, rounds: number, bytes: number) {
    yield* held(idle(subject, caller))
    const bash = `${applicationOf(caller)}/bin/bash`
    const numbers = (argv: readonly [string, ...Array<string>], script: string) =>
      Effect.map(
        output(as(caller, [...argv, "-c", functions + script, "bash", subject.image])),
        (text) => text.trim().split("\n").map(Number)
      )
    const host = (script: string) => numbers([bash], script)
    const guest = (script: string) => numbers([subject.image, "fim-exec", "bash"], script)
    const speed = (times: ReadonlyArray<number>) => bytes / Math.min(...times)
    const exec = "\"$1\" fim-instance exec 0"
    return {
      direct: milliseconds(yield* host(`each ${rounds} /bin/true`)),
      outward: milliseconds(yield* guest(`each ${rounds} fim_portal true`)),
      inward: milliseconds(yield* host(`each ${rounds} ${exec} true`)),
      firstByte: {
        outward: milliseconds(yield* guest(`first ${rounds} fim_portal`)),
        direct: milliseconds(yield* host(`first ${rounds} env`))
      },
      speed: {
        plain: speed(yield* host(thrice(`to ${bytes} env`))),
        outwardTo: speed(yield* guest(thrice(`to ${bytes} fim_portal`))),
        outwardFrom: speed(yield* guest(thrice(`from ${bytes} fim_portal`))),
        inwardTo: speed(yield* host(thrice(`to ${bytes} ${exec}`))),
        inwardFrom: speed(yield* host(thrice(`from ${bytes} ${exec}`)))
      }
    } satisfies Calls
  },
  Effect.scoped
)
