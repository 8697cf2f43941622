import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Identified } from "../image/Identity.ts"
import type { NativeBytes } from "../platform/NativeBytes.ts"
import { type Adopt, dataDirectory } from "./DataDirectory.ts"
import { basename, type Directories, dirname } from "./Directories.ts"
import * as Paths from "./Directories.ts"
import { Host } from "./Host.ts"
import type { Examine } from "./TrustedDirectory.ts"

/** Why the image or its directories cannot be used. */
export class RelocateError extends Data.TaggedError("RelocateError")<{
  readonly reason: "NotAnImage" | "DataDirectory"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

/**
 * The running image and its directories. The launcher has already unpacked runtime and tools, and passes their paths in the
 * environment. This service creates only the data directory, so a start that fails here leaves nothing behind.
 */
export class Relocate extends Context.Service<Relocate, {
  /** Path of the image. */
  readonly image: string
  /** Offset of its reserved space, in bytes. */
  readonly reservedOffset: number
  readonly version: string
  readonly commit: string
  readonly timestamp: string
  readonly directories: Directories
  /** Path of the dynamic loader that starts the image's own tools. */
  readonly loader: string
  /**
   * The data directory of the image with this identity. It is created if necessary, with the subdirectories `data` (the
   * upper directory), `work`, `layers` and `tmp`. `examine` checks that nobody else can change it: the janitor's on a
   * start, `examineBy` in a command.
   */
  readonly data: (identified: Identified, examine: Examine) => Effect.Effect<string, RelocateError>
}>()("flatimage/relocate/Relocate") {
  static readonly layer: Layer.Layer<
    Relocate,
    RelocateError,
    Host | FileSystem.FileSystem | NativeBytes | ChildProcessSpawner
  > = Layer.effect(
    Relocate,
    Effect.gen(function*() {
      yield* Effect.logDebug("Phase: relocate")
      const host = yield* Host
      const variable = Effect.fnUntraced(function*(name: string) {
        const value = host.environment[name]
        if (value !== undefined && value !== "") return value
        return yield* new RelocateError({
          reason: "NotAnImage",
          detail: `this program is started by the head of an image, which sets ${name}`
        })
      })
      const image = yield* variable("FIM_BIN_SELF")
      const application = yield* variable("FIM_DIR_APP")
      const reservedOffset = Number(yield* variable("FIM_OFFSET"))
      const services = yield* Effect.context<FileSystem.FileSystem | NativeBytes | ChildProcessSpawner>()
      const fim = `${application}/bin/fim`
      const adopt: Adopt = Effect.fnUntraced(function*(from, to) {
        const { renameData } = yield* Effect.promise(() => import("./RenameData.ts"))
        return yield* renameData(fim, from, to)
      }, Effect.provideContext(services))
      const data = Effect.fn("Relocate.data")(
        (identified: Identified, examine: Examine) => dataDirectory(host, image, identified, { adopt, examine }),
        Effect.provideContext(services),
        Effect.mapError((detail) => new RelocateError({ reason: "DataDirectory", detail }))
      )
      return Relocate.of({
        image,
        reservedOffset,
        version: yield* variable("FIM_VERSION"),
        commit: yield* variable("FIM_COMMIT"),
        timestamp: yield* variable("FIM_TIMESTAMP"),
        directories: Paths.below(
          yield* variable("FIM_DIR_GLOBAL"),
          basename(application),
          host.instance ?? `${host.pid}`,
          dirname(image)
        ),
        loader: `${application}/lib/${
          host.architecture === "arm64" ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2"
        }`,
        data
      })
    })
  )
}
