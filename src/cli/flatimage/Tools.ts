/** `flatimage tools`: the programs and libraries that every image contains. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { ToolClosure } from "../../builder/Closure.ts"
import { CrossCompiler } from "../../builder/cross/CrossCompiler.ts"
import { Lock, type LockFile } from "../../builder/Lock.ts"
import { LockResolver } from "../../builder/LockResolver.ts"
import { Machine, Target } from "../../builder/Machine.ts"
import { Quiet } from "../../builder/Progress.ts"

/** All pinned entries. A program that is compiled here has no architecture. */
const entriesOf = ({ packages, sources }: LockFile) => [
  ...packages,
  ...sources.map((pinned) => ({ ...pinned, architecture: "source" }))
]

interface Input {
  readonly arch: string | undefined
  readonly quiet: boolean
}

/** Runs an effect for the named architecture. */
const forTarget = Effect.fnUntraced(function*<A, E, R>(name: string | undefined, effect: Effect.Effect<A, E, R>) {
  const target = yield* (yield* Machine).targetOf(name)
  return yield* Effect.provideService(effect, Target, target)
})

export const list = Effect.fn("flatimage.tools.list")(function*() {
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

export const lock = Effect.fn("flatimage.tools.lock")(function*({ arch, quiet }: Input) {
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

export const fetch = Effect.fn("flatimage.tools.fetch")(function*({ arch, quiet }: Input) {
  const { locked } = yield* ToolClosure
  const { bubblewrap } = yield* CrossCompiler
  yield* forTarget(arch, Effect.andThen(locked, bubblewrap).pipe(Effect.provideService(Quiet, quiet)))
})
