/** `--order-by-run`: runs a program on a layer, and lists what it reads, so that the layer can be packed with that first. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ReadList from "../../mount/ReadList.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { CommandError } from "../config/CommandError.ts"

const failed = (text: string, hint?: string) =>
  new CommandError({ text, ...(hint === undefined ? {} : { hint }), context: "Could not order the layer" })

/**
 * Runs a command in this image, on a layer that is not in it yet.
 *
 * @param options `command` is for the guest's `sh`; `layers` are the files of all layers that the image does not contain, lowest
 *   first, and the last one is to be ordered, number `number` of the run; `scratch` is a directory that the caller removes
 * @returns the file with what the command read of that layer, for `mkdwarfs --first`; fails with `CommandError` if the command cannot
 *   be run, or nothing can be listed
 */
export const listReads = Effect.fn("fim-layer.listReads")(function*(options: {
  readonly command: string
  readonly layers: ReadonlyArray<string>
  readonly number: number
  readonly scratch: string
}) {
  const { command, layers, number, scratch } = options
  const fs = yield* FileSystem.FileSystem
  const { image } = yield* Relocate
  const separated = layers.find((path) => path.includes(":"))
  if (separated !== undefined) {
    return yield* failed(`'${separated}' has a colon in its name`, "FIM_DIR_DATA chooses another data directory")
  }
  const reads = `${scratch}/reads`
  const atScratch = Effect.mapError((error: { readonly message: string }) => failed(error.message))
  yield* Effect.logInfo(`Running '${command}' to see what it reads`)
  const code = yield* ChildProcess.make(image, ["fim-exec", "sh", "-c", command], {
    detached: false,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
    extendEnv: true,
    env: {
      FIM_DIR_DATA: `${scratch}/run`,
      FIM_LAYERS: layers.join(":"),
      // All that is read has to be read through a driver of this run alone.
      FIM_LINGER: "0",
      FIM_HOT: "0",
      [ReadList.readList]: reads
    }
  }).pipe(
    Effect.flatMap((handle) => handle.exitCode),
    Effect.scoped,
    Effect.mapError((error) => failed(error.message))
  )
  if (code >= 125 && code <= 127) return yield* failed(`'${command}' could not be run: exit code ${code}`)
  if (code !== 0) yield* Effect.logWarning(`'${command}' ended with ${code}: ordered by what it read until then`)
  const list = yield* fs.readFile(reads).pipe(
    Effect.catchReason("PlatformError", "NotFound", () =>
      Effect.fail(
        failed(
          "what a program reads cannot be listed on this host: layers cannot be mounted",
          "Leave out --order-by-run, or see what the host lacks: fim-doctor"
        )
      )),
    Effect.catchTag("PlatformError", (error) => Effect.fail(failed(error.message)))
  )
  const selected = ReadList.ofLayer(list, number)
  if (selected.length === 0) yield* Effect.logWarning(`'${command}' has read nothing of the new layer`)
  const first = `${scratch}/first`
  yield* fs.writeFile(first, selected).pipe(atScratch)
  return first
})
