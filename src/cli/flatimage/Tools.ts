import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ToolClosure } from "../../build/Closure.ts"
import { CrossCompiler } from "../../build/cross/CrossCompiler.ts"
import { Lock, type LockFile } from "../../build/Lock.ts"
import { LockResolver } from "../../build/LockResolver.ts"
import { architectureNames, Machine, Target } from "../../build/Machine.ts"
import { Quiet } from "../../build/Progress.ts"
import { quiet } from "./Quiet.ts"

/** All that is pinned; what is compiled here is of no architecture. */
const entriesOf = ({ packages, sources }: LockFile) => [
  ...packages,
  ...sources.map((pinned) => ({ ...pinned, architecture: "source" }))
]

const arch = Flag.Literals("arch", architectureNames).pipe(
  Flag.withDescription("For images of this architecture (default: that of the machine)"),
  Flag.optional
)

/** Runs an effect for the architecture that is named. */
const forTarget = Effect.fnUntraced(function*<A, E, R>(name: Option.Option<string>, effect: Effect.Effect<A, E, R>) {
  const target = yield* (yield* Machine).targetOf(Option.getOrUndefined(name))
  return yield* Effect.provideService(effect, Target, target)
})

const list = Command.make(
  "list",
  {},
  Effect.fn(function*() {
    const all = entriesOf(yield* (yield* Lock).read)
    const width = Math.max(...all.map((pinned) => pinned.name.length))
    for (const pinned of all) {
      yield* Console.log(
        `${pinned.name.padEnd(width)}  ${pinned.version}  ${pinned.suite}/${pinned.architecture}  ${
          pinned.licenses.join(", ") || "licence unknown"
        }`
      )
    }
  })
).pipe(Command.withDescription("Print the pinned packages and sources with their versions and licences"))

const lock = Command.make(
  "lock",
  { arch, quiet },
  Effect.fn(function*({ arch, quiet }) {
    const lock = yield* Lock
    const before = yield* lock.read.pipe(Effect.map(entriesOf), Effect.orElseSucceed(() => []))
    const file = yield* forTarget(arch, (yield* LockResolver).resolve.pipe(Effect.provideService(Quiet, quiet)))
    for (const pinned of entriesOf(file)) {
      const old = before.find((other) => other.name === pinned.name && other.architecture === pinned.architecture)
      if (old?.version === pinned.version) continue
      yield* Console.log(`${pinned.name} ${old === undefined ? "" : `${old.version} -> `}${pinned.version}`)
    }
    const { packages, sources } = file
    yield* Console.log(
      `${packages.length} packages and ${sources.length} source archive are locked in ${lock.path}`
    )
  })
).pipe(Command.withDescription("Pin the newest versions that the machine's mirror of Debian has"))

const fetch = Command.make(
  "fetch",
  { arch, quiet },
  Effect.fn(function*({ arch, quiet }) {
    const { locked } = yield* ToolClosure
    const { bubblewrap } = yield* CrossCompiler
    yield* forTarget(arch, Effect.andThen(locked, bubblewrap).pipe(Effect.provideService(Quiet, quiet)))
  })
).pipe(
  Command.withDescription("Download, verify and compile what is pinned, so that builds need no network for it")
)

export const tools = Command.make("tools").pipe(
  Command.withDescription("The programs and libraries from Debian that every image carries"),
  Command.withSubcommands([list, lock, fetch])
)
