import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { formatBytes } from "../../FormatBytes.ts"
import type { Fields } from "../../image/Settings.ts"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import { sha256 } from "../../platform/Sha256.ts"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import { Machine } from "../Machine.ts"
import { Mkdwarfs } from "../Mkdwarfs.ts"
import { Programs } from "../Programs.ts"
import { Progress } from "../Progress.ts"
import { scratchDirectory } from "../Scratch.ts"
import { TarLayer } from "../TarLayer.ts"
import { Workspace } from "../Workspace.ts"
import {
  choose,
  configLimit,
  type Descriptor,
  kindOf,
  manifestLimit,
  parseConfig,
  parseIndex,
  parseManifest,
  refusalOf
} from "./Documents.ts"
import { findBelow, findIn, layoutOrigin, parsed, savedImage } from "./Files.ts"
import { configured, resolveUser } from "./ImageConfig.ts"
import type { ContainerImage, Origin } from "./Origin.ts"
import type { Reference } from "./Reference.ts"
import { Registries } from "./Registry.ts"

/** A container that an image is made of. */
export interface ContainerSource {
  readonly reference: Reference
  /** The reference as it was given, for messages. */
  readonly name: string
  /** Whether its layers become one. */
  readonly squash: boolean
  /** Most bytes of all its layers without compression. */
  readonly maxSize: number
  /** Hosts of token servers that are trusted with the credentials of a registry. */
  readonly realms: ReadonlyArray<string>
  /** Whether to make all layers again, although they are cached. */
  readonly refresh: boolean
}

/** A container whose configuration has been read. */
export interface OpenedContainer {
  /** The settings that it asks for. Its user is not among them: that is in the accounts of its tree. */
  readonly settings: Partial<Fields>
  /** The paths of its layers, lowest first. They are made only if they are not cached. */
  readonly layers: (level: number) => Effect.Effect<ReadonlyArray<string>, BuildError, Scope.Scope>
  /** The settings with its user, as the layers of the image have it. */
  readonly withUser: (
    settings: Partial<Fields>,
    layers: ReadonlyArray<string>
  ) => Effect.Effect<Partial<Fields>, BuildError>
}

/** Increase it when a change here must invalidate cached layers. */
const revision = 1

/** Deepest nesting of indexes. */
const deepest = 4

/** Makes layers and settings of containers. */
export class Containers extends Context.Service<Containers, {
  /** Reads the configuration of a container. Fails with `BuildError`. */
  readonly open: (source: ContainerSource) => Effect.Effect<OpenedContainer, BuildError, Scope.Scope>
}>()("flatimage/builder/oci/Containers") {
  static readonly layer = Layer.effect(
    Containers,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const native = yield* NativeBytes
      const { target } = yield* Machine
      const mkdwarfs = yield* Mkdwarfs
      const programs = yield* Programs
      const progress = yield* Progress
      const registries = yield* Registries
      const tarLayer = yield* TarLayer
      const workspace = yield* Workspace

      const scratch = Effect.flatMap(
        workspace.directory("cache"),
        (directory) => scratchDirectory(fs, directory, "container")
      )

      /** The manifest for the architecture of the image, out of indexes in indexes. */
      const manifestOf = Effect.fnUntraced(function*(origin: Origin) {
        const { debian } = yield* target
        const seen = new Set<string>()
        let bytes = yield* origin.top
        for (let depth = 0;; depth++) {
          const kind = yield* parsed(origin.name, kindOf(bytes))
          if (kind === "manifest") return yield* parsed(origin.name, parseManifest(bytes))
          const index = yield* parsed(origin.name, parseIndex(bytes))
          const chosen: Descriptor = yield* Effect.mapError(
            Effect.fromResult(choose(index, debian)),
            (detail) => buildError("Refused", { detail: `${origin.name}: ${detail}` })
          )
          if (depth >= deepest || seen.has(chosen.digest)) {
            return yield* buildError("Refused", { detail: `${origin.name} has indexes in indexes without an end` })
          }
          seen.add(chosen.digest)
          bytes = yield* origin.document(chosen, manifestLimit)
        }
      })

      const imageOf = Effect.fnUntraced(function*(origin: Origin): Effect.fn.Return<ContainerImage, BuildError> {
        const manifest = yield* manifestOf(origin)
        const refusal = refusalOf(manifest)
        if (refusal !== undefined) return yield* buildError("Refused", { detail: `${origin.name}: ${refusal}` })
        const config = yield* parsed(origin.name, parseConfig(yield* origin.document(manifest.config, configLimit)))
        const diffs = config.rootfs.diff_ids ?? []
        if (diffs.length !== manifest.layers.length) {
          return yield* buildError("Refused", {
            detail:
              `${origin.name} has ${manifest.layers.length} layers, and its configuration describes ${diffs.length}`
          })
        }
        return {
          config,
          layers: manifest.layers.map((descriptor, index) => ({
            diff: (diffs[index] ?? "").slice("sha256:".length),
            name: descriptor.digest,
            size: descriptor.size,
            fetch: (report) => origin.blob(descriptor, report),
            release: origin.release(descriptor)
          }))
        }
      })

      const unfolded = Effect.fnUntraced(function*(path: string, { maxSize, name }: ContainerSource) {
        yield* fs.access(path, { readable: true }).pipe(atPath(path))
        const directory = yield* scratch
        const files = yield* progress.step(`Reading ${name}`, () => tarLayer.unfold(path, directory, maxSize))
        return { fs, native, name, find: findIn(directory, files) }
      })

      const find = Effect.fnUntraced(function*(source: ContainerSource) {
        const { name, realms, reference } = source
        switch (reference._tag) {
          case "Layout": {
            const { path, tag } = reference
            if ((yield* fs.stat(path).pipe(atPath(path))).type !== "Directory") {
              return yield* buildError("Refused", {
                detail: `${path} is not a directory: for an archive use oci-archive:${path}`
              })
            }
            return yield* imageOf(layoutOrigin({ fs, native, name, find: findBelow(fs, path) }, tag))
          }
          case "OciArchive":
            return yield* imageOf(layoutOrigin(yield* unfolded(reference.path, source), reference.tag))
          case "DockerArchive":
            return yield* savedImage(yield* unfolded(reference.path, source), reference.tag)
          case "Registry":
            return yield* imageOf(yield* registries.open(reference, { scratch: yield* scratch, realms }))
          case "Storage": {
            const directory = yield* scratch
            yield* progress.step(
              `Reading ${name}`,
              () =>
                programs.run("skopeo", ["copy", "--quiet", name, `oci:${directory}/image:image`], {
                  remedy: "install skopeo, or save the image: podman save --format oci-archive -o FILE NAME"
                })
            )
            return yield* imageOf(
              layoutOrigin({ fs, native, name, find: findBelow(fs, `${directory}/image`) }, "image")
            )
          }
        }
      })

      const checkPlatform = Effect.fnUntraced(function*(name: string, { architecture, os }: ContainerImage["config"]) {
        const { debian } = yield* target
        if (os !== undefined && os !== "" && os !== "linux") {
          return yield* buildError("Refused", { detail: `${name} is a container for ${os}, not for linux` })
        }
        if (architecture === undefined || architecture === "" || architecture === debian) return
        const other = ["amd64", "arm64"].includes(architecture) ? `: add --arch ${architecture}` : ""
        return yield* buildError("Refused", {
          detail: `${name} is a container for ${architecture}, and the image is for ${debian}${other}`
        })
      })

      const layersOf = Effect.fnUntraced(function*(source: ContainerSource, image: ContainerImage, level: number) {
        const paths: Array<string> = []
        // As all engines name a layer together with those below it, on which the meaning of its deletions depends.
        let chain = ""
        let left = source.maxSize
        const directory = yield* scratch
        let withAttributes = 0
        const attributes = new Set<string>()
        for (const [index, layer] of image.layers.entries()) {
          chain = index === 0 ? layer.diff : sha256(native, `sha256:${chain} sha256:${layer.diff}`)
          const { path, present } = yield* mkdwarfs.cached(`oci${revision}-${chain.slice(0, 40)}`, level)
          const label = `[${index + 1}/${image.layers.length}] Layer ${layer.diff.slice(0, 12)}`
          if (present && !source.refresh) {
            yield* progress.note(`${label}: cached`)
          } else {
            const summary = yield* progress.step(
              label,
              (report) =>
                Effect.acquireUseRelease(
                  layer.fetch(report),
                  (archive) =>
                    tarLayer.pack(path, {
                      archive,
                      digest: layer.diff,
                      limit: left,
                      below: paths,
                      scratch: directory,
                      level
                    }, report),
                  () => layer.release
                ),
              (summary) => `${summary.files} files, ${formatBytes(summary.bytes)}`
            )
            left -= summary.archive
            withAttributes += summary.withAttributes
            for (const name of summary.attributes) attributes.add(name)
          }
          paths.push(path)
        }
        if (withAttributes > 0) {
          yield* progress.note(
            `Extended attributes of ${withAttributes} files are left out, layers have none: ${
              [...attributes].sort().slice(0, 8).join(", ")
            }`
          )
        }
        if (paths.length === 0) return yield* buildError("Refused", { detail: `${source.name} has no layers` })
        if (!source.squash || paths.length === 1) return paths
        const { path, present } = yield* mkdwarfs.cached(`oci${revision}-squashed-${chain.slice(0, 40)}`, level)
        if (!present || source.refresh) {
          yield* progress.step(
            "Merging the layers",
            () => tarLayer.merge(path, paths, level)
          )
        }
        return [path]
      })

      const open = Effect.fn("Containers.open")(function*(source: ContainerSource) {
        const { name } = source
        const image = yield* find(source)
        yield* checkPlatform(name, image.config)
        const { boot, container, environment, notes, user } = yield* parsed(
          name,
          configured(image.config.config ?? {})
        )
        yield* Effect.forEach(notes, (note) => progress.note(note), { discard: true })
        const settings: Partial<Fields> = {
          boot,
          environment,
          extension: { distribution: "CUSTOM", portal: [], container }
        }

        const withUser = Effect.fnUntraced(function*(given: Partial<Fields>, layers: ReadonlyArray<string>) {
          const [passwd, group] = yield* Effect.forEach(
            ["/etc/passwd", "/etc/group"],
            (path) => tarLayer.read(layers, path)
          )
          const resolved = yield* parsed(name, resolveUser(user, passwd ?? "", group ?? ""))
          if (resolved.groups.length > 0) {
            yield* progress.note(
              `Only root can give the groups of the user ${resolved.name}: ${
                resolved.groups.map(({ name }) => name).join(", ")
              }`
            )
          }
          const { extension } = given
          return {
            ...given,
            ...(extension === undefined
              ? {}
              : { extension: { ...extension, container: { ...extension.container, user: resolved } } })
          }
        })

        return { settings, layers: (level: number) => layersOf(source, image, level), withUser }
      })

      return Containers.of({ open })
    })
  )
}
