import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import { type Merged, packMerged, verifyMerged } from "../cli/layer/Merge.ts"
import * as ReadList from "../mount/ReadList.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { Runner, type RunnerImage } from "./definition/Runner.ts"
import { sha256OfFile } from "./Digest.ts"
import { Epoch, Mkdwarfs } from "./Mkdwarfs.ts"
import { Progress } from "./Progress.ts"
import { replacePath } from "./Replace.ts"
import { RuntimeCompiler } from "./Runtime.ts"
import { scratchDirectory } from "./Scratch.ts"
import { Workspace } from "./Workspace.ts"

/** What to order, and by what. */
export interface OrderRequest {
  /** Paths of the layers of the image, lowest first. */
  readonly layers: ReadonlyArray<string>
  /** A command for the guest's `sh`. */
  readonly command: string
  /** An image without layers in which the command runs. */
  readonly runner: Effect.Effect<RunnerImage, BuildError, Scope.Scope>
  readonly level: number
  /** Whether to run the command and pack again, although the result is cached. */
  readonly refresh: boolean
}

/** Packs layers again, with what a program reads first: its start then decompresses little else. */
export class Order extends Context.Service<Order, {
  /**
   * The paths of the ordered layers; those of which the command reads nothing stay as they are. Each is compared with the one before.
   * Fails with `BuildError`.
   */
  readonly byRun: (request: OrderRequest) => Effect.Effect<ReadonlyArray<string>, BuildError, Scope.Scope>
}>()("flatimage/builder/Order") {
  static readonly layer = Layer.effect(
    Order,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const compiler = yield* RuntimeCompiler
      const mkdwarfs = yield* Mkdwarfs
      const progress = yield* Progress
      const runner = yield* Runner
      const spawner = yield* ChildProcessSpawner
      const workspace = yield* Workspace

      const pack = Effect.fnUntraced(function*(merged: Merged, first: Uint8Array, path: string, level: number) {
        const programs = yield* compiler.native
        const epoch = yield* Epoch
        const list = `${yield* scratchDirectory(fs, yield* workspace.directory("cache"), "order")}/first`
        yield* fs.writeFile(list, first).pipe(atPath(list))
        const refused = Effect.mapError((error: { readonly text: string }) =>
          buildError("Refused", { detail: error.text })
        )
        yield* replacePath(
          fs,
          path,
          Effect.fnUntraced(function*(temporary) {
            yield* packMerged(programs, merged, [
              "-i",
              "-",
              "-o",
              temporary,
              "-l",
              String(level),
              "--first",
              list,
              ...(epoch === undefined ? [] : ["--mtime-max", String(epoch)]),
              "--progress",
              "never"
            ]).pipe(refused)
            const { size } = yield* fs.stat(temporary).pipe(atPath(temporary))
            yield* verifyMerged(programs, merged, { path: temporary, offset: 0, size: Number(size) }).pipe(refused)
          })
        ).pipe(Effect.provideService(ChildProcessSpawner, spawner))
      }, Effect.scoped)

      const byRun = Effect.fn("Order.byRun")(
        function*({ command, layers, level, refresh, runner: image }: OrderRequest) {
          const digests = yield* Effect.forEach(layers, (layer) => sha256OfFile(fs, native, layer))
          const places = yield* Effect.forEach(layers, (_, index) =>
            mkdwarfs.cached(
              `order-${
                sha256(native, JSON.stringify([command, digests.slice(0, index + 1), digests.length])).slice(0, 24)
              }`,
              level
            ))
          if (!refresh && places.some(({ present }) => present)) {
            yield* progress.note(`Order by '${command}': cached`)
            return layers.map((layer, index) => places[index]?.present === true ? places[index].path : layer)
          }
          const list = yield* progress.step(
            `Running ${command}`,
            () => Effect.flatMap(image, (image) => runner.reads({ ...image, layers, command }))
          )
          const sizes = yield* Effect.forEach(
            layers,
            (path) => Effect.map(atPath(path)(fs.stat(path)), ({ size }) => ({ path, offset: 0, size: Number(size) }))
          )
          const ordered = yield* Effect.forEach(
            layers,
            Effect.fnUntraced(function*(layer, index) {
              const first = ReadList.ofLayer(list, index)
              const path = places[index]?.path
              if (first.length === 0 || path === undefined) return layer
              yield* progress.step(
                `Ordering layer ${index}`,
                () => pack({ layers: sizes.slice(0, index + 1), below: index }, first, path, level)
              )
              return path
            })
          )
          if (
            ordered.every((layer, index) => layer === layers[index])
          ) {
            return yield* buildError("Refused", { detail: `'${command}' reads nothing of the image` })
          }
          return ordered
        }
      )

      return Order.of({ byRun })
    })
  )
}
