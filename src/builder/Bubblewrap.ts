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

/** bubblewrap as it was compiled here, and what it was compiled from. */
export interface Compiled {
  /** Path of the program, which is static. */
  readonly path: string
  readonly source: Source
}

/** A compiler for C with the static C library of an architecture. */
interface CCompiler {
  readonly architecture: Architecture
  /** The directory in which the paths that it names are: empty if they are those of the machine. */
  readonly root: string
  /** Runs it, with a directory to work in if it is to write. Gives its standard output. */
  readonly run: (args: ReadonlyArray<string>, place?: string) => Effect.Effect<string, BuildError>
}

/** Our own part of it, below `src/native/bubblewrap`. */
const ownFiles = ["capability.c", "sys/capability.h"]

const remedy = "install gcc and the static C library (libc6-dev)"

/**
 * Words for the compiler. Nothing in them depends on where or when it is compiled; `assert` has the names of the files, which are
 * relative. It always has the same address, like our own programs: it parses no foreign data.
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

/** What upstream's build system would write. Without an assumed kernel all that older kernels need is compiled in. */
const configuration = (source: Source): string => `#define PACKAGE_STRING "bubblewrap ${source.version}"\n`

/**
 * Compiles bubblewrap. Debian's own is dynamic, so a loader and four libraries would be loaded at each start, and it assumes a newer
 * kernel than ours: see `docs/decisions/0022-kernel-floor.md`.
 */
export class Bubblewrap extends Context.Service<Bubblewrap, {
  /** The program for this machine's images and for the sandboxes of builds: `compiledBy` the machine's own compiler. */
  readonly program: Effect.Effect<Compiled, BuildError>
  /**
   * The program as a compiler makes it, unless the cache has what this compiler would make. Fails with `BuildError` where the source cannot
   * be had, is not the pinned one, or cannot be compiled.
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

      /** All that the program depends on, in short: another compiler or C library makes another one. */
      const keyOf = Effect.fnUntraced(function*(source: Source, compiler: CCompiler) {
        const version = yield* compiler.run(["--version"])
        const library = (yield* compiler.run(["-print-file-name=libc.a"])).trim()
        // The compiler prints the bare name if it finds none.
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
        // In an order that no file system decides.
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
