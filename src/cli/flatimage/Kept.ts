/** `flatimage du` and `flatimage prune`: what flatimage keeps for the caller below his directories, and removing what nothing uses. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ByteString from "../../ByteString.ts"
import { formatBytes } from "../../FormatBytes.ts"
import { askOnce, type ProgramError } from "../../messages/NativeProgram.ts"
import { printable, printableJson } from "../../Printable.ts"
import { cacheHome, dataHome } from "../../relocate/Directories.ts"
import { Host } from "../../relocate/Host.ts"
import * as Utf8 from "../../Utf8.ts"
import { CommandError } from "../config/CommandError.ts"
import { Patcher } from "../config/ConfigFile.ts"

const Kind = Schema.Literals(["tools", "layer", "hot", "data"])

/** The answer of `fim kept`. */
const Answer = Schema.Struct({
  entries: Schema.Array(Schema.Struct({
    kind: Kind,
    path: Schema.String,
    bytes: Schema.Int,
    used: Schema.Int,
    in_use: Schema.Boolean,
    removed: Schema.Boolean
  })),
  skipped: Schema.Array(Schema.String)
})

/** A directory or file that is kept. */
interface Entry {
  readonly kind: typeof Kind.Type
  readonly path: string
  /** Of disk. */
  readonly bytes: number
  /** Seconds since 1970 of the last use; 0 if unknown. */
  readonly used: number
  readonly inUse: boolean
  readonly removed: boolean
}

/** Where what is kept may be. */
interface Places {
  readonly tools: ReadonlyArray<string>
  readonly layers: ReadonlyArray<string>
  readonly hot: ReadonlyArray<string>
  readonly data: ReadonlyArray<string>
}

/**
 * The directories of `docs/directories.md` that do not depend on an image.
 *
 * @param host whose they are
 * @returns absolute paths, whether or not there is anything
 */
const placesOf = ({ environment, uid }: Pick<Host["Service"], "environment" | "uid">): Places => {
  const cache = cacheHome(environment)
  const data = dataHome(environment)
  const chosen = environment["FIM_DIR_GLOBAL"]
  const own = cache === undefined ? [] : [`${cache}/flatimage`]
  const globals = chosen?.startsWith("/") === true ? [chosen] : ["/tmp/fim", `/tmp/fim-${uid}`, ...own]
  return {
    tools: globals.map((global) => `${global}/app`),
    layers: [...new Set([...own, ...globals].map((directory) => `${directory}/layers`))],
    hot: own.map((directory) => `${directory}/hot`),
    data: data === undefined ? [] : [`${data}/flatimage`]
  }
}

const named = (paths: ReadonlyArray<string>) => paths.map(ByteString.ofText)

const failed = (error: ProgramError) =>
  new CommandError({
    text: error.reason === "Start" ? `${error.program}: ${error.message}; to make it: bin/setup` : error.message,
    context: "Could not list what is kept",
    cause: error
  })

/** Asks `fim` for what there is; with `removes` it removes what nothing uses. */
const ask = Effect.fnUntraced(function*(removes: boolean) {
  const { path: fim } = yield* Patcher
  const places = placesOf(yield* Host)
  const request = {
    operation: "list",
    fields: {
      tools: named(places.tools),
      layers: named(places.layers),
      hot: named(places.hot),
      data: named(places.data),
      removes
    }
  }
  const { content: { entries, skipped } } = yield* Effect.mapError(
    askOnce(fim, ["kept"], { stderr: "inherit" }, request, Answer),
    failed
  )
  yield* Effect.forEach(skipped, (reason) => Effect.logDebug(`Skipped: ${printable(reason)}`), { discard: true })
  return entries.map(({ bytes, in_use: inUse, kind, path, removed, used }): Entry => ({
    kind,
    path: Utf8.decode(ByteString.toBytes(path)),
    bytes,
    used,
    inUse,
    removed
  }))
})

const names = { tools: "tools", layer: "unpacked layer", hot: "hot cache", data: "data directory" } as const

const sum = (entries: ReadonlyArray<Entry>): number => entries.reduce((total, { bytes }) => total + bytes, 0)

const table = (entries: ReadonlyArray<Entry>): string => {
  const rows = entries.map(({ bytes, inUse, kind, path }) => [
    names[kind],
    formatBytes(bytes),
    `${printable(path)}${inUse ? " (in use)" : ""}`
  ])
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  const [first, second] = [width(0), width(1)]
  return rows.map(([kind = "", size = "", path = ""]) => `${kind.padEnd(first)}  ${size.padStart(second)}  ${path}`)
    .join("\n")
}

export const du = Effect.fn("flatimage.du")(function*({ json }: { readonly json: boolean }) {
  const entries = yield* ask(false)
  if (json) {
    const shown = entries.map(({ bytes, inUse, kind, path, used }) => ({ kind, path, bytes, used, inUse }))
    return yield* Console.log(printableJson(JSON.stringify({ entries: shown, bytes: sum(entries) }, null, 2)))
  }
  if (entries.length > 0) yield* Console.log(table(entries))
  yield* Console.log(`total: ${formatBytes(sum(entries))}`)
})

/** What `prune` may remove: each start makes it again. */
const isPruned = ({ inUse, kind }: Entry): boolean => !inUse && (kind === "tools" || kind === "hot")

export const prune = Effect.fn("flatimage.prune")(function*({ "dry-run": dry }: { readonly "dry-run": boolean }) {
  const entries = yield* ask(!dry)
  const chosen = entries.filter((entry) => dry ? isPruned(entry) : entry.removed)
  if (chosen.length > 0) yield* Console.log(table(chosen))
  yield* Console.log(`${dry ? "would free" : "freed"}: ${formatBytes(sum(chosen))}`)
})
