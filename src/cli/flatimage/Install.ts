/**
 * `flatimage install` and `flatimage uninstall`: links that run a program of an image. Each leads through a record, a link of the same name
 * in the caller's data home, to the image. By the record the launcher tells them from other names of an image
 * (`src/native/fim/src/launcher/called.rs`), and we tell ours from those of others. `docs/decisions/0030-called-by-name.md`.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import { printable } from "../../Printable.ts"
import { absolute, basename, dataHome } from "../../relocate/Directories.ts"
import { Host } from "../../relocate/Host.ts"
import { CommandError, usageError } from "../config/CommandError.ts"
import { withImage } from "../config/ConfigFile.ts"
import { openImage } from "../config/ImageFile.ts"
import { remove as removeDesktop } from "../desktop/Desktop.ts"

/** Names that every shell and file system takes as they are. */
const validName = /^[A-Za-z0-9_][A-Za-z0-9._+@-]{0,127}$/

const contexts = { install: "Could not install the commands", uninstall: "Could not uninstall the image" } as const

const failed = (context: string) => (error: { readonly message: string }) =>
  new CommandError({ text: error.message, context })

/** Where links and records are. */
const places = Effect.fnUntraced(function*(context: string) {
  const { environment } = yield* Host
  const home = environment["HOME"]
  const data = dataHome(environment)
  if (home?.startsWith("/") !== true || data === undefined) {
    return yield* new CommandError({ text: "HOME is not an absolute path", context })
  }
  return { links: `${home}/.local/bin`, records: `${data}/flatimage/commands` }
})

/** Where a link leads; `undefined` if nothing is there, and `null` for what is not a link. */
const target = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readLink(path).pipe(
    Effect.catch((error: PlatformError.PlatformError) =>
      error.reason._tag === "NotFound" ? Effect.succeed(undefined) : Effect.succeed(null)
    )
  )
})

/** The arguments and options that HostCommands.ts declares. */
interface InstallInput {
  readonly file: string
  readonly names: ReadonlyArray<string>
  readonly command: ReadonlyArray<string>
}

export const install = Effect.fn("flatimage.install")(function*(input: InstallInput) {
  const fs = yield* FileSystem.FileSystem
  const names = [...new Set([...input.command.flatMap((list) => list.split(",")), ...input.names])]
  if (names.length === 0) return yield* usageError("Missing --command <name> for 'install'")
  yield* openImage(input.file)
  const image = yield* Effect.mapError(fs.realPath(input.file), failed(contexts.install))
  const { links, records } = yield* places(contexts.install)
  const refused = (text: string, hint?: string) =>
    new CommandError({ text, ...(hint === undefined ? {} : { hint }), context: contexts.install })
  // All are checked before the first is made.
  for (const name of names) {
    if (!validName.test(name)) {
      return yield* usageError(
        `Invalid command '${printable(name)}'`,
        "a command is the name of a program, without a path"
      )
    }
    if (name === basename(image)) {
      return yield* refused(`'${name}' is the name of the image itself, which runs the boot command`)
    }
    const link = yield* target(`${links}/${name}`)
    if (link !== undefined && link !== `${records}/${name}`) {
      return yield* refused(`'${links}/${name}' is there already and not a link of flatimage`)
    }
    const record = yield* target(`${records}/${name}`)
    if (record !== undefined && record !== image) {
      return yield* refused(
        `'${name}' is a command of '${printable(record ?? records)}' already`,
        record === null ? undefined : `to remove it: flatimage uninstall ${record}`
      )
    }
  }
  const work = Effect.gen(function*() {
    yield* fs.makeDirectory(records, { recursive: true })
    yield* fs.makeDirectory(links, { recursive: true })
    for (const name of names) {
      if ((yield* target(`${records}/${name}`)) === undefined) yield* fs.symlink(image, `${records}/${name}`)
      if ((yield* target(`${links}/${name}`)) === undefined) yield* fs.symlink(`${records}/${name}`, `${links}/${name}`)
      yield* Console.log(printable(`${links}/${name}`))
    }
  })
  yield* Effect.mapError(work, failed(contexts.install))
  const search = (yield* Host).environment["PATH"]?.split(":") ?? []
  if (!search.includes(links)) {
    yield* Effect.logWarning(`'${links}' is not in PATH; to add it: PATH=$HOME/.local/bin:$PATH`)
  }
})

/** Removes the links of an image, and what it has added to the desktop. An image that was deleted is named by the path that it had. */
export const uninstall = Effect.fn("flatimage.uninstall")(function*({ file }: { readonly file: string }) {
  const fs = yield* FileSystem.FileSystem
  const host = yield* Host
  const found = yield* Effect.option(fs.realPath(file))
  const image = found._tag === "Some" ? found.value : absolute(host, file)
  const { links, records } = yield* places(contexts.uninstall)
  const names = yield* Effect.orElseSucceed(fs.readDirectory(records), () => [])
  const removed: Array<string> = []
  const work = Effect.gen(function*() {
    for (const name of names) {
      const record = `${records}/${name}`
      if ((yield* target(record)) !== image) continue
      if ((yield* target(`${links}/${name}`)) === record) {
        yield* fs.remove(`${links}/${name}`)
        removed.push(`${links}/${name}`)
      }
      yield* fs.remove(record)
    }
  })
  yield* Effect.mapError(work, failed(contexts.uninstall))
  for (const path of removed) yield* Effect.logInfo(`Removed file '${printable(path)}'`)
  const isIntegrated = found._tag === "Some" && (yield* withImage(file, () => removeDesktop))
  if (removed.length === 0 && !isIntegrated) yield* Effect.logInfo("There is nothing to remove")
})
