/** Whether nobody else can change a directory. The native side judges it by the rule in `src/native/fim/src/trust`. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"

/** What is said of one directory. */
export const Claimed = Schema.Struct({
  usable: Schema.Boolean,
  /** Whether the caller has to hear that it is passed over, because there is something at the path. */
  notable: Schema.Boolean,
  reason: Schema.NullOr(Schema.String),
  /** What to type so that it can be used. */
  remedy: Schema.NullOr(Schema.String)
})
export type Claimed = typeof Claimed.Type

/**
 * `find`: a directory that is there. `make`: a data directory, of which is made what is not there. `place`: a directory in
 * which files are made, or in which it will be made itself.
 */
export type Purpose = "find" | "make" | "place"

/** Judges the directory at an absolute path. */
export type Claim = (path: string, purpose: Purpose) => Effect.Effect<Claimed, { readonly message: string }>

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Claimed))

/** Asks the program `fim`, for commands that have no janitor to ask. In: its path. */
export const claimBy = Effect.fnUntraced(function*(program: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const claim: Claim = (path, purpose) =>
    spawner.string(ChildProcess.make(program, ["trust", purpose, path], { detached: false })).pipe(
      Effect.flatMap(decode)
    )
  return claim
})

/** Why a directory is not used, and what there is to type. */
export const explain = (path: string, { reason, remedy }: Claimed): string =>
  `'${path}' is not used: ${reason ?? "no reason was given"}${remedy === null ? "" : `; to use it: ${remedy}`}`

/** Where the database of users says that a user is at home. */
export const registeredHome = Effect.fnUntraced(function*(uid: number) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.orElseSucceed(fs.readFileString("/etc/passwd"), () => "")
  const line = text.split("\n").find((line) => line.split(":")[2] === String(uid))
  const home = line?.split(":")[5]
  return home?.startsWith("/") === true && home !== "/" ? home : undefined
})
