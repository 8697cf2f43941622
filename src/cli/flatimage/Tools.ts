import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Bubblewrap } from "../../build/Bubblewrap.ts"
import { ToolClosure } from "../../build/Closure.ts"
import { Lock, type LockFile } from "../../build/Lock.ts"
import { LockResolver } from "../../build/LockResolver.ts"
import { Quiet } from "../../build/Progress.ts"
import { quiet } from "./Quiet.ts"

/** All that is pinned; what is compiled here is of no architecture. */
const entriesOf = ({ packages, sources }: LockFile) => [
  ...packages,
  ...sources.map((pinned) => ({ ...pinned, architecture: "source" }))
]

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
  { quiet },
  Effect.fn(function*({ quiet }) {
    const lock = yield* Lock
    const before = yield* lock.read.pipe(Effect.map(entriesOf), Effect.orElseSucceed(() => []))
    const file = yield* (yield* LockResolver).resolve.pipe(Effect.provideService(Quiet, quiet))
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
  { quiet },
  Effect.fn(function*({ quiet }) {
    const { program } = yield* Bubblewrap
    yield* Effect.andThen((yield* ToolClosure).locked, program).pipe(Effect.provideService(Quiet, quiet))
  })
).pipe(
  Command.withDescription("Download, verify and compile what is pinned, so that builds need no network for it")
)

export const tools = Command.make("tools").pipe(
  Command.withDescription("The programs and libraries from Debian that every image carries"),
  Command.withSubcommands([list, lock, fetch])
)
