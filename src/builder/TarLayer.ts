import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import { packMerged } from "../cli/layer/Merge.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { Epoch, progressOf } from "./Mkdwarfs.ts"
import { Programs } from "./Programs.ts"
import type { Report } from "./Progress.ts"
import { replacePath } from "./Replace.ts"
import { RuntimeCompiler } from "./Runtime.ts"

/** A tar archive that becomes a layer. */
export interface TarRequest {
  readonly archive: string
  /** SHA-256 of the archive without compression, in hexadecimal digits; checked before anything in it is read. */
  readonly digest: string
  /** Most bytes of the archive without compression. */
  readonly limit: number
  /** Layers below, lowest first: they say what deletions mean. */
  readonly below: ReadonlyArray<string>
  /** Directory for the decompressed archive. */
  readonly scratch: string
  readonly level: number
}

const Summary = Schema.Struct({
  files: Schema.Finite,
  directories: Schema.Finite,
  /** Size of all files. */
  bytes: Schema.Finite,
  /** Size of the archive without compression. */
  archive: Schema.Finite,
  /** Number of files with extended attributes, which layers do not have, and names of some. */
  withAttributes: Schema.Finite,
  attributes: Schema.Array(Schema.String)
})
export type TarSummary = typeof Summary.Type

const Unfolded = Schema.Struct({
  members: Schema.Array(Schema.Struct({
    name: Schema.String,
    /** Name of the file that has its content. */
    file: Schema.optionalKey(Schema.String),
    /** Target of a link. */
    link: Schema.optionalKey(Schema.String)
  }))
})
export type Unfolded = typeof Unfolded.Type

const decodeSummary = Schema.decodeUnknownEffect(Schema.fromJsonString(Summary))
const decodeUnfolded = Schema.decodeUnknownEffect(Schema.fromJsonString(Unfolded))

const badAnswer = (path: string) =>
  Effect.mapError((error: { readonly message: string }) => buildError("BadBinary", { path, detail: error.message }))

const belowArguments = (layers: ReadonlyArray<string>) => layers.flatMap((layer) => ["--below", layer])

const packer = (mkdwarfs: string, path: string, level: number) => [
  mkdwarfs,
  "-i",
  "-",
  "-o",
  path,
  "-l",
  String(level),
  "--progress",
  "always"
]

/** Reads the tar archives of containers by our own program, which writes nothing by the names in them. */
export class TarLayer extends Context.Service<TarLayer, {
  /** Packs an archive to the layer `path`, which appears only when it is complete. */
  readonly pack: (path: string, request: TarRequest, report: Report) => Effect.Effect<TarSummary, BuildError>
  /** Merges layers, lowest first, to the layer `path`. */
  readonly merge: (path: string, layers: ReadonlyArray<string>, level: number) => Effect.Effect<void, BuildError>
  /** A regular file that layers show, with links followed inside of them; empty if there is none. */
  readonly read: (layers: ReadonlyArray<string>, path: string) => Effect.Effect<string, BuildError>
  /** Writes the contents of an archive to numbered files in `directory`, and returns what names they have. */
  readonly unfold: (
    archive: string,
    directory: string,
    limit: number
  ) => Effect.Effect<Unfolded, BuildError>
}>()("flatimage/builder/TarLayer") {
  static readonly layer = Layer.effect(
    TarLayer,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const compiler = yield* RuntimeCompiler
      const spawner = yield* ChildProcessSpawner

      /** The program's own words are enough: its command line names files of the cache. */
      const inItsWords = Effect.mapError((error: BuildError) =>
        error.reason._tag === "ProgramFailed" && error.reason.output !== ""
          ? buildError("Refused", {
            detail: error.reason.output.replaceAll(/(?:^|; )(?:tarlayer: |progress \d+ \d+)/g, " ").trim()
          })
          : error
      )

      const pack = Effect.fn("TarLayer.pack")(function*(path: string, request: TarRequest, report: Report) {
        const { mkdwarfs, tarlayer } = yield* compiler.native
        const epoch = yield* Epoch
        const { archive, below, digest, level, limit, scratch } = request
        const output = yield* replacePath(fs, path, (temporary) =>
          programs.run(tarlayer, [
            "pack",
            "--archive",
            archive,
            "--scratch",
            scratch,
            "--digest",
            digest,
            "--limit",
            String(limit),
            ...belowArguments(below),
            ...(epoch === undefined ? [] : ["--mtime-max", String(epoch)]),
            "--",
            ...packer(mkdwarfs, temporary, level)
          ], { onLine: progressOf(report) })).pipe(inItsWords)
        return yield* decodeSummary(output).pipe(badAnswer(tarlayer))
      })

      const merge = Effect.fn("TarLayer.merge")(function*(path: string, layers: ReadonlyArray<string>, level: number) {
        const native = yield* compiler.native
        const places = yield* Effect.forEach(
          layers,
          (layer) =>
            Effect.map(atPath(layer)(fs.stat(layer)), ({ size }) => ({ path: layer, offset: 0, size: Number(size) }))
        )
        const args = (temporary: string) => ["-i", "-", "-o", temporary, "-l", String(level), "--progress", "never"]
        yield* replacePath(
          fs,
          path,
          (temporary) =>
            packMerged(native, { layers: places, below: 0 }, args(temporary)).pipe(
              Effect.mapError((error) => buildError("Refused", { detail: error.text }, error)),
              Effect.provideService(ChildProcessSpawner, spawner)
            )
        )
      })

      const read = Effect.fn("TarLayer.read")(function*(layers: ReadonlyArray<string>, path: string) {
        const { tarlayer } = yield* compiler.native
        return yield* programs.run(tarlayer, ["read", ...belowArguments(layers), "--path", path]).pipe(inItsWords)
      })

      const unfold = Effect.fn("TarLayer.unfold")(function*(archive: string, directory: string, limit: number) {
        const { tarlayer } = yield* compiler.native
        const output = yield* programs.run(tarlayer, [
          "unfold",
          "--archive",
          archive,
          "--scratch",
          directory,
          "--into",
          directory,
          "--limit",
          String(limit)
        ]).pipe(inItsWords)
        return yield* decodeUnfolded(output).pipe(badAnswer(tarlayer))
      })

      return TarLayer.of({ pack, merge, read, unfold })
    })
  )
}
