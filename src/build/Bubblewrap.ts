import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { Apt } from "./Apt.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { sha256OfFile } from "./Digest.ts"
import { Lock, type Source } from "./Lock.ts"
import { Programs } from "./Programs.ts"
import { Progress } from "./Progress.ts"
import { replacePath } from "./Replace.ts"
import { scratchDirectory } from "./Scratch.ts"
import { bubblewrapSource } from "./Toolbox.ts"
import { Workspace } from "./Workspace.ts"

/** bubblewrap as this machine has compiled it, and what it was compiled from. */
export interface Compiled {
  /** Path of the program, which is static. */
  readonly path: string
  readonly source: Source
}

/** Our own part of it, below `src/native/bubblewrap`. */
const ownFiles = ["capability.c", "sys/capability.h"]

const compiler = "gcc"
const remedy = "install gcc and the static C library (libc6-dev)"

/**
 * Words for the compiler. Nothing in them depends on where or when it is compiled; `assert` has the names of the files, which are
 * relative. It always has the same address, like our own programs: it parses no foreign data.
 */
const compilerWords = [
  "-std=gnu11",
  "-O2",
  "-D_GNU_SOURCE",
  "-D_FORTIFY_SOURCE=2",
  "-fstack-protector-strong",
  "-fno-pie",
  "-no-pie",
  "-static",
  "-s",
  "-Wl,--build-id=none",
  "-Wl,-z,relro",
  "-Wl,-z,now",
  "-I.",
  "-Iown"
]

/** What upstream's build system would write. Without an assumed kernel all that older kernels need is compiled in. */
const configuration = (source: Source): string => `#define PACKAGE_STRING "bubblewrap ${source.version}"\n`

/**
 * Compiles bubblewrap. Debian's own is dynamic, so a loader and four libraries would be loaded at each start, and it assumes a newer
 * kernel than ours: see `docs/decisions/0022-kernel-floor.md`.
 */
export class Bubblewrap extends Context.Service<Bubblewrap, {
  /**
   * The program for images and for the sandboxes of builds, compiled unless it is in the cache. Fails with `BuildError` where the source
   * cannot be had, is not the pinned one, or cannot be compiled.
   */
  readonly program: Effect.Effect<Compiled, BuildError>
}>()("flatimage/build/Bubblewrap") {
  static readonly layer = Layer.effect(
    Bubblewrap,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const apt = yield* Apt
      const lock = yield* Lock
      const native = yield* NativeBytes
      const programs = yield* Programs
      const progress = yield* Progress
      const workspace = yield* Workspace
      const own = `${workspace.root}/src/native/bubblewrap`

      /** All that the program depends on, in short: another compiler or C library makes another one. */
      const keyOf = Effect.fnUntraced(function*(source: Source) {
        const version = yield* programs.run(compiler, ["--version"], { remedy })
        const library = (yield* programs.run(compiler, ["-print-file-name=libc.a"], { remedy })).trim()
        // The compiler gives the bare name where it finds none.
        if (!library.startsWith("/")) return yield* buildError("ProgramMissing", { program: library, remedy })
        const files = yield* Effect.forEach(
          [library, ...ownFiles.map((name) => `${own}/${name}`)],
          (path) => sha256OfFile(fs, native, path)
        )
        const parts = [source.sha256, version, compilerWords, configuration(source), files]
        return sha256(native, JSON.stringify(parts)).slice(0, 16)
      })

      const compile = Effect.fnUntraced(function*(source: Source, path: string) {
        const archive = yield* apt.fetch(source)
        const work = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "bubblewrap")
        yield* programs.run("tar", ["--extract", `--file=${archive}`, `--directory=${work}`, "--strip-components=1"])
        yield* fs.makeDirectory(`${work}/own/sys`, { recursive: true }).pipe(atPath(work))
        for (const name of ownFiles) {
          yield* fs.copyFile(`${own}/${name}`, `${work}/own/${name}`).pipe(atPath(`${own}/${name}`))
        }
        yield* fs.writeFileString(`${work}/config.h`, configuration(source)).pipe(atPath(work))
        // In an order that no file system decides.
        const names = (yield* fs.readDirectory(work).pipe(atPath(work))).filter((name) => name.endsWith(".c")).sort()
        yield* replacePath(
          fs,
          path,
          (temporary) =>
            programs.run(compiler, [...compilerWords, "-o", temporary, ...names, "own/capability.c"], {
              cwd: work,
              remedy
            })
        )
      }, Effect.scoped)

      const program = Effect.gen(function*() {
        const source = (yield* lock.read).sources.find(({ name }) => name === bubblewrapSource.name)
        if (source === undefined) {
          return yield* buildError("LockInvalid", {
            path: lock.path,
            detail: `it has no source of ${bubblewrapSource.name}: run "flatimage tools lock"`
          })
        }
        const path = `${yield* workspace.directory("cache", "bubblewrap", yield* keyOf(source))}/bwrap`
        if (!(yield* fs.exists(path).pipe(atPath(path)))) {
          yield* progress.step("Compiling bubblewrap", () => compile(source, path), () => source.version)
        }
        return { path, source }
      })

      return Bubblewrap.of({ program: yield* Effect.cached(program) })
    })
  )
}
