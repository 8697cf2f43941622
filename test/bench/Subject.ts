import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { chmodSync, copyFileSync, globSync, lstatSync, mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { BenchError } from "./BenchError.ts"
import { type Caller, isolated } from "./Caller.ts"
import { driver } from "./Driver.ts"
import { type Command, output } from "./Processes.ts"

/** The checkout that is measured. */
export const project = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")

const Inspection = Schema.fromJsonString(Schema.Struct({
  size: Schema.Int,
  version: Schema.String,
  parts: Schema.Array(Schema.Struct({ name: Schema.String, offset: Schema.Int, size: Schema.Int }))
}))

/** What is measured: an image of Debian, and its parts by themselves. */
export interface Subject {
  readonly image: string
  readonly version: string
  /** Bytes in front of the layers: as many in every image. */
  readonly overhead: number
  readonly size: number
  readonly layer: { readonly offset: number; readonly size: number }
  /** The driver of layers as a program of its own, where every caller can run it. */
  readonly driver: string
  /** The system of the image, unpacked. */
  readonly root: string
}

const ours = (argv: Command["argv"]): Command => ({
  argv,
  environment: { ...process.env, PATH: process.env["PATH"] ?? "" } as Record<string, string>,
  directory: project
})

/** Copies the system out of the layer, through a mount that ends with the command. */
const unpack = Effect.fnUntraced(function*(program: string, image: string, layer: Subject["layer"], work: string) {
  const isRoot = process.getuid?.() === 0
  mkdirSync(`${work}/layer`)
  yield* output(ours(isolated(
    "sh",
    "-euc",
    `"$1" "$2" "$3/layer" -o "$4" & until [ -e "$3/layer/usr" ]; do sleep 0.01; done
     cp -a "$3/layer" "$3/system"`,
    "sh",
    program,
    image,
    work,
    `offset=${layer.offset},imagesize=${layer.size}${isRoot ? "" : ",uid=0,gid=0"}`
  )))
  return `${work}/system`
})

/** Builds the image and takes it apart, in a directory that others can read. Fails with `BenchError`. */
export const prepare = Effect.fn("Subject.prepare")(function*(work: string) {
  const image = `${work}/debian.flatimage`
  yield* output(ours([`${project}/bin/flatimage`, "build", "--dist", "debian", "--quiet", "--output", image]))
  chmodSync(image, 0o755)
  const inspected = yield* Schema.decodeUnknownEffect(Inspection)(
    yield* output(ours([`${project}/bin/flatimage`, "inspect", image, "--json"]))
  )
  const layer = inspected.parts.find((part) => part.name === "layer 0")
  if (layer === undefined) return yield* new BenchError({ reason: "Failed", detail: "the image has no layer" })
  const place = { offset: layer.offset, size: layer.size }
  const program = `${work}/dwarfs`
  copyFileSync(driver(project), program)
  return {
    image,
    version: inspected.version,
    overhead: layer.offset - 8,
    size: inspected.size,
    layer: place,
    driver: program,
    root: yield* unpack(program, image, place, work)
  } satisfies Subject
})

/** The application directory that a caller's first start has made. */
export const applicationOf = (caller: Caller): string => {
  const [path] = globSync(`${caller.environment["FIM_DIR_GLOBAL"]}/app/*`)
  return path ?? ""
}

/** Bytes of the tools that a caller's first start has unpacked. */
export const unpackedBytes = (caller: Caller): number => {
  const files = globSync(`${applicationOf(caller)}/{bin,lib}/*`).map((path) => lstatSync(path)).filter((file) =>
    file.isFile()
  )
  // A tool with several names counts once.
  const sizes = new Map(files.map((file) => [file.ino, file.size]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}
