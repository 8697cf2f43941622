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
import { type Architecture, Machine } from "./Machine.ts"
import { Programs } from "./Programs.ts"
import { Progress } from "./Progress.ts"
import { scratchDirectory } from "./Scratch.ts"
import { bubblewrapSource } from "./Toolbox.ts"
import { Workspace } from "./Workspace.ts"

/** A compiled bubblewrap and the source it was compiled from. */
export interface Compiled {
  /** Path of the static program. */
  readonly path: string
  readonly source: Source
}

/** A C compiler with the static C library of an architecture. */
interface CCompiler {
  readonly architecture: Architecture
  /** The root directory of the paths that it prints; empty if they are paths of the machine. */
  readonly root: string
  /** Runs it and returns its standard output. `place` is its working directory, in which it may write. */
  readonly run: (args: ReadonlyArray<string>, place?: string) => Effect.Effect<string, BuildError>
}

/** Our own source files, below `src/native/bubblewrap`. */
const ownFiles = ["capability.c", "sys/capability.h"]

const remedy = "install gcc and the static C library (libc6-dev)"

/**
 * Arguments of the compiler. The result does not depend on the time or place of the compilation; file names, which `assert`
 * contains, are relative. The program has a fixed address, like our own programs: it parses no foreign data.
 */
const compilerArguments = [
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

/**
 * The definitions that upstream's build system would write. Without an assumed kernel, everything for older kernels is
 * compiled in.
 */
const configuration = (source: Source): string => `#define PACKAGE_STRING "bubblewrap ${source.version}"\n`

/**
 * Compiles bubblewrap. Debian's program is dynamic, so each start would load a loader and four libraries, and it assumes a
 * newer kernel than we do: see `docs/decisions/0022-kernel-floor.md`.
 */
export class Bubblewrap extends Context.Service<Bubblewrap, {
  /** The program for this machine's images and for the sandboxes of builds: `compiledBy` the machine's own compiler. */
  readonly program: Effect.Effect<Compiled, BuildError>
  /**
   * Compiles the program, unless the cache has the result of the same compiler. Fails with `BuildError` if the source
   * cannot be fetched, is not the pinned one, or cannot be compiled.
   */
  readonly compiledBy: (compiler: CCompiler) => Effect.Effect<Compiled, BuildError>
}>()("flatimage/builder/Bubblewrap") {
  static readonly layer = Layer.effect(
    Bubblewrap,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const apt = yield* Apt
      const lock = yield* Lock
      const { architecture } = yield* Machine
      const native = yield* NativeBytes
      const programs = yield* Programs
      const progress = yield* Progress
      const workspace = yield* Workspace
      const own = `${workspace.root}/src/native/bubblewrap`

      /** A short digest of everything that the result depends on, the compiler and its C library included. */
      const keyOf = Effect.fnUntraced(function*(source: Source, compiler: CCompiler) {
        const version = yield* compiler.run(["--version"])
        const library = (yield* compiler.run(["-print-file-name=libc.a"])).trim()
        // The compiler prints the plain name if it finds no library.
        if (!library.startsWith("/")) return yield* buildError("ProgramMissing", { program: library, remedy })
        const files = yield* Effect.forEach(
          [`${compiler.root}${library}`, ...ownFiles.map((name) => `${own}/${name}`)],
          (path) => sha256OfFile(fs, native, path)
        )
        const { debian } = compiler.architecture
        const parts = [debian, source.sha256, version, compilerArguments, configuration(source), files]
        return sha256(native, JSON.stringify(parts)).slice(0, 16)
      })

      const compile = Effect.fnUntraced(function*(source: Source, compiler: CCompiler, path: string) {
        const archive = yield* apt.fetch(source)
        const work = yield* scratchDirectory(fs, yield* workspace.directory("cache"), "bubblewrap")
        yield* programs.run("tar", ["--extract", `--file=${archive}`, `--directory=${work}`, "--strip-components=1"])
        yield* fs.makeDirectory(`${work}/own/sys`, { recursive: true }).pipe(atPath(work))
        for (const name of ownFiles) {
          yield* fs.copyFile(`${own}/${name}`, `${work}/own/${name}`).pipe(atPath(`${own}/${name}`))
        }
        yield* fs.writeFileString(`${work}/config.h`, configuration(source)).pipe(atPath(work))
        // In an order that does not depend on the file system.
        const names = (yield* fs.readDirectory(work).pipe(atPath(work))).filter((name) => name.endsWith(".c")).sort()
        yield* compiler.run([...compilerArguments, "-o", "bwrap", ...names, "own/capability.c"], work)
        yield* fs.rename(`${work}/bwrap`, path).pipe(atPath(path))
      }, Effect.scoped)

      const compiledBy = Effect.fn("Bubblewrap.compiledBy")(function*(compiler: CCompiler) {
        const source = (yield* lock.read).sources.find(({ name }) => name === bubblewrapSource.name)
        if (source === undefined) {
          return yield* buildError("LockInvalid", {
            path: lock.path,
            detail: `it has no source of ${bubblewrapSource.name}: run "flatimage tools lock"`
          })
        }
        const { debian } = compiler.architecture
        const ofMachine = debian === architecture.debian
        const place = ofMachine ? "bubblewrap" : `bubblewrap-${debian}`
        const path = `${yield* workspace.directory("cache", place, yield* keyOf(source, compiler))}/bwrap`
        if (!(yield* fs.exists(path).pipe(atPath(path)))) {
          yield* progress.step(
            ofMachine ? "Compiling bubblewrap" : `Compiling bubblewrap for ${debian}`,
            () => compile(source, compiler, path),
            () => source.version
          )
        }
        return { path, source }
      })

      const ownCompiler: CCompiler = {
        architecture,
        root: "",
        run: (args, place) => programs.run("gcc", args, { remedy, ...(place === undefined ? {} : { cwd: place }) })
      }
      return Bubblewrap.of({ program: yield* Effect.cached(compiledBy(ownCompiler)), compiledBy })
    })
  )
}
