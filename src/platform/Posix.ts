/** POSIX functions for files that Effect's file system lacks. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"

/** POSIX functions. */
export class Posix extends Context.Service<Posix, {
  /**
   * Removes an empty directory; fails for any other. `FileSystem.remove` would also remove the files that somebody puts
   * into it meanwhile.
   */
  readonly rmdir: (path: string) => Effect.Effect<void, PlatformError>
}>()("flatimage/platform/Posix") {}
