/** The JSON documents of containers: indexes, manifests and configurations of OCI, and those of Docker that have other names. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Text } from "../../image/Settings.ts"
import { digestPattern } from "./Reference.ts"

/** Limits of documents, in bytes. A registry need not store larger manifests. */
export const manifestLimit = 4 << 20
export const configLimit = 8 << 20

/** Most manifests of an index, and layers of an image. */
const mostManifests = 1000
const mostLayers = 1000

const Size = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

const Platform = Schema.Struct({
  os: Schema.optionalKey(Text),
  architecture: Schema.optionalKey(Text),
  variant: Schema.optionalKey(Text)
})

/** A part of an image, by its digest. */
export const Descriptor = Schema.Struct({
  mediaType: Schema.optionalKey(Text),
  digest: Schema.String.check(Schema.isPattern(digestPattern, { expected: "sha256: and 64 hexadecimal digits" })),
  size: Size,
  urls: Schema.optionalKey(Schema.NullOr(Schema.Array(Text))),
  platform: Schema.optionalKey(Schema.NullOr(Platform)),
  annotations: Schema.optionalKey(Schema.NullOr(Schema.Record(Text, Text)))
})
export type Descriptor = typeof Descriptor.Type

const Index = Schema.Struct({
  schemaVersion: Schema.Literal(2),
  manifests: Schema.Array(Descriptor).check(Schema.isMaxLength(mostManifests))
})
export type Index = typeof Index.Type

const Manifest = Schema.Struct({
  schemaVersion: Schema.Literal(2),
  config: Descriptor,
  layers: Schema.Array(Descriptor).check(Schema.isMaxLength(mostLayers))
})
export type Manifest = typeof Manifest.Type

const Words = Schema.optionalKey(Schema.NullOr(Schema.Array(Text)))
const Keys = Schema.optionalKey(Schema.NullOr(Schema.Record(Text, Schema.Unknown)))
const Word = Schema.optionalKey(Schema.NullOr(Text))

/** What a container runs, and as whom. */
const Execution = Schema.Struct({
  User: Word,
  Env: Words,
  Entrypoint: Words,
  Cmd: Words,
  WorkingDir: Word,
  Labels: Schema.optionalKey(Schema.NullOr(Schema.Record(Text, Text))),
  ExposedPorts: Keys,
  Volumes: Keys,
  StopSignal: Word
})
export type Execution = typeof Execution.Type

/** The configuration of an image. */
const Config = Schema.Struct({
  architecture: Schema.optionalKey(Text),
  os: Schema.optionalKey(Text),
  config: Schema.optionalKey(Schema.NullOr(Execution)),
  rootfs: Schema.Struct({
    diff_ids: Schema.NullOr(
      Schema.Array(Descriptor.fields.digest).check(Schema.isMaxLength(mostLayers))
    )
  })
})
export type Config = typeof Config.Type

const Saved = Schema.Array(Schema.Struct({
  Config: Text,
  RepoTags: Schema.optionalKey(Schema.NullOr(Schema.Array(Text))),
  Layers: Schema.Array(Text).check(Schema.isMaxLength(mostLayers))
}))
export type Saved = typeof Saved.Type

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** One line: the message of a schema quotes the value, which may be a megabyte. */
const brief = (error: { readonly message: string }): string => {
  const line = error.message.replace(/\s+/g, " ")
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}

const parser = <A>(schema: Schema.ConstraintDecoder<A>) => {
  const decode = Schema.decodeUnknownResult(Schema.fromJsonString(schema))
  return (bytes: Uint8Array): Result.Result<A, string> =>
    Result.try({ try: () => utf8.decode(bytes), catch: () => "it is not UTF-8" }).pipe(
      Result.flatMap((text) => Result.mapError(decode(text), brief))
    )
}

export const parseIndex = parser(Index)
export const parseManifest = parser(Manifest)
export const parseConfig = parser(Config)
/** `manifest.json` of what `docker save` writes. */
export const parseSaved = parser(Saved)

/** What a document says of itself. */
const Kind = Schema.Struct({
  schemaVersion: Schema.optionalKey(Schema.Unknown),
  mediaType: Schema.optionalKey(Schema.Unknown),
  manifests: Schema.optionalKey(Schema.Unknown),
  layers: Schema.optionalKey(Schema.Unknown)
})
const parseKind = parser(Kind)

/** Whether a document is an index or a manifest. Fails for anything else, in words for the user. */
export const kindOf = (bytes: Uint8Array): Result.Result<"index" | "manifest", string> =>
  Result.flatMap(parseKind(bytes), (document) => {
    if (document.schemaVersion === 1) {
      return Result.fail(
        "it is of Docker's first version, which has no digests to check: push the image again by a newer program"
      )
    }
    if (document.manifests !== undefined && document.layers === undefined) return Result.succeed("index" as const)
    if (document.layers !== undefined && document.manifests === undefined) return Result.succeed("manifest" as const)
    return Result.fail("it is neither an index nor a manifest")
  })

const configTypes: ReadonlySet<string | undefined> = new Set([
  undefined,
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json"
])

const layerType =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.diff\.tar(?:\.(?:gzip|zstd))?)$/

/** Why a manifest is not one of a container whose layers can be read; `undefined` if it is. */
export const refusalOf = ({ config, layers }: Manifest): string | undefined => {
  if (!configTypes.has(config.mediaType)) return `it is of the kind ${config.mediaType}, not a container`
  for (const { digest, mediaType, urls } of layers) {
    if ((urls ?? []).length > 0 || /foreign|nondistributable/.test(mediaType ?? "")) {
      return `its layer ${digest} is to be fetched from another place, which is not done`
    }
    if (mediaType !== undefined && !layerType.test(mediaType)) {
      return `its layer ${digest} is of the unknown kind ${mediaType}`
    }
  }
  return undefined
}

const nameOf = ({ platform }: Descriptor) =>
  [platform?.os, platform?.architecture, platform?.variant].filter((part) => part !== undefined).join("/")

/** Attestations are listed as if they were for a platform of this name. */
const isImage = ({ platform }: Descriptor) => platform?.os !== "unknown" && platform?.architecture !== "unknown"

/**
 * The manifest of an index for an architecture. One without a platform counts if it is the only one. Fails with the platforms that there are.
 *
 * @param architecture in Debian's naming, which is that of OCI for those that images are made for
 */
export const choose = (index: Index, architecture: string): Result.Result<Descriptor, string> => {
  const images = index.manifests.filter(isImage)
  const [first, ...others] = images
  if (first !== undefined && others.length === 0 && (first.platform ?? undefined) === undefined) {
    return Result.succeed(first)
  }
  const fitting = images.filter(({ platform }) => platform?.os === "linux" && platform.architecture === architecture)
  const plain = fitting.find(({ platform }) => [undefined, "", "v8"].includes(platform?.variant))
  const found = plain ?? fitting[0]
  if (found !== undefined) return Result.succeed(found)
  const names = [...new Set(images.map(nameOf).filter((name) => name !== ""))].sort()
  const other = ["amd64", "arm64"].find((name) => names.some((known) => known.startsWith(`linux/${name}`)))
  return Result.fail(
    `it has nothing for linux/${architecture}, only ${
      names.length === 0 ? "images without a platform" : names.join(", ")
    }${other === undefined ? "" : `: add --arch ${other}`}`
  )
}
