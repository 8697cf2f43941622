/**
 * Replaces an image by one with other layers, while it may run. The image is never truncated, because running instances
 * read from it. A new file beside it takes its name, and they continue with the old file.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { basename, dirname } from "../relocate/Directories.ts"
import { type IdentityKeeper, renewNow } from "./IdentityKeeper.ts"
import * as Layers from "./Layers.ts"
import { scanImage } from "./LayerWriter.ts"
import { isOwnEntry } from "./OwnEntry.ts"
import type { Stage } from "./PatchStages.ts"
import { Reason, ReservedSpaceError } from "./ReservedSpaceError.ts"
import { locked, type Session, type Target } from "./ReservedWriter.ts"

/** An image whose layers may be changed. It is locked against other writers. */
export interface Rewriting {
  /** Absolute path, with all links followed. */
  readonly path: string
  /** Lowest first. */
  readonly layers: ReadonlyArray<Layers.Layer>
  /** A new private directory beside the image, removed when the scope closes. */
  readonly scratch: string
  /** Copies a layer to a new file, which is synced and verified on return. */
  readonly exportLayer: (layer: Layers.Layer, path: string) => Effect.Effect<void, ReservedSpaceError>
  /**
   * Writes the new image: the first `count` layers, which must be fewer than there are, and the layer in the file `layer`
   * if it is given. Owner, permissions and extended attributes are those of the image. Synced and verified on return.
   */
  readonly rebuild: (count: number, layer?: string) => Effect.Effect<NewImage, ReservedSpaceError>
  /** Renames the new image over the old one. */
  readonly replace: (image: NewImage) => Effect.Effect<void, ReservedSpaceError>
}

/** A new image that has not replaced the old one yet. */
export interface NewImage {
  readonly path: string
  /** Offset of the new uppermost layer, in bytes. */
  readonly offset: number
}

const failure = (target: Target, detail: string) =>
  new ReservedSpaceError({ path: target.path, reason: Reason.Layers({ detail }) })

/** The scratch directory beside a locked image. Whatever is in it was left by a killed process. */
const scratchOf = Effect.fnUntraced(function*(target: Target, path: string) {
  const fs = yield* FileSystem.FileSystem
  const scratch = `${dirname(path)}/.${basename(path)}.unfinished`
  const remove = fs.remove(scratch, { recursive: true, force: true })
  const isThere = yield* Effect.isSuccess(fs.lstat(scratch))
  if (isThere && !(yield* isOwnEntry(fs, scratch))) {
    return yield* failure(target, `the new image is made in '${scratch}', which is another user's; remove it first`)
  }
  return yield* Effect.acquireRelease(
    remove.pipe(
      Effect.andThen(fs.makeDirectory(scratch, { mode: 0o700 })),
      Effect.as(scratch),
      Effect.mapError((error) => failure(target, `the new image is made in '${scratch}': ${error.message}`))
    ),
    () => Effect.ignore(remove, { log: true })
  )
})

/** Fails for an image that the caller may not write to. The rename that replaces the file would not check that. */
const checkWritable = Effect.fnUntraced(function*(target: Target, path: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.access(path, { writable: true }).pipe(
    Effect.mapError(() => failure(target, "it is read-only; make the file and its file system writable first"))
  )
  const { nlink } = yield* fs.stat(path).pipe(Effect.mapError((error) => failure(target, error.message)))
  const others = Number(Option.getOrElse(nlink, () => 1n)) - 1
  if (others > 0) {
    yield* Effect.logWarning(
      `'${path}' has ${others} more ${others === 1 ? "name" : "names"}: the old image stays there`
    )
  }
})

const open = Effect.fnUntraced(function*(target: Target, session: Session, keeper: IdentityKeeper | undefined) {
  const fs = yield* FileSystem.FileSystem
  const explained = (error: PlatformError) => failure(target, error.message)
  const path = yield* fs.realPath(target.path).pipe(Effect.mapError(explained))
  const { layers } = yield* scanImage(target, session.fileSize).pipe(
    Effect.mapError((detail) => failure(target, detail))
  )
  yield* checkWritable(target, path)
  const scratch = yield* scratchOf(target, path)
  const apply = (stage: Stage) =>
    Effect.mapError(
      session.apply(stage),
      (error) => "detail" in error.reason ? failure(target, error.reason.detail) : error
    )
  const identity = (file: string) =>
    Effect.map(fs.stat(file), ({ dev, ino }) => `${dev}:${Option.getOrElse(ino, () => 0n)}`)
  const image: Rewriting = {
    path,
    layers,
    scratch,
    exportLayer: (layer, file) => apply({ _tag: "Export", offset: layer.offset, size: layer.size, path: file }),
    rebuild: Effect.fnUntraced(function*(count, layer) {
      const next = layers[count]
      if (next === undefined) return yield* failure(target, `it has ${layers.length} layers`)
      const path = `${scratch}/image`
      const end = next.offset - Layers.prefixSize
      // The new image copies everything before the layers from this one.
      yield* renewNow(keeper, session)
      yield* apply({ _tag: "Rebuild", end, path, layer: layer ?? "" })
      return { path, offset: next.offset }
    }),
    replace: Effect.fnUntraced(function*(created) {
      const expected = yield* identity(created.path).pipe(Effect.mapError(explained))
      yield* Effect.catch(
        apply({ _tag: "Replace", path: created.path }),
        // If the reply was lost, the identity of the file at the name shows the outcome.
        (error) =>
          Effect.flatMap(
            Effect.option(identity(path)),
            (named) => Option.contains(named, expected) ? Effect.void : Effect.fail(error)
          )
      )
    })
  }
  return image
})

/** See `ReservedSpace.rewrite`. */
export const rewrite = <A, E, R>(
  target: Target,
  keeper: IdentityKeeper | undefined,
  use: (image: Rewriting) => Effect.Effect<A, E, R>
) => locked(target, (session) => Effect.scoped(Effect.flatMap(open(target, session, keeper), use)))
