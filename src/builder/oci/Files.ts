/** Container images in files: a directory in the OCI layout, such a directory in an archive, and what `docker save` writes. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Result from "effect/Result"
import type { Shape as Native } from "../../platform/NativeBytes.ts"
import { sha256 } from "../../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import { sha256OfFile } from "../Digest.ts"
import type { Unfolded } from "../TarLayer.ts"
import {
  configLimit,
  type Descriptor,
  type Index,
  manifestLimit,
  parseConfig,
  parseIndex,
  parseSaved
} from "./Documents.ts"
import type { ContainerImage, Origin } from "./Origin.ts"

/** Finds the file with a name of a layout; `undefined` if there is none. */
export type Find = (name: string) => Effect.Effect<string | undefined, BuildError>

interface Place {
  readonly fs: FileSystem.FileSystem
  readonly native: Native
  /** For messages. */
  readonly name: string
  readonly find: Find
}

const broken = (name: string, detail: string) =>
  buildError("Refused", { detail: `${name} is not a sound container: ${detail}` })

/** Fails with the words of a parser, and the name of what was parsed. */
export const parsed = <A>(name: string, result: Result.Result<A, string>) =>
  Effect.mapError(Effect.fromResult(result), (detail) => broken(name, detail))

const normal = (path: string) => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return parts.join("/")
}

/** The files of an unpacked archive. Links lead to other members of it, and to nothing else. */
export const findIn = (directory: string, { members }: Unfolded): Find => {
  const known = new Map(members.map((member) => [normal(member.name), member]))
  return (name) =>
    Effect.sync(() => {
      let path = normal(name)
      // Docker names some layers by links to links.
      for (let links = 0; links < 8; links++) {
        const member = known.get(path)
        if (member?.file !== undefined) return `${directory}/${member.file}`
        if (member?.link === undefined) return undefined
        path = normal(
          member.link.startsWith("/") ? member.link : `${path.split("/").slice(0, -1).join("/")}/${member.link}`
        )
      }
      return undefined
    })
}

/** The files of a directory. */
export const findBelow = (fs: FileSystem.FileSystem, directory: string): Find => (name) => {
  const path = `${directory}/${name}`
  return fs.exists(path).pipe(Effect.map((exists) => exists ? path : undefined), atPath(path))
}

const readFile = Effect.fnUntraced(function*({ find, fs, name }: Place, file: string, limit: number) {
  const path = yield* find(file)
  if (path === undefined) return yield* broken(name, `it has no ${file}`)
  const { size, type } = yield* fs.stat(path).pipe(atPath(path))
  if (type !== "File" || size > limit) return yield* broken(name, `its ${file} is not a file of at most ${limit} bytes`)
  return yield* fs.readFile(path).pipe(atPath(path))
})

const blobName = ({ digest }: Descriptor) => `blobs/sha256/${digest.slice("sha256:".length)}`

/** Fails unless the bytes are those of the descriptor. */
export const verified = (native: Native, name: string, { digest, size }: Descriptor, bytes: Uint8Array) =>
  Effect.gen(function*() {
    if (bytes.length !== size) {
      return yield* broken(name, `${digest} has ${bytes.length} bytes, and ${size} are described`)
    }
    const actual = `sha256:${sha256(native, bytes)}`
    if (actual !== digest) return yield* broken(name, `the content of ${digest} has the digest ${actual}`)
    return bytes
  })

const refName = "org.opencontainers.image.ref.name"

/** The image of a layout that a tag names, or the only one. */
const pick = (index: Index, tag: string | undefined) => {
  const names = index.manifests.flatMap(({ annotations }) => annotations?.[refName] ?? [])
  const found = tag === undefined
    ? index.manifests
    : index.manifests.filter(({ annotations }) => annotations?.[refName] === tag)
  const [only, ...others] = found
  const list = names.length === 0 ? "none has a name" : names.join(", ")
  if (only === undefined) return tag === undefined ? "it has no image" : `it has no image ${tag}: ${list}`
  // One image may have several names.
  if (others.some(({ digest }) => digest !== only.digest)) {
    return `it has several images, add one of their names behind a colon: ${list}`
  }
  return only
}

/** A directory in the OCI layout. */
export const layoutOrigin = (place: Place, tag: string | undefined): Origin => {
  const { find, fs, name, native } = place
  const document = Effect.fnUntraced(function*(descriptor: Descriptor, limit: number) {
    if (descriptor.size > limit) return yield* broken(name, `${descriptor.digest} has more than ${limit} bytes`)
    return yield* verified(native, name, descriptor, yield* readFile(place, blobName(descriptor), limit))
  })
  return {
    name,
    top: Effect.gen(function*() {
      const index = yield* parsed(name, parseIndex(yield* readFile(place, "index.json", manifestLimit)))
      const found = pick(index, tag)
      if (typeof found === "string") return yield* broken(name, found)
      return yield* document(found, manifestLimit)
    }),
    document,
    blob: Effect.fnUntraced(function*(descriptor) {
      const path = yield* find(blobName(descriptor))
      if (path === undefined) return yield* broken(name, `it has no ${blobName(descriptor)}`)
      const { size } = yield* fs.stat(path).pipe(atPath(path))
      if (Number(size) !== descriptor.size) {
        return yield* broken(name, `${descriptor.digest} has ${size} bytes, and ${descriptor.size} are described`)
      }
      const actual = `sha256:${yield* sha256OfFile(fs, native, path)}`
      if (actual !== descriptor.digest) {
        return yield* broken(name, `the content of ${descriptor.digest} has the digest ${actual}`)
      }
      return path
    }),
    release: () => Effect.void
  }
}

const isNamed = (wanted: string) => (known: string) => known === wanted || known === `docker.io/library/${wanted}`

/** What `docker save` and `podman save` write. Layers have no digest of their own there, but the configuration has one of their content. */
export const savedImage = Effect.fnUntraced(
  function*(place: Place, tag: string | undefined): Effect.fn.Return<ContainerImage, BuildError> {
    const { find, name } = place
    const saved = yield* parsed(name, parseSaved(yield* readFile(place, "manifest.json", manifestLimit)))
    const names = saved.flatMap(({ RepoTags }) => RepoTags ?? [])
    const list = names.length === 0 ? "none has a name" : names.join(", ")
    const found = tag === undefined ? saved : saved.filter(({ RepoTags }) => (RepoTags ?? []).some(isNamed(tag)))
    const [image, ...others] = found
    if (image === undefined) {
      return yield* broken(name, tag === undefined ? "it has no image" : `it has no image ${tag}: ${list}`)
    }
    if (others.length > 0) {
      return yield* broken(name, `it has several images, add one of their names behind a colon: ${list}`)
    }
    const config = yield* parsed(name, parseConfig(yield* readFile(place, image.Config, configLimit)))
    const diffs = config.rootfs.diff_ids ?? []
    if (diffs.length !== image.Layers.length) {
      return yield* broken(
        name,
        `it has ${image.Layers.length} layers, and its configuration describes ${diffs.length}`
      )
    }
    const layers = yield* Effect.forEach(image.Layers, (file, index) =>
      Effect.gen(function*() {
        const path = yield* find(file)
        if (path === undefined) return yield* broken(name, `it has no ${file}`)
        return {
          diff: (diffs[index] ?? "").slice("sha256:".length),
          name: file,
          size: undefined,
          fetch: () => Effect.succeed(path),
          release: Effect.void
        }
      }))
    return { config, layers }
  }
)
