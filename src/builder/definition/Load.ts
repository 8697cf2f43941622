/** Turns a definition file into a request to the builder. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Fields } from "../../image/Settings.ts"
import { isUrl } from "../Archives.ts"
import type { Request } from "../Builder.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import { findDistribution } from "../dist/Distributions.ts"
import { containerSource } from "../oci/ContainerRequest.ts"
import type { Origin } from "../Repositories.ts"
import type { RootSource } from "../Root.ts"
import { archiveRoot, packagesRoot } from "../RootRequest.ts"
import { type Definition, parseDefinition } from "./Definition.ts"
import { checkTree, pathBelow } from "./Inputs.ts"

/** Limit of a definition, in bytes. */
const sizeLimit = 1 << 20

const extensions = { png: "png", svg: "svg", jpg: "jpg", jpeg: "jpeg" } as const

const iconOf = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, directory: string, name: string) {
  const path = yield* pathBelow(fs, directory, name)
  const extension = Object.values(extensions).find((extension) => name.toLowerCase().endsWith(`.${extension}`))
  if (extension === undefined) {
    return yield* buildError("Refused", { detail: `${name} does not end with .png, .svg or .jpg` })
  }
  return { extension, data: yield* fs.readFile(path).pipe(atPath(path)) }
})

const settingsOf = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, directory: string, definition: Definition) {
  const { portal, ...settings } = definition.settings ?? {}
  const [program, ...args] = definition.boot ?? []
  const fields: Partial<Fields> = {
    ...settings,
    ...(portal === undefined ? {} : { extension: { distribution: "CUSTOM", portal } }),
    ...(program === undefined ? {} : { boot: { program, args } }),
    ...(definition.icon === undefined ? {} : { icon: yield* iconOf(fs, directory, definition.icon) })
  }
  return fields
})

/** What the command line adds to a definition. */
export interface LoadOptions {
  /** Mirror and keys, which override the definition. */
  readonly origin: Origin
  readonly refresh: boolean
  /** Of a container, as `--max-size` and `--trust-realm`. */
  readonly maxSize?: string | undefined
  readonly realms?: ReadonlyArray<string>
}

const rootOf = Effect.fnUntraced(function*(
  directory: string,
  base: Definition["base"],
  { maxSize, origin, realms, refresh }: LoadOptions
): Effect.fn.Return<Request["root"], BuildError> {
  const absolute = (path: string) => isUrl(path) || path.startsWith("/") ? path : `${directory}/${path}`
  if ("from" in base) {
    const { from, squash } = base
    const { source } = yield* containerSource({ from, squash, maxSize, realms, refresh }, absolute)
    return { _tag: "Container", source }
  }
  if ("archive" in base) {
    const { archive, dist, keyring, signature, ...rest } = base
    return yield* archiveRoot(dist === undefined ? undefined : findDistribution(dist), {
      ...rest,
      path: absolute(archive),
      ...(signature === undefined ? {} : { signature: absolute(signature) }),
      ...(keyring === undefined ? {} : { keyring: absolute(keyring) }),
      ...(origin.keyring === undefined ? {} : { keyring: origin.keyring })
    })
  }
  if ("directory" in base) {
    const root: RootSource = { _tag: "Given", archive: { path: absolute(base.directory) } }
    return root
  }
  const { dist, keyring, packages, ...rest } = base
  return yield* packagesRoot(dist, {
    ...rest,
    ...(keyring === undefined ? {} : { keyring: absolute(keyring) }),
    ...origin,
    include: packages ?? [],
    refresh
  })
})

/**
 * Parses a definition file.
 *
 * @param path its absolute path
 * @param options what the command line adds
 * @returns the request without its output, and the name of the image; fails with a `BuildError` that names the file
 */
export const loadDefinition = Effect.fn("loadDefinition")(function*(
  fs: FileSystem.FileSystem,
  path: string,
  options: LoadOptions
) {
  const slash = path.lastIndexOf("/")
  const directory = path.slice(0, slash) || "/"
  const info = yield* fs.stat(path).pipe(atPath(path))
  if (info.type !== "File" || info.size > sizeLimit) {
    return yield* buildError("Definition", { path, detail: `it is not a file of at most ${sizeLimit} bytes` })
  }
  const definition = yield* fs.readFileString(path).pipe(
    atPath(path),
    Effect.flatMap((text) => Effect.fromResult(parseDefinition(text))),
    Effect.mapError((error) => typeof error === "string" ? buildError("Definition", { path, detail: error }) : error)
  )
  const dist = definition.base.dist
  const distribution = dist === undefined ? undefined : findDistribution(dist)
  const inFile = Effect.mapError((error: { readonly message: string }) =>
    buildError("Definition", { path, detail: error.message }, error)
  )
  // Checked before anything is fetched or made.
  for (const step of definition.steps ?? []) {
    if ("copy" in step) {
      yield* inFile(Effect.flatMap(pathBelow(fs, directory, step.copy), (source) => checkTree(fs, source)))
    }
  }
  const request: Omit<Request, "output" | "level" | "epoch"> = {
    root: yield* inFile(rootOf(directory, definition.base, options)),
    distribution: distribution?.title ?? "CUSTOM",
    settings: yield* inFile(settingsOf(fs, directory, definition)),
    steps: { directory, distribution, steps: definition.steps ?? [] },
    refresh: options.refresh,
    ...(definition.orderByRun === undefined ? {} : { orderByRun: definition.orderByRun }),
    ...(definition.arch === undefined ? {} : { architecture: definition.arch })
  }
  const name = path.slice(slash + 1).replace(/\.json$/, "").replace(/\.flatimage$/, "")
  return { name: definition.name ?? name, request }
})
