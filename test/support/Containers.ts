/** Containers made by hand, in all forms that a build reads: no program of the machine is needed for them. */
import { createHash } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { archive, entry } from "./Tar.ts"

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

export interface Described {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** A container and all its parts by their digests. */
export interface Made {
  readonly blobs: ReadonlyMap<string, Buffer>
  readonly manifest: Described
  readonly layers: ReadonlyArray<Described>
  readonly config: Described
  readonly tars: ReadonlyArray<Buffer>
}

export interface Options {
  /** `config` of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly architecture?: string
  /** How layers are stored; by gzip unless told. */
  readonly pack?: (tar: Buffer) => Buffer
  readonly layerType?: string
  /** Replaces the digests of the contents of layers. */
  readonly diffs?: ReadonlyArray<string>
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"
export const indexType = "application/vnd.oci.image.index.v1+json"

const machine = process.arch === "arm64" ? "arm64" : "amd64"
export const otherMachine = machine === "amd64" ? "arm64" : "amd64"

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** A container of layers, given as tar archives. */
export const makeContainer = (tars: ReadonlyArray<Buffer>, options: Options = {}): Made => {
  const blobs = new Map<string, Buffer>()
  const put = (bytes: Buffer, mediaType: string): Described => {
    const digest = digestOf(bytes)
    blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const pack = options.pack ?? gzipSync
  const layers = tars.map((tar) => put(pack(tar), options.layerType ?? "application/vnd.oci.image.layer.v1.tar+gzip"))
  const config = put(
    json({
      architecture: options.architecture ?? machine,
      os: "linux",
      config: options.config ?? {},
      rootfs: { type: "layers", diff_ids: options.diffs ?? tars.map(digestOf) }
    }),
    "application/vnd.oci.image.config.v1+json"
  )
  const manifest = put(json({ schemaVersion: 2, mediaType: manifestType, config, layers }), manifestType)
  return { blobs, manifest, layers, config, tars }
}

/** `index.json` of a layout. */
const indexOf = (containers: Readonly<Record<string, Made>>): Buffer =>
  json({
    schemaVersion: 2,
    manifests: Object.entries(containers).map(([name, { manifest: { digest, mediaType, size } }]) => ({
      mediaType,
      digest,
      size,
      annotations: { "org.opencontainers.image.ref.name": name }
    }))
  })

/** Writes containers as a directory in the OCI layout; each has a name. */
export const writeLayout = (directory: string, containers: Readonly<Record<string, Made>>): void => {
  mkdirSync(`${directory}/blobs/sha256`, { recursive: true })
  writeFileSync(`${directory}/oci-layout`, JSON.stringify({ imageLayoutVersion: "1.0.0" }))
  for (const { blobs } of Object.values(containers)) {
    for (const [digest, bytes] of blobs) writeFileSync(`${directory}/blobs/sha256/${digest.slice(7)}`, bytes)
  }
  writeFileSync(`${directory}/index.json`, indexOf(containers))
}

const file = (name: string, content: Uint8Array | string) => entry(name, "0", "", content, 0o644)

/** The same as an archive. */
export const layoutArchive = (containers: Readonly<Record<string, Made>>): Buffer => {
  return archive(
    file("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" })),
    file("index.json", indexOf(containers)),
    ...Object.values(containers).flatMap(({ blobs }) =>
      [...blobs].map(([digest, bytes]) => file(`blobs/sha256/${digest.slice(7)}`, bytes))
    )
  )
}

/** What `docker save` writes; as its older versions do, with a link in place of a layer that another image has. */
export const savedArchive = (made: Made, name = "example/app:latest"): Buffer => {
  const config = made.blobs.get(made.config.digest) ?? Buffer.alloc(0)
  const configName = `${made.config.digest.slice(7)}.json`
  const names = made.tars.map((_, index) => `${index}/layer.tar`)
  return archive(
    file(configName, config),
    ...made.tars.map((tar, index) => file(`store-${index}.tar`, tar)),
    ...names.map((name, index) => entry(name, "2", `../store-${index}.tar`)),
    file("manifest.json", json([{ Config: configName, RepoTags: [name], Layers: names }]))
  )
}

/** A small system: a shell that is busybox, with accounts. */
export const systemOf = (busybox: Uint8Array, ...more: ReadonlyArray<Buffer>): Buffer =>
  archive(
    entry("./", "5"),
    entry("bin/", "5"),
    entry("bin/busybox", "0", "", busybox),
    ...["sh", "cat", "echo", "env", "find", "id", "ls", "printf", "pwd", "sleep", "stat", "test"].map((name) =>
      entry(`bin/${name}`, "2", "busybox")
    ),
    entry("etc/", "5"),
    file(
      "etc/passwd",
      "root:x:0:0:root:/root:/bin/sh\napp:x:1234:2345:App:/srv/app:/bin/sh\ndaemon:x:1:1::/:/bin/false\n"
    ),
    file("etc/group", "root:x:0:\napp:x:2345:\nmail:x:8:app\nextra:x:77:daemon,app\n"),
    ...more
  )
