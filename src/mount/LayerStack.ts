import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import { expand } from "../image/Expand.ts"
import * as Layers from "../image/Layers.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { absolute } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { variablesOf } from "../relocate/OwnVariables.ts"
import { Relocate } from "../relocate/Relocate.ts"
import * as Utf8 from "../Utf8.ts"
import { Janitor } from "./Janitor.ts"
import type { LayerPlace } from "./LayerPlace.ts"

/** The image has no usable layers, or there is no usable data directory. */
export class LayerStackError extends Data.TaggedError("LayerStackError")<{
  readonly reason: "DataDirectory" | "Damaged" | "Empty"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

/** All layers of a run. */
export interface Stack {
  /** Lowest first. */
  readonly layers: ReadonlyArray<LayerPlace>
  /** Identifies these layers: equal texts are equal layers. */
  readonly identity: string
  /** How many of the layers are inside the image, and how many after those come from `FIM_LAYERS`. */
  readonly embedded: number
  readonly listed: number
}

/** The layers of this run and its data directory, with `layers` and the upper directory in it. */
export class LayerStack extends Context.Service<LayerStack, Stack & { readonly data: string }>()(
  "flatimage/mount/LayerStack"
) {
  static readonly layer: Layer.Layer<
    LayerStack,
    LayerStackError,
    FileSystem.FileSystem | Host | Janitor | Relocate | Snapshot
  > = Layer.effect(LayerStack, Effect.suspend(() => make()))
}

const magic = "DWARFS"

/**
 * Reads up to `length` bytes at `position`; fewer at the end of the file.
 */
const readAt = Effect.fnUntraced(function*(file: FileSystem.File, position: number, length: number) {
  yield* file.seek(BigInt(position), "start")
  const bytes = yield* file.readAlloc(length)
  return Option.getOrElse(bytes, () => new Uint8Array())
})

/** Texts and numbers in turn. */
const partsOf = (name: string): ReadonlyArray<string> => name.split(/(\d+)/)

/**
 * Compares names by the numbers in them: layer-9 before layer-10, and layer-999 before layer-1000.
 *
 * @param left a name
 * @param right another
 * @returns negative if `left` comes first, positive if `right` does, 0 for equal names
 */
export const byNumber = (left: string, right: string): number => {
  const [a, b] = [partsOf(left), partsOf(right)]
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const [x, y] = [a[index] ?? "", b[index] ?? ""]
    if (x === y) continue
    const difference = index % 2 === 1 ? BigInt(x) - BigInt(y) : 0n
    if (difference !== 0n) return difference < 0n ? -1 : 1
    return x < y ? -1 : 1
  }
  return a.length - b.length
}

const failing = (reason: LayerStackError["reason"]) => (error: { readonly message: string }) =>
  new LayerStackError({ reason, detail: error.message, cause: error })

/** A layer with an identity that does not depend on the name of its file. */
interface Found {
  readonly place: LayerPlace
  readonly identity: string
}

const found = (place: LayerPlace, info: FileSystem.File.Info): Found => ({
  place,
  identity: `${info.dev}:${Option.getOrElse(info.ino, () => 0)}:${place.offset}:${place.size}`
})

/** The layers inside the image. */
const embedded = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const { image, reservedOffset } = yield* Relocate
  const file = yield* fs.open(image, { flag: "r" })
  const info = yield* file.stat
  const { layers } = yield* Layers.scan(
    (position, length) => readAt(file, position, length),
    reservedOffset,
    Number(info.size)
  )
  return layers.map((layer) => found({ path: image, offset: layer.offset, size: layer.size }, info))
}, Effect.scoped)

/** The layers at `path`: the file itself, or the files of the directory. Missing files and files that are not DwarFS are skipped. */
const external = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(path))
  if (Option.isNone(info)) {
    yield* Effect.logWarning(`Layer '${path}' does not exist, skipped`)
    return []
  }
  const names = info.value.type === "Directory" ? (yield* fs.readDirectory(path)).sort(byNumber) : undefined
  const files = names === undefined ? [path] : names.map((name) => `${path}/${name}`)
  const layers: Array<Found> = []
  for (const file of files) {
    const layer = yield* Effect.option(layerIn(file, names === undefined ? info.value : undefined))
    if (Option.isSome(layer) && layer.value !== undefined) layers.push(layer.value)
    else yield* Effect.logWarning(`'${file}' is not a DwarFS layer, skipped`)
  }
  return layers
})

/** The layer in a file, if it begins like a DwarFS image. `known` is the file's status, if already read. */
const layerIn = Effect.fnUntraced(function*(path: string, known: FileSystem.File.Info | undefined) {
  const fs = yield* FileSystem.FileSystem
  const info = known ?? (yield* fs.stat(path))
  // Checked before opening: opening a FIFO would wait for a writer.
  if (info.type !== "File") return undefined
  const file = yield* fs.open(path, { flag: "r" })
  const start = yield* file.readAlloc(magic.length)
  const isLayer = Option.isSome(start) && Utf8.decode(start.value) === magic
  return isLayer ? found({ path, offset: 0, size: Number(info.size) }, info) : undefined
}, Effect.scoped)

/**
 * Collects the layers of this run, lowest first: those inside the image, those that `FIM_LAYERS` names (files and
 * directories, separated by colons, `~` and variables replaced in each), those of `FIM_FILES_LAYER`, the name of it in the design of
 * the original, and those in `layers` of the data directory.
 *
 * @param data the data directory, if there is one
 * @param distribution name of the distribution, for `FIM_DIST`
 * @returns the layers; fails if the image's own are damaged or unreadable, and skips others with a warning
 */
export const collect: (data: string | undefined, distribution: string) => Effect.Effect<
  Stack,
  Layers.LayersError | PlatformError.PlatformError,
  FileSystem.FileSystem | Host | Relocate
> = Effect.fn("LayerStack.collect")(function*(data, distribution) {
  const host = yield* Host
  const relocate = yield* Relocate
  const given = ["FIM_LAYERS", "FIM_FILES_LAYER"].flatMap((name) => (host.environment[name] ?? "").split(":"))
  const variables = variablesOf({ host, relocate, distribution, data: data ?? "" }, relocate.directories)
  // The driver, which reads them, leaves the caller's directory.
  const listed = given.map((path) => expand(path, variables)).filter((path) => path !== "")
    .map((path) => absolute(host, path))
  const managed = data === undefined ? [] : [`${data}/layers`]
  const [own, others] = yield* Effect.all([
    embedded(),
    Effect.forEach([...listed, ...managed], external, { concurrency: 8 })
  ], { concurrency: "unbounded" })
  const layers = [...own, ...others.flat()]
  return {
    layers: layers.map(({ place }) => place),
    identity: layers.map(({ identity }) => identity).join(" "),
    embedded: own.length,
    listed: others.slice(0, listed.length).flat().length
  }
})

const make = Effect.fnUntraced(function*() {
  const relocate = yield* Relocate
  yield* Effect.logDebug("Phase: layers")
  const { extension } = yield* Snapshot
  const { examine } = yield* Janitor
  const data = yield* relocate.data(extension, examine).pipe(Effect.mapError(failing("DataDirectory")))
  const stack = yield* collect(data, extension.distribution).pipe(Effect.mapError(failing("Damaged")))
  if (stack.layers.length === 0) {
    return yield* new LayerStackError({
      reason: "Empty",
      detail: `'${relocate.image}' has no layers; name some in FIM_LAYERS`
    })
  }
  return LayerStack.of({ ...stack, data })
})
