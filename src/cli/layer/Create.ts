/** Packs directories into layers with the image's own packer. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import { Host } from "../../relocate/Host.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { CommandError, usageError } from "../config/CommandError.ts"

const defaultLevel = 6
const highestLevel = 9

/**
 * The compression level.
 *
 * @param text FIM_COMPRESSION_LEVEL: a number, limited to 0 to 9; anything else counts as not set
 * @returns the level
 */
export const compressionLevel = (text: string | undefined): number =>
  text === undefined || !/^[+-]?\d+$/.test(text.trim())
    ? defaultLevel
    : Math.min(highestLevel, Math.max(0, Number(text.trim())))

/**
 * Whether all files of a layer belong to root of the guest: only root can change owners, so an ordinary user's layers do.
 */
export const ownedByRoot = Effect.map(Host, ({ uid }) => uid !== 0)

const failed = (detail: string) => new CommandError({ text: detail, context: "Could not create the layer" })

/** The first message, whatever follows. */
export const announceGathering = Effect.logInfo("Gathering files to compress...")

/**
 * Runs the packer and prints messages before and after it.
 *
 * @param input the tree, or `-`
 * @param file the layer
 * @param shown its name in messages
 * @param run starts the packer with these arguments
 */
export const withMessages = Effect.fnUntraced(function*<E, R>(
  input: string,
  file: string,
  shown: string,
  run: (args: ReadonlyArray<string>) => Effect.Effect<void, E, R>
) {
  const host = yield* Host
  const level = compressionLevel(host.environment["FIM_COMPRESSION_LEVEL"])
  yield* Effect.logInfo(`Compression level: '${level}'`)
  yield* Effect.logInfo(`Compress filesystem to '${shown}'`)
  yield* run(["-i", input, "-o", file, "-l", String(level), "--progress", "auto"])
  yield* Effect.logInfo("Filesystem created without errors")
})

/** Options of the packer. */
interface PackOptions {
  /** Names of this file become deletions. It may be missing. */
  readonly whiteout?: string
  /** A list of parts of files that are stored first, see `mkdwarfs --help`. */
  readonly first?: string | undefined
}

/** Runs the packer with the owners that a layer of this user has. */
const runPacker = Effect.fnUntraced(function*(args: ReadonlyArray<string>, { first, whiteout }: PackOptions) {
  const { directories } = yield* Relocate
  const { pid } = yield* Host
  const exitCode = yield* ChildProcess.make(`${directories.bin}/mkdwarfs`, [
    ...args,
    ...(yield* ownedByRoot) ? ["--uid", "0", "--gid", "0"] : [],
    ...whiteout === undefined ? [] : ["--whiteout", whiteout],
    ...first === undefined ? [] : ["--first", first],
    "--parent",
    String(pid)
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

/**
 * Packs the tree below `directory` into `file`, which appears, or is replaced, when it is complete. The packer prints its progress
 * and its errors on standard error.
 */
export const pack = (directory: string, file: string, shown: string, options: PackOptions = {}) =>
  withMessages(directory, file, shown, (args) => runPacker(args, options))

/** Packs a tree into a layer that is used once: as fast as possible, and without messages. */
export const packForTrial = (directory: string, file: string, options: PackOptions) =>
  runPacker(["-i", directory, "-o", file, "-l", "1", "--progress", "auto"], options)

export const createLayer = Effect.fn("fim-layer.create")(function*(
  { directory, file }: { readonly directory: string; readonly file: string }
) {
  const fs = yield* FileSystem.FileSystem
  yield* announceGathering
  const info = yield* Effect.option(fs.stat(directory))
  if (info._tag === "None") return yield* usageError(`Source directory '${directory}' does not exist`)
  if (info.value.type !== "Directory") return yield* usageError(`Source '${directory}' is not a directory`)
  yield* pack(directory, file, file)
})
