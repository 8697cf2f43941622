/** What is measured, made once and kept below `build/bench/apps`: trees, images of them and squashfs. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync
} from "node:fs"
import { availableParallelism } from "node:os"
import { isolated } from "../Caller.ts"
import { driver } from "../Driver.ts"
import { type Command, output, timed } from "../Processes.ts"
import { project } from "../Subject.ts"
import type { Tree } from "./Programs.ts"

export const directory = `${project}/build/bench/apps`

/** A packed tree, and how long packing took, where this run has packed it. */
export interface Packed {
  readonly name: string
  readonly path: string
  /** Bytes of the packed tree alone. */
  readonly size: number
  readonly milliseconds: number | undefined
}

export interface Prepared {
  readonly tree: Tree
  /** The files themselves. */
  readonly root: string
  readonly squashfs: Packed
  /** Images of this tree, that of the default level first. */
  readonly images: ReadonlyArray<Packed>
}

/** One way to pack a layer: words for `mkdwarfs`. */
export interface Packing {
  readonly name: string
  readonly words: ReadonlyArray<string>
}

const Inspection = Schema.fromJsonString(Schema.Struct({
  parts: Schema.Array(Schema.Struct({ name: Schema.String, offset: Schema.Int, size: Schema.Int }))
}))

const environment = { ...process.env, PATH: process.env["PATH"] ?? "" } as Record<string, string>
const here = (argv: Command["argv"]): Command => ({ argv, environment, directory: project })
const run = (...argv: Command["argv"]) => timed(here(argv))

/** Runs what makes a file under another name first, so that a file that is there is whole. */
const made = Effect.fnUntraced(function*(name: string, path: string, argv: (path: string) => Command["argv"]) {
  if (existsSync(path)) return { name, path, size: statSync(path).size, milliseconds: undefined } satisfies Packed
  const part = `${path}.part`
  rmSync(part, { force: true })
  const { ended } = yield* run(...argv(part))
  renameSync(part, path)
  return { name, path, size: statSync(path).size, milliseconds: ended } satisfies Packed
})

const layerOf = Effect.fnUntraced(function*(image: string) {
  const printed = yield* output(here([`${project}/bin/flatimage`, "inspect", image, "--json"]))
  const { parts } = yield* Schema.decodeUnknownEffect(Inspection)(printed)
  return parts.find(({ name }) => name === "layer 0") ?? { name: "layer 0", offset: 0, size: 0 }
})

/** Copies the tree out of the image, through a mount that ends with the command. */
const unpack = Effect.fnUntraced(function*(image: string, path: string) {
  if (existsSync(path)) return path
  const { offset, size } = yield* layerOf(image)
  rmSync(`${path}.part`, { recursive: true, force: true })
  mkdirSync(`${path}.mount`, { recursive: true })
  yield* run(...isolated(
    "sh",
    "-euc",
    `"$1" "$2" "$3.mount" -o "$4" & until [ -e "$3.mount/usr" ]; do sleep 0.01; done
     cp -a "$3.mount" "$3.part"`,
    "sh",
    driver(project),
    image,
    path,
    `offset=${offset},imagesize=${size}`
  ))
  renameSync(`${path}.part`, path)
  return path
})

/** The image with another layer in the place of its own. */
const withLayer = Effect.fnUntraced(function*(image: string, layer: string, path: string) {
  const { offset } = yield* layerOf(image)
  rmSync(path, { force: true })
  copyFileSync(image, path)
  truncateSync(path, offset - 8)
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(statSync(layer).size))
  appendFileSync(path, size)
  yield* run("sh", "-c", "cat \"$1\" >> \"$2\"", "sh", layer, path)
  return path
})

const threads = String(availableParallelism())

/**
 * Makes what is not there yet: an image of the tree by `bin/flatimage build`, the tree, squashfs of it as AppImages have it, and images
 * whose layers are packed in other ways. Fails with `BenchError`.
 */
export const prepare = Effect.fn("apps.prepare")(function*(tree: Tree, packings: ReadonlyArray<Packing>) {
  const base = `${directory}/${tree.name}`
  mkdirSync(base, { recursive: true })
  const image = `${base}/default.flatimage`
  const include = ["--dist", "debian", "--include", tree.packages.join(",")]
  yield* run(`${project}/bin/flatimage`, "build", ...include, "--quiet", "--output", image)
  const root = yield* unpack(image, `${base}/root`)
  const squashfs = yield* made("squashfs", `${base}/zstd-15.squashfs`, (path) => [
    "mksquashfs",
    root,
    path,
    ..."-comp zstd -Xcompression-level 15 -b 128K -no-progress -quiet -noappend -processors".split(" "),
    threads
  ])
  const images: Array<Packed> = [{
    name: "default",
    path: image,
    size: (yield* layerOf(image)).size,
    milliseconds: undefined
  }]
  for (const { name, words } of packings) {
    const layer = yield* made(name, `${base}/${name}.dwarfs`, (path) => [
      `${project}/build/native/mkdwarfs`,
      "-i",
      root,
      "-o",
      path,
      "--threads",
      threads,
      ...words
    ])
    images.push({ ...layer, path: yield* withLayer(image, layer.path, `${base}/${name}.flatimage`) })
  }
  return { tree, root, squashfs, images } satisfies Prepared
})
