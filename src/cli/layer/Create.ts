/** Packs directories to layers with the image's own packer. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import { Host } from "../../relocate/Host.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { CommandError, usageError } from "../config/CommandError.ts"

const defaultLevel = 6
const highestLevel = 9

/** FIM_COMPRESSION_LEVEL: a number, brought to between 0 and 9; anything else counts as not set. */
export const compressionLevel = (text: string | undefined): number =>
  text === undefined || !/^[+-]?\d+$/.test(text.trim())
    ? defaultLevel
    : Math.min(highestLevel, Math.max(0, Number(text.trim())))

/** Nobody but root can give files to others, so whatever an ordinary user packs belongs to root of the guest. */
export const ownedByRoot = Effect.map(Host, ({ uid }) => uid !== 0)

const failed = (detail: string) => new CommandError({ text: detail, context: "Could not create the layer" })

/** What is said first, whatever comes of it. */
export const gathering = Effect.logInfo("Gathering files to compress...")

/**
 * Says how the files are packed, and that they were. `run` does it, with arguments of the packer: from where and to where, and how. `shown`
 * is the name of the file in messages.
 */
export const announced = Effect.fnUntraced(function*<E, R>(
  input: string,
  file: string,
  shown: string,
  run: (words: ReadonlyArray<string>) => Effect.Effect<void, E, R>
) {
  const host = yield* Host
  const level = compressionLevel(host.environment["FIM_COMPRESSION_LEVEL"])
  yield* Effect.logInfo(`Compression level: '${level}'`)
  yield* Effect.logInfo(`Compress filesystem to '${shown}'`)
  yield* run(["-i", input, "-o", file, "-l", String(level), "--progress", "auto"])
  yield* Effect.logInfo("Filesystem created without errors")
})

/**
 * Packs the tree below `directory` into `file`, which appears, or is replaced, when it is complete. Names of the file `whiteout` become
 * deletions. The packer says on standard error what it does and what is wrong.
 */
export const pack = (directory: string, file: string, shown: string, whiteout?: string) =>
  announced(
    directory,
    file,
    shown,
    Effect.fnUntraced(function*(words) {
      const { directories } = yield* Relocate
      const owner = (yield* ownedByRoot) ? ["--uid", "0", "--gid", "0"] : []
      const { pid } = yield* Host
      const marked = whiteout === undefined ? [] : ["--whiteout", whiteout]
      const parent = ["--parent", String(pid)]
      const exitCode = yield* ChildProcess.make(`${directories.bin}/mkdwarfs`, [
        ...words,
        ...owner,
        ...marked,
        ...parent
      ], {
        detached: false,
        stdin: "ignore",
        stdout: "ignore",
        stderr: "inherit"
      }).pipe(
        Effect.flatMap((handle) => handle.exitCode),
        Effect.scoped,
        Effect.mapError((error) => failed(`mkdwarfs was ended: ${error.message}`))
      )
      if (exitCode !== 0) return yield* failed(`mkdwarfs ended with code ${exitCode}`)
    })
  )

export const createLayer = Effect.fn("fim-layer.create")(function*(
  { directory, file }: { readonly directory: string; readonly file: string }
) {
  const fs = yield* FileSystem.FileSystem
  yield* gathering
  const info = yield* Effect.option(fs.stat(directory))
  if (info._tag === "None") return yield* usageError(`Source directory '${directory}' does not exist`)
  if (info.value.type !== "Directory") return yield* usageError(`Source '${directory}' is not a directory`)
  yield* pack(directory, file, file)
})
