/** Containers that are wrong, read by our own programs. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import { rmSync } from "node:fs"
import { containerSource } from "../../../src/builder/oci/ContainerRequest.ts"
import { Containers } from "../../../src/builder/oci/Containers.ts"
import { Credentials } from "../../../src/builder/oci/Credentials.ts"
import { Registries } from "../../../src/builder/oci/Registry.ts"
import { RuntimeCompiler } from "../../../src/builder/Runtime.ts"
import { TarLayer } from "../../../src/builder/TarLayer.ts"
import { Workspace } from "../../../src/builder/Workspace.ts"
import {
  digestOf,
  indexType,
  json,
  type Made,
  makeContainer,
  otherMachine,
  savedArchive,
  writeLayout
} from "../../support/Containers.ts"
import { projectRoot } from "../../support/Project.ts"
import { archive, entry } from "../../support/Tar.ts"
import { packerOf, TestBase } from "../TestServices.ts"

const native = `${projectRoot}/build/native`

const Compiled = Layer.succeed(RuntimeCompiler, {
  native: Effect.succeed({
    launcher: `${native}/launcher`,
    fim: `${native}/fim`,
    mkdwarfs: `${native}/mkdwarfs`,
    tarlayer: `${native}/tarlayer`
  })
})

const TestLayer = Containers.layer.pipe(
  Layer.provide(Layer.mergeAll(Registries.layer.pipe(Layer.provide(Credentials.layer)), TarLayer.layer)),
  Layer.provide(Layer.mergeAll(Compiled, FetchHttpClient.layer, packerOf(() => () => Effect.die("not for archives")))),
  Layer.provideMerge(TestBase)
)

/** Makes the layers of a container, and finds its user. */
const made = Effect.fnUntraced(function*(from: string, maxSize?: string, refresh = false) {
  const containers = yield* Containers
  const { source } = yield* containerSource({ from, maxSize, refresh }, (path) => path)
  const { layers, settings, withUser } = yield* containers.open(source)
  const paths = yield* layers(1)
  return { paths, settings: yield* withUser(settings, paths) }
}, Effect.scoped)

const tree = archive(entry("srv/", "5"), entry("srv/new", "0", "", "new\n"))
const good = makeContainer([tree])
const layer = good.layers[0]!
const machine = otherMachine === "arm64" ? "amd64" : "arm64"

const file = (name: string, content: Buffer) => entry(name, "0", "", content)

/** A container whose top document is this one. */
const topped = (bytes: Buffer): Made => {
  const manifest = { mediaType: indexType, digest: digestOf(bytes), size: bytes.length }
  return { ...good, blobs: new Map([...good.blobs, [manifest.digest, bytes]]), manifest }
}

const index = (...manifests: ReadonlyArray<unknown>) =>
  topped(json({ schemaVersion: 2, mediaType: indexType, manifests }))

const withBlob = (digest: string, bytes: Buffer): Made => ({
  ...good,
  blobs: new Map([...good.blobs, [digest, bytes]])
})

/** Indexes in indexes, so many. */
const nested = (depth: number): Made => {
  let top = index(good.manifest)
  const all = new Map(top.blobs)
  for (let left = depth; left > 1; left--) {
    top = index(top.manifest)
    for (const [digest, bytes] of top.blobs) all.set(digest, bytes)
  }
  return { ...top, blobs: all }
}

const manifestWith = (change: Readonly<Record<string, unknown>>) =>
  topped(json({ ...JSON.parse(good.blobs.get(good.manifest.digest)!.toString()), ...change }))

const wrong: ReadonlyArray<readonly [made: Made, expected: RegExp, maxSize?: string]> = [
  [withBlob(layer.digest, Buffer.alloc(layer.size)), /the content of sha256:[0-9a-f]{64} has the digest sha256:/],
  [withBlob(layer.digest, Buffer.alloc(3)), /has 3 bytes, and \d+ are described/],
  [
    withBlob(good.config.digest, Buffer.alloc(good.config.size)),
    /the content of sha256:[0-9a-f]{64} has the digest sha256:/
  ],
  [
    makeContainer([tree], { diffs: [`sha256:${"1".repeat(64)}`] }),
    /the SHA-256 of its content is [0-9a-f]{64}, not 1{64}/
  ],
  [makeContainer([tree], { diffs: [] }), /has 1 layers, and its configuration describes 0/],
  [makeContainer([], {}), /has no layers/],
  [
    makeContainer([tree], { layerType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }),
    /is to be fetched from another place, which is not done/
  ],
  [makeContainer([tree], { layerType: "text/plain" }), /is of the unknown kind text\/plain/],
  [
    makeContainer([tree], { architecture: otherMachine }),
    new RegExp(`is a container for ${otherMachine}, and the image is for ${machine}: add --arch ${otherMachine}$`)
  ],
  [
    index(
      { ...good.manifest, platform: { os: "linux", architecture: otherMachine } },
      { ...good.manifest, platform: { os: "windows", architecture: machine } },
      { ...good.manifest, platform: { os: "unknown", architecture: "unknown" } }
    ),
    new RegExp(
      `it has nothing for linux/${machine}, only linux/${otherMachine}, windows/${machine}: add --arch ${otherMachine}$`
    )
  ],
  [nested(8), /has indexes in indexes without an end/],
  [topped(json({ schemaVersion: 1, fsLayers: [] })), /it is of Docker's first version/],
  [topped(json({ schemaVersion: 2 })), /it is neither an index nor a manifest/],
  [topped(Buffer.from("[".repeat(1_000_000))), /is not a sound container/],
  [topped(Buffer.from("\xff{}", "latin1")), /it is not UTF-8/],
  [manifestWith({ layers: [{ ...layer, size: -1 }] }), /is not a sound container/],
  [manifestWith({ layers: [{ ...layer, digest: "sha256:../../x" }] }), /is not a sound container/],
  [manifestWith({ layers: [{ ...layer, urls: ["https://example.org/x"] }] }), /is to be fetched from another place/],
  [
    manifestWith({ config: { ...good.config, mediaType: "application/vnd.cncf.helm.config.v1+json" } }),
    /it is of the kind application\/vnd\.cncf\.helm\.config\.v1\+json, not a container/
  ],
  [
    makeContainer([archive(entry("zeros", "0", "", Buffer.alloc(3_000_000)))]),
    /has more than 1048576 bytes without compression: to allow more add --max-size$/,
    "1M"
  ],
  [makeContainer([tree], { config: { User: "nobody-knows" } }), /its user "nobody-knows" is not in its \/etc\/passwd/],
  [makeContainer([tree], { config: { Env: ["A=\0"] } }), /is not a sound container/],
  [makeContainer([archive(entry("../x", "0"))]), /has "\.\." in its name/]
]

it.layer(TestLayer)("a container", (it) => {
  it.effect("is found through indexes, and its layers are made once", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const platform = { os: "linux", architecture: machine }
      const other = makeContainer([archive()], { architecture: otherMachine })
      const many = index(
        { ...other.manifest, platform: { os: "linux", architecture: otherMachine } },
        { ...good.manifest, platform }
      )
      writeLayout(directory, { many, nested: nested(3) })
      const first = yield* made(`oci:${directory}:many`)
      assert.lengthOf(first.paths, 1)
      assert.strictEqual(first.settings.extension?.container?.user?.uid, 0)
      rmSync(`${directory}/blobs/sha256/${layer.digest.slice(7)}`)
      assert.deepStrictEqual((yield* made(`oci:${directory}:nested`)).paths, first.paths)
      assert.match(
        (yield* Effect.flip(made(`oci:${directory}`))).message,
        /several images.*behind a colon: many, nested$/
      )
      assert.match((yield* Effect.flip(made(`oci:${directory}:x`))).message, /it has no image x: many, nested$/)
    }))

  it.effect("is refused with one line if it is wrong, and leaves nothing", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const workspace = yield* Workspace
      for (const [container, expected, maxSize] of wrong) {
        const directory = yield* fs.makeTempDirectoryScoped()
        writeLayout(directory, { image: container })
        const { message } = yield* Effect.flip(made(`oci:${directory}`, maxSize, true))
        assert.match(message, expected)
        assert.notInclude(message, "\n")
      }
      const left = yield* fs.readDirectory(yield* workspace.directory("cache"))
      assert.deepStrictEqual(left.filter((name) => name.startsWith(".")), [])
    }), 60_000)

  it.effect("of docker save is refused where it leads out or lacks something", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const path = `${directory}/saved.tar`
      yield* fs.writeFile(path, savedArchive(good, "me/app:1"))
      assert.lengthOf((yield* made(`docker-archive:${path}:me/app:1`)).paths, 1)
      assert.match(
        (yield* Effect.flip(made(`docker-archive:${path}:me/app:2`))).message,
        /it has no image me\/app:2: me\/app:1$/
      )
      const saved = json([{ Config: "config", RepoTags: null, Layers: ["layer"] }])
      const config = good.blobs.get(good.config.digest)!
      const cases: ReadonlyArray<readonly [Buffer, RegExp]> = [
        [
          archive(file("manifest.json", saved), file("config", config), entry("layer", "2", "/etc/passwd")),
          /it has no layer$/
        ],
        [
          archive(
            file("manifest.json", saved),
            entry("config", "2", "../../../../../../etc/passwd"),
            file("layer", tree)
          ),
          /it has no config$/
        ],
        [
          archive(file("manifest.json", saved), file("config", config), entry("layer", "2", "layer")),
          /it has no layer$/
        ],
        [archive(file("manifest.json", json([]))), /it has no image$/],
        [archive(file("x", config)), /it has no manifest\.json$/],
        [Buffer.alloc(700, "x"), /is not valid/]
      ]
      for (const [bytes, expected] of cases) {
        yield* fs.writeFile(path, bytes)
        assert.match((yield* Effect.flip(made(`docker-archive:${path}`))).message, expected)
      }
    }), 60_000)
})
