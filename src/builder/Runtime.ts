import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { Programs } from "./Programs.ts"
import { replacePath } from "./Replace.ts"
import { Workspace } from "./Workspace.ts"

const Artifact = Schema.fromJsonString(
  Schema.Struct({
    reason: Schema.Literal("compiler-artifact"),
    target: Schema.Struct({ name: Schema.String }),
    executable: Schema.String
  })
)

const decodeArtifact = Schema.decodeUnknownOption(Artifact)

/**
 * The path of a program in cargo's output, whose layout depends on settings.
 *
 * @param messages cargo's messages, one JSON object per line
 * @param name of the program
 */
const executableOf = (messages: string, name: string): string | undefined => {
  for (const line of messages.split("\n")) {
    const artifact = Option.getOrUndefined(decodeArtifact(line))
    if (artifact?.target.name === name) return artifact.executable
  }
  return undefined
}

/** Paths of our own native programs. */
export interface NativePrograms {
  /** The head of an image. */
  readonly launcher: string
  /** The boot program with its engine, and all other native parts of an image. */
  readonly fim: string
  /** Packs layers. A separate program because of its licence. */
  readonly mkdwarfs: string
  /** Reads the archives of containers. It is in no image. */
  readonly tarlayer: string
}

/** What to do if cargo is missing. */
export const cargoRemedy = "install Rust 1.85 or newer"

/**
 * Copies the programs that cargo has compiled to `directory`, under stable names.
 *
 * @param messages cargo's messages, one JSON object per line
 * @returns their paths; fails with `BuildError` if a program is missing
 */
export const placePrograms = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  messages: string,
  directory: string
): Effect.fn.Return<NativePrograms, BuildError> {
  const place = Effect.fnUntraced(function*(name: string) {
    const from = executableOf(messages, name)
    const path = `${directory}/${name}`
    if (from === undefined) {
      return yield* buildError("BadBinary", { path, detail: `cargo made no program of the name ${name}` })
    }
    yield* replacePath(fs, path, (temporary) => fs.copyFile(from, temporary).pipe(atPath(from)))
    return path
  })
  return {
    launcher: yield* place("launcher"),
    fim: yield* place("fim"),
    mkdwarfs: yield* place("mkdwarfs"),
    tarlayer: yield* place("tarlayer")
  }
})

/** Compiles our own programs. */
export class RuntimeCompiler extends Context.Service<RuntimeCompiler, {
  /** The native programs. cargo detects what has changed. Fails with `BuildError`. */
  readonly native: Effect.Effect<NativePrograms, BuildError>
}>()("flatimage/builder/Runtime/RuntimeCompiler") {
  static readonly layer = Layer.effect(
    RuntimeCompiler,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const workspace = yield* Workspace

      const mustExist = Effect.fnUntraced(function*(path: string, remedy: string) {
        if (!(yield* fs.exists(path).pipe(atPath(path)))) return yield* buildError("NotMade", { path, remedy })
      })

      const native = Effect.gen(function*() {
        // The boot program in `fim` is bundled with these files. Cargo lists the same ones among others.
        yield* mustExist(`${workspace.root}/node_modules/rolldown`, "bin/setup")
        const output = yield* programs.run(
          "cargo",
          ["build", "--release", "--locked", "--message-format=json-render-diagnostics"],
          {
            // cargo finds the workspace's settings, such as static linking, from this directory.
            cwd: `${workspace.root}/src/native`,
            // It does not affect the result, but cargo compiles everything again when it changes.
            env: { CARGO_TARGET_DIR: `${workspace.build}/cargo`, SOURCE_DATE_EPOCH: undefined },
            remedy: cargoRemedy
          }
        )
        const directory = yield* workspace.directory("native")
        const native = yield* placePrograms(fs, output, directory)
        const tied = `${directory}/tied`
        // The name shows that this version of `fim` supports it.
        yield* fs.symlink("fim", tied).pipe(
          Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.void),
          atPath(tied)
        )
        return native
      })

      return RuntimeCompiler.of({ native: yield* Effect.cached(native) })
    })
  )
}
