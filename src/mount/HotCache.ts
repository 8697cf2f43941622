/** The hot cache, which keeps what starts read of the layers decompressed: `FIM_HOT`, and where it is. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { cacheHome } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"

/** `FIM_HOT` is not a size. */
export class HotCacheError extends Data.TaggedError("HotCacheError")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** What all hot files may take together if `FIM_HOT` is not set, in bytes. */
const defaultBytes = 1024 ** 3

/** Powers of 1024. */
const units = ["", "k", "m", "g", "t"]

/** Where the files are, and what they may take together. */
export interface HotPlace {
  readonly directory: string
  readonly bytes: number
}

/**
 * Parses the value of `FIM_HOT`.
 *
 * @param value a number of bytes, with `K`, `M`, `G` or `T` after it for powers of 1024; 0 switches the cache off
 * @returns the bytes; fails with a sentence for the user
 */
export const parseHot = (value: string): Result.Result<number, string> => {
  const [, digits = "", unit = ""] = /^(\d{1,15})([kmgt]?)$/i.exec(value) ?? []
  const bytes = Number(digits) * 1024 ** units.indexOf(unit.toLowerCase())
  return digits !== "" && Number.isSafeInteger(bytes)
    ? Result.succeed(bytes)
    : Result.fail(`FIM_HOT must be 0 or a size such as 512M or 2G, not '${value}'`)
}

/** The hot cache of the caller; `undefined` if it is off, or there is no cache directory. Checked before anything is mounted. */
export class HotCache extends Context.Service<HotCache, { readonly place: HotPlace | undefined }>()(
  "flatimage/mount/HotCache"
) {
  static readonly layer: Layer.Layer<HotCache, HotCacheError, Host> = Layer.effect(
    HotCache,
    Effect.gen(function*() {
      // The caller's variable alone: what takes room on his disk is not for an image to say.
      const { environment } = yield* Host
      const value = environment["FIM_HOT"]
      const bytes = value === undefined || value === "" ? defaultBytes : yield* Effect.fromResult(parseHot(value)).pipe(
        Effect.mapError((detail) => new HotCacheError({ detail }))
      )
      const cache = cacheHome(environment)
      const place = bytes === 0 || cache === undefined ? undefined : { directory: `${cache}/flatimage/hot`, bytes }
      return HotCache.of({ place })
    })
  )
}
