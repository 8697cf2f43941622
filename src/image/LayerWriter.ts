/** Appends a layer to an image that may be running. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { type IdentityKeeper, renewNow } from "./IdentityKeeper.ts"
import { inspectLayer } from "./InspectLayer.ts"
import * as Layers from "./Layers.ts"
import { Reason, ReservedSpaceError } from "./ReservedSpaceError.ts"
import { locked, type Target } from "./ReservedWriter.ts"

const chunkSize = 1 << 20

const failure = (target: Target, detail: string) =>
  new ReservedSpaceError({ path: target.path, reason: Reason.Layer({ detail }) })

/** Fails unless a range of a file is a valid DwarFS image. */
const check = Effect.fnUntraced(function*(target: Target, path: string, layer: Layers.Layer) {
  const fs = yield* FileSystem.FileSystem
  const report = yield* inspectLayer(
    (offset, length) => fs.stream(path, { offset, bytesToRead: length, chunkSize: Math.min(chunkSize, length) }),
    layer
  ).pipe(Effect.mapError((error) => failure(target, error.message)))
  const [problem] = report.problems
  if (problem !== undefined) return yield* failure(target, `'${path}' is not a sound DwarFS image: ${problem}`)
})

/** The layers of an image, and where they end. Fails with a message if unknown bytes follow them. */
export const scanImage = Effect.fnUntraced(function*(target: Target, fileSize: number) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(target.path).pipe(Effect.mapError((error) => error.message))
  const readAt = Effect.fnUntraced(function*(position: number, length: number) {
    yield* file.seek(BigInt(position), "start")
    return Option.getOrElse(yield* file.readAlloc(length), () => new Uint8Array())
  })
  const scanned = yield* Effect.result(Layers.scan(readAt, target.offset, fileSize))
  if (Result.isFailure(scanned)) {
    return yield* Effect.fail(`its last layer is damaged: ${scanned.failure.message}`)
  }
  if (scanned.success.stop === "NotDwarFS") {
    return yield* Effect.fail(
      `what follows its last layer, at byte ${scanned.success.end}, is none; cut it off there`
    )
  }
  return scanned.success
}, Effect.scoped)

/** See `ReservedSpace.append`. */
export const append = Effect.fnUntraced(
  function*(target: Target, path: string, keeper: IdentityKeeper | undefined) {
    const fs = yield* FileSystem.FileSystem
    const found = fs.stat(path).pipe(Effect.mapError((error) => failure(target, error.message)))
    const size = Number((yield* found).size)
    yield* check(target, path, { index: 0, offset: 0, size })
    yield* locked(
      target,
      Effect.fnUntraced(function*(session) {
        const { apply, fileSize } = session
        const { end, stop } = yield* scanImage(target, fileSize).pipe(
          Effect.mapError((detail) => failure(target, detail))
        )
        // A killed append left this.
        if (stop === "SizeZero") yield* apply({ _tag: "Truncate", length: end })
        yield* apply({ _tag: "Copy", offset: end, source: path })
        // The file may have changed meanwhile: its size in the image counts.
        const copied = Number((yield* found).size)
        yield* check(target, target.path, { index: 0, offset: end + Layers.prefixSize, size: copied }).pipe(
          Effect.tapError(() => apply({ _tag: "Truncate", length: end }))
        )
        yield* renewNow(keeper, session)
        yield* apply({ _tag: "Publish", offset: end, size: copied })
      })
    )
  },
  (self, target) =>
    Effect.mapError(
      self,
      ({ reason }) =>
        reason._tag === "Layer" || !("detail" in reason)
          ? new ReservedSpaceError({ path: target.path, reason })
          : failure(target, reason.detail)
    )
)
