import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { type BuildError, buildError } from "./BuildError.ts"
import { markUsed } from "./CacheAge.ts"
import { sha256OfFile } from "./Digest.ts"
import { Programs } from "./Programs.ts"
import type { Report } from "./Progress.ts"
import { replacePath } from "./Replace.ts"
import { RuntimeCompiler } from "./Runtime.ts"
import { Workspace } from "./Workspace.ts"

/** Options of the packer. */
export interface PackOptions {
  /** 0 is the fastest, 9 the smallest. */
  readonly level: number
  /** Whether all files belong to root, because the tree could not keep their owners. */
  readonly ownedByRoot: boolean
  /** Names of this file, which may be missing, become deletions. */
  readonly whiteout?: string
}

/**
 * Seconds since 1970. If set, no file in a layer is younger, and equal inputs give equal layers. It is part of the names of
 * cached layers.
 */
export const Epoch = Context.Reference<number | undefined>("flatimage/builder/Mkdwarfs/Epoch", {
  defaultValue: () => undefined
})

/** The summary that mkdwarfs prints. Sizes in bytes. */
const Summary = Schema.Struct({
  files: Schema.Finite,
  directories: Schema.Finite,
  bytesIn: Schema.Finite,
  bytesOut: Schema.Finite,
  duplicates: Schema.Finite
})

const decodeSummary = Schema.decodeUnknownEffect(Schema.fromJsonString(Summary))

const progressLine = /^progress (\d+) (\d+)$/

/** Reports the progress that the packer prints on standard error. */
export const progressOf = (report: Report) => (line: string): Effect.Effect<void> => {
  const match = progressLine.exec(line)
  return match === null ? Effect.void : report(Number(match[1]), Number(match[2]))
}

/** Packs directory trees into layers. */
export class Mkdwarfs extends Context.Service<Mkdwarfs, {
  /** The path in the cache of the layer with this key. It also depends on the packer. */
  readonly cached: (
    key: string,
    level: number
  ) => Effect.Effect<{ readonly path: string; readonly present: boolean }, BuildError>
  /** Packs a tree to the file `path`, which appears only when it is complete. */
  readonly pack: (
    tree: string,
    path: string,
    options: PackOptions,
    report: Report
  ) => Effect.Effect<typeof Summary.Type, BuildError>
}>()("flatimage/builder/Mkdwarfs") {
  static readonly layer = Layer.effect(
    Mkdwarfs,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const programs = yield* Programs
      const compiler = yield* RuntimeCompiler
      const workspace = yield* Workspace

      const cached = Effect.fn("Mkdwarfs.cached")(function*(key: string, level: number) {
        const { mkdwarfs } = yield* compiler.native
        const packer = (yield* sha256OfFile(fs, native, mkdwarfs)).slice(0, 8)
        const epoch = yield* Epoch
        const name = `${key}-${level}${epoch === undefined ? "" : `-${epoch}`}-${packer}`
        const path = `${yield* workspace.directory("cache", "layers")}/${name}.dwarfs`
        const present = yield* Effect.orElseSucceed(fs.exists(path), () => false)
        if (present) yield* markUsed(fs, path)
        return { path, present }
      })

      const pack = Effect.fn("Mkdwarfs.pack")(
        function*(tree: string, path: string, options: PackOptions, report: Report) {
          const { mkdwarfs } = yield* compiler.native
          const epoch = yield* Epoch
          const output = yield* replacePath(fs, path, (temporary) =>
            programs.run(mkdwarfs, [
              "-i",
              tree,
              "-o",
              temporary,
              "-l",
              String(options.level),
              ...(epoch === undefined ? [] : ["--mtime-max", String(epoch)]),
              ...(options.whiteout === undefined ? [] : ["--whiteout", options.whiteout]),
              ...(options.ownedByRoot ? ["--uid", "0", "--gid", "0"] : []),
              "--progress",
              "always",
              "--json"
            ], {
              onLine: progressOf(report)
            }))
          return yield* decodeSummary(output).pipe(
            Effect.mapError((error) => buildError("BadBinary", { path: mkdwarfs, detail: error.message }, error))
          )
        }
      )

      return Mkdwarfs.of({ cached, pack })
    })
  )
}
