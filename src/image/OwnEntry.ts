import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/**
 * Whether an entry of a directory to which others may write is the caller's own, and not a link. Any other entry must not
 * be emptied by its path, because its owner can replace it by a link meanwhile.
 */
export const isOwnEntry = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, path: string) {
  const [entry, own] = yield* Effect.all([fs.lstat(path), fs.stat("/proc/self")])
  return entry.type !== "SymbolicLink" && Option.isSome(entry.uid) && entry.uid.value === Option.getOrUndefined(own.uid)
}, (self) => Effect.orElseSucceed(self, () => false))
