/** Checks that nobody else can change a directory. Native code does it, by the rule in `src/native/fim/src/trust`. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"

/** The result for one directory. */
export const Verdict = Schema.Struct({
  usable: Schema.Boolean,
  /** Whether to warn the caller that it is skipped: it exists and others can change it, or it is unfit. */
  notable: Schema.Boolean,
  reason: Schema.NullOr(Schema.String),
  /** The command that makes it usable. */
  remedy: Schema.NullOr(Schema.String)
})
export type Verdict = typeof Verdict.Type

/**
 * How it will be used. `find` reads an existing directory. `rooms` uses an existing data directory and creates its missing
 * subdirectories. `make` creates a data directory. `place` creates something in a directory or at its future path.
 */
export type Purpose = "find" | "rooms" | "make" | "place"

/** Checks a directory. On a start the janitor does it. */
export type Examine = (path: string, purpose: Purpose) => Effect.Effect<Verdict, { readonly message: string }>

/** Checks directories with the program `fim`, for commands that have no janitor. */
export const examineBy = Effect.fnUntraced(function*(program: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const examine: Examine = Effect.fnUntraced(
    function*(path, purpose) {
      const { open } = yield* Effect.promise(() => import("../messages/NativeProgram.ts"))
      const session = yield* open(program, ["trust", purpose, path], { stderr: "inherit" })
      return (yield* session.reply("trust", Verdict)).content
    },
    Effect.scoped,
    Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner)
  )
  return examine
})

/** Why a directory is not used, and the command that helps. */
export const problemOf = ({ reason, remedy }: Pick<Verdict, "reason" | "remedy">): string =>
  `${reason ?? "no reason was given"}${remedy === null ? "" : `; to use it: ${remedy}`}`

/**
 * The home directory in the user database. HOME may be another user's, after `sudo` or `su`.
 *
 * @param uid numeric user id
 * @returns the absolute path; `undefined` if the user is not in the database, or at home in `/`
 */
export const registeredHome = Effect.fnUntraced(function*(uid: number) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.orElseSucceed(fs.readFileString("/etc/passwd"), () => "")
  const line = text.split("\n").find((line) => line.split(":")[2] === String(uid))
  const home = line?.split(":")[5]
  return home?.startsWith("/") === true && home !== "/" ? home : undefined
})
