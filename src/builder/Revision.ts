import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { Programs } from "./Programs.ts"
import { Workspace } from "./Workspace.ts"

/** The state of the sources that an image is made from: the fields with these names in the tool table. */
export interface Revision {
  readonly version: string
  readonly commit: string
  readonly timestamp: string
}

const decodeVersion = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))

/** Seconds since 1970 as `YYYYMMDDHHMMSS` in UTC. */
const formatTimestamp = (seconds: number): string =>
  Option.match(DateTime.make(seconds * 1000), {
    onNone: () => "19700101000000",
    onSome: (time) => DateTime.formatIso(time).slice(0, 19).replaceAll(/[-:T]/g, "")
  })

/** Reads the state of the sources from git, or from `SOURCE_DATE_EPOCH` if there is no repository. */
export class Revisions extends Context.Service<Revisions, {
  readonly current: Effect.Effect<Revision, BuildError>
  /** The time of the last change of the sources, in seconds since 1970; `SOURCE_DATE_EPOCH` if it is set. */
  readonly epoch: Effect.Effect<number, BuildError>
}>()("flatimage/builder/Revision/Revisions") {
  static readonly layer = Layer.effect(
    Revisions,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const workspace = yield* Workspace
      const chosen = yield* Config.Int("SOURCE_DATE_EPOCH").pipe(Config.option)

      const commit = yield* Effect.cached(Effect.gen(function*() {
        // The repository may belong to another user.
        const args = ["-c", `safe.directory=${workspace.root}`, "log", "-1", "--format=%H %ct"]
        const line = yield* programs.run("git", args, { cwd: workspace.root }).pipe(Effect.orElseSucceed(() => ""))
        const match = /^([0-9a-f]{7})[0-9a-f]* (\d+)$/m.exec(line)
        return match?.[1] === undefined ? undefined : { commit: match[1], seconds: Number(match[2]) }
      }))

      const epoch = Effect.gen(function*() {
        if (Option.isNone(chosen)) return (yield* commit)?.seconds ?? 0
        if (chosen.value >= 0 && chosen.value < 2 ** 32) return chosen.value
        return yield* buildError("Refused", { detail: `SOURCE_DATE_EPOCH is ${chosen.value}, not seconds since 1970` })
      })

      const current = Effect.gen(function*() {
        const path = `${workspace.root}/package.json`
        const { version } = yield* fs.readFileString(path).pipe(
          atPath(path),
          Effect.flatMap((text) =>
            Effect.mapError(decodeVersion(text), (error) => buildError("File", { path, detail: error.message }, error))
          )
        )
        const known = yield* commit
        return known === undefined
          ? { version, commit: "0000000", timestamp: formatTimestamp(Option.getOrElse(chosen, () => 0)) }
          : { version, commit: known.commit, timestamp: formatTimestamp(known.seconds) }
      })

      return Revisions.of({ current: yield* Effect.cached(current), epoch })
    })
  )
}
