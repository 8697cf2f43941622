import * as Effect from "effect/Effect"
import { BenchError } from "./BenchError.ts"
import { as, type Caller } from "./Caller.ts"
import { held, output, timed } from "./Processes.ts"
import { idle } from "./Starts.ts"
import { summarize, type Summary } from "./Statistics.ts"
import { applicationOf, type Subject } from "./Subject.ts"

/** A command across the wall, and the same on the caller's own side, measured in turn with it. In milliseconds. */
export interface Pair {
  readonly direct: Summary
  readonly across: Summary
}

/** Calls from one side of the wall to the other. */
export interface Crossing {
  /** `true`, from its start to its end. */
  readonly call: Pair
  /** Until the first byte of the command is read. */
  readonly firstByte: Pair
  /** All bytes to the command, and from it. */
  readonly to: Pair
  readonly from: Pair
}

export interface Calls {
  /** `fim_portal` in the guest. */
  readonly outward: Crossing
  /** `APP fim-instance exec 0` on the host. */
  readonly inward: Crossing
  /** Bytes that go each way. */
  readonly bytes: number
}

/** How often each of them is measured. */
export interface Rounds {
  readonly calls: number
  readonly bytes: number
  readonly transfers: number
}

/** Lets the guest of the subject's image run what is measured. As whoever runs the bench: the image is theirs. */
export const allow = (subject: Subject, own: Caller, operation: "allow" | "clear") =>
  timed({
    ...as(own, [subject.image, "fim-portal", operation, ...operation === "allow" ? ["true", "sh", "cat", "dd"] : []]),
    ids: undefined
  })

/**
 * For bash, which takes the time itself: in the guest nobody else can. Both ways of a command are measured in turn, so that
 * they meet the same weather; a round before the first one warms caches and is not counted. `env` stands in for the wall.
 * Bytes are written 64 KiB at a time, as much as a pipe holds: what writes them in small pieces spends its time in the guest's
 * filter of system calls, and is then what is measured.
 */
const script = `
  now() { now=\${EPOCHREALTIME/[.,]/}; }
  took() { local key=$1 begin; shift; now; begin=$now; "$@"; now; echo "$key $((now - begin))"; }
  call() { "$@" < /dev/null; }
  first() { local key=$1 begin; shift; now; begin=$now
    "$@" sh -c 'echo x; exec sleep 0.05' < /dev/null | { read -r x; now; echo "$key $((now - begin))"; }; }
  zeros="dd if=/dev/zero bs=64k count=$(($2 >> 16)) status=none"
  to() { $zeros | "$@" cat > /dev/null; }
  from() { "$@" $zeros < /dev/null | cat > /dev/null; }
  calls=$1 transfers=$3; shift 3
  for ((n = 0; n <= calls; n++)); do took call.direct call /bin/true; took call.across call "$@" true; done
  for ((n = 0; n <= calls; n++)); do first firstByte.direct env; first firstByte.across "$@"; done
  for ((n = 0; n <= transfers; n++)); do
    for way in to from; do took $way.direct $way env; took $way.across $way "$@"; done
  done
`

/** Times of one kind out of what the script prints, without the first. */
const timesOf = Effect.fnUntraced(function*(text: string, key: string) {
  const times = text.split("\n").filter((line) => line.startsWith(`${key} `)).map((line) => Number(line.split(" ")[1]))
  if (times.length < 2) return yield* new BenchError({ reason: "Failed", detail: `there is no time for ${key}` })
  return summarize(times.slice(1).map((time) => time / 1000))
})

const crossing = Effect.fnUntraced(
  function*(caller: Caller, shell: readonly [string, ...Array<string>], prefix: ReadonlyArray<string>, rounds: Rounds) {
    const numbers = [rounds.calls, rounds.bytes, rounds.transfers].map(String)
    const text = yield* output(as(caller, [...shell, "-c", script, "bash", ...numbers, ...prefix]))
    const pair = (key: keyof Crossing) =>
      Effect.all({ direct: timesOf(text, `${key}.direct`), across: timesOf(text, `${key}.across`) })
    return (yield* Effect.all({
      call: pair("call"),
      firstByte: pair("firstByte"),
      to: pair("to"),
      from: pair("from")
    })) satisfies Crossing
  }
)

/** Measures calls of one caller, beside an instance that does nothing else. */
export const calls = Effect.fn("Portal.calls")(
  function*(subject: Subject, caller: Caller, rounds: Rounds) {
    yield* held(idle(subject, caller))
    const { image } = subject
    const outward = yield* crossing(caller, [image, "fim-exec", "bash"], ["fim_portal"], rounds)
    const own = `${applicationOf(caller)}/bin/bash`
    const inward = yield* crossing(caller, [own], [image, "fim-instance", "exec", "0"], rounds)
    return { outward, inward, bytes: rounds.bytes } satisfies Calls
  },
  Effect.scoped
)
