import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"

/** Looks at files of the host. What is missing or cannot be read is `undefined` or nothing: it is not there for the guest. */
export interface HostReader {
  readonly namesIn: (directory: string) => Effect.Effect<ReadonlyArray<string>>
  /** The content of a regular file that has at most `limit` bytes. */
  readonly bytesOf: (path: string, limit: number) => Effect.Effect<Uint8Array | undefined>
  /** The path without links of a regular file, or of a directory. */
  readonly behind: (path: string, type: "File" | "Directory") => Effect.Effect<string | undefined>
}

/** A reader of the files below `root`, which is empty but for tests; there, what links lead out of it to is not found. */
export const reader = (fs: FileSystem.FileSystem, root: string): HostReader => {
  const behind = (path: string, type: "File" | "Directory") =>
    fs.realPath(`${root}${path}`).pipe(
      Effect.flatMap((real) =>
        Effect.map(fs.stat(real), (info) =>
          info.type === type && real.startsWith(`${root}/`) ? real.slice(root.length) : undefined)
      ),
      Effect.orElseSucceed(() =>
        undefined
      )
    )
  return {
    behind,
    namesIn: (directory) => Effect.orElseSucceed(fs.readDirectory(`${root}${directory}`), () => []),
    bytesOf: (path, limit) =>
      fs.stat(`${root}${path}`).pipe(
        Effect.flatMap((info) =>
          info.type === "File" && info.size <= BigInt(limit)
            ? fs.readFile(`${root}${path}`)
            : Effect.succeed(undefined)
        ),
        Effect.map((bytes) => bytes === undefined || bytes.length > limit ? undefined : bytes),
        Effect.orElseSucceed(() => undefined)
      )
  }
}
