import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { formatBytes } from "../FormatBytes.ts"
import { drawIdentity } from "../image/Identity.ts"
import * as Manifest from "../image/Manifest.ts"
import type { Fields } from "../image/Settings.ts"
import { NativeBytes, type Shape as Native } from "../platform/NativeBytes.ts"
import { sha256 } from "../platform/Sha256.ts"
import { Blobs } from "./Blobs.ts"
import { Bubblewrap, type Compiled } from "./Bubblewrap.ts"
import { type BuildError, buildError } from "./BuildError.ts"
import { removeUnused } from "./CacheAge.ts"
import { type Closure, ToolClosure } from "./Closure.ts"
import { CrossCompiler } from "./cross/CrossCompiler.ts"
import { Emulator } from "./cross/Emulator.ts"
import { Steps, type StepsRequest } from "./definition/Steps.ts"
import { bubblewrapDependency, debianDependencies, ownDependencies } from "./Dependencies.ts"
import { sha256OfFile } from "./Digest.ts"
import { ImageWriter, type Parts, type Written } from "./ImageWriter.ts"
import type { Source } from "./Lock.ts"
import { Machine, Target } from "./Machine.ts"
import { Epoch } from "./Mkdwarfs.ts"
import { Containers, type ContainerSource } from "./oci/Containers.ts"
import { Order } from "./Order.ts"
import { Progress } from "./Progress.ts"
import { newReservedSpace } from "./Reserved.ts"
import { Revisions } from "./Revision.ts"
import { RootLayer, type RootSource } from "./Root.ts"
import { type NativePrograms, RuntimeCompiler } from "./Runtime.ts"
import { scratchDirectory } from "./Scratch.ts"
import { Workspace } from "./Workspace.ts"

/** What to build. */
export interface Request {
  readonly root: RootSource | { readonly _tag: "Container"; readonly source: ContainerSource }
  /** The distribution as `fim-version full` prints it. */
  readonly distribution: string
  /** Compression level of the layer, from 0 (fastest) to 9 (smallest). */
  readonly level: number
  readonly output: string
  /** Settings that replace defaults. */
  readonly settings?: Partial<Fields>
  /** Steps on top of the root tree. Each makes a layer. */
  readonly steps?: Pick<StepsRequest, "directory" | "distribution" | "steps">
  /** A command for the guest's `sh`: layers are ordered by what it reads. */
  readonly orderByRun?: string
  /** Whether to make all layers of the steps again, although they are cached. */
  readonly refresh?: boolean
  /**
   * Seconds since 1970. If set, the image is reproducible: no file in it is younger, and its identity follows from its
   * content.
   */
  readonly epoch?: number
  /** Architecture of the image, in Debian's naming; by default that of this machine. */
  readonly architecture?: string
  /** The identity of the image that this one is a new version of: 32 hexadecimal digits. */
  readonly identity?: string
}

/**
 * Tools that a first start unpacks before it continues: the program itself, the sandbox, and the guest's tools below
 * `/fim`. The others are for overlays in user space and for packing layers.
 */
const neededByEveryStart: ReadonlySet<string> = new Set(["bin/fim", "bin/bwrap", "bin/bash", "bin/busybox"])

/** The identity of a release. It follows from the whole content of the image, so equal builds have equal identities. */
const identityOfContent = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  native: Native,
  settings: Uint8Array,
  { head, layers, table }: Pick<Parts, "head" | "layers" | "table">
) {
  // The table contains the digests of the tools.
  const files = yield* Effect.forEach([head, ...layers], (path) => sha256OfFile(fs, native, path))
  const lines = ["flatimage identity 1", sha256(native, table), sha256(native, settings), ...files]
  return sha256(native, lines.join("\n")).slice(0, 32)
})

/** The settings of a container, with those that are asked for above them: a variable replaces one of the same name. */
const settingsOver = (container: Partial<Fields>, asked: Partial<Fields> = {}): Partial<Fields> => {
  const { container: described } = container.extension ?? {}
  const { arguments: _arguments, replaceable: _replaceable, ...rest } = described ?? {}
  return {
    ...container,
    ...asked,
    environment: { ...container.environment, ...asked.environment },
    extension: {
      distribution: "CUSTOM",
      portal: [],
      ...asked.extension,
      // Another command has other arguments.
      ...(described === undefined ? {} : { container: asked.boot === undefined ? described : rest })
    }
  }
}

/** Tools are compressed once per build, and unpacked once per machine: the smallest size is best. */
const toolLevel = 19

/** Makes images. Each step of a build is a separate service. */
export class Builder extends Context.Service<Builder, {
  /** Builds an image and returns its parts. Fails with `BuildError`, and then leaves nothing behind. */
  readonly build: (request: Request) => Effect.Effect<Written, BuildError>
}>()("flatimage/builder/Builder") {
  static readonly layer = Layer.effect(
    Builder,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const bytes = yield* NativeBytes
      const workspace = yield* Workspace
      const blobs = yield* Blobs
      const bubblewrap = yield* Bubblewrap
      const compiler = yield* RuntimeCompiler
      const containers = yield* Containers
      const crossCompiler = yield* CrossCompiler
      const emulator = yield* Emulator
      const machine = yield* Machine
      const order = yield* Order
      const progress = yield* Progress
      const revisions = yield* Revisions
      const roots = yield* RootLayer
      const steps = yield* Steps
      const tools = yield* ToolClosure
      const writer = yield* ImageWriter

      const packTools = Effect.fnUntraced(function*(
        files: ReadonlyArray<{ readonly path: string; readonly file: string }>
      ) {
        return yield* progress.step(
          "Compressing the tools",
          (report) =>
            Effect.forEach(
              files,
              ({ file, path }, index) =>
                blobs.pack(file, toolLevel, (done, total) => report(index + done / total, files.length)).pipe(
                  Effect.map((blob) => ({ path, blob }))
                )
            ),
          (packed) => formatBytes(packed.reduce((sum, { blob }) => sum + blob.packedSize, 0))
        )
      })

      const makeTable = Effect.fnUntraced(function*(
        closure: Closure,
        source: Source,
        packed: Effect.Success<ReturnType<typeof packTools>>
      ) {
        const revision = yield* revisions.current
        const sandbox = packed.find(({ path }) => path === "bin/bwrap")
        const table: Manifest.ToolTable = {
          format: 1,
          ...revision,
          tools: packed.map(({ blob, path }) => ({
            path,
            mode: 0o755,
            size: blob.size,
            sha256: blob.sha256,
            encoding: "zstd",
            ...(neededByEveryStart.has(path) ? {} : { later: true })
          })),
          applets: closure.applets,
          dependencies: {
            ...debianDependencies(closure),
            ...(sandbox === undefined ? {} : bubblewrapDependency(source, sandbox.blob.sha256)),
            ...ownDependencies(revision, packed.map(({ blob, path }) => ({ path, sha256: blob.sha256 })))
          }
        }
        return yield* Effect.fromResult(Manifest.encode(table)).pipe(
          Effect.mapError((error) => buildError("Refused", { detail: error.message }, error))
        )
      })

      const toolsOf = Effect.fnUntraced(function*(native: NativePrograms, closure: Closure, sandbox: Compiled) {
        const packed = yield* packTools([
          // In the order in which a first start needs them.
          { path: "bin/fim", file: native.fim },
          { path: "bin/bwrap", file: sandbox.path },
          ...closure.files.map(({ path }) => ({ path, file: `${closure.directory}/${path}` })),
          { path: "bin/mkdwarfs", file: native.mkdwarfs }
        ])
        const table = yield* makeTable(closure, sandbox.source, packed)
        return { head: native.launcher, table, tools: packed.map(({ blob }) => blob.frames) }
      })

      const build = Effect.fn("Builder.build")(
        function*(request: Request) {
          const target = yield* Target
          const { root } = request
          if (target !== undefined && root._tag === "Packages" && root.distribution.manager._tag !== "Apt") {
            return yield* buildError("Refused", {
              detail: `images of ${root.distribution.name} for ${target.debian} cannot be made on this machine: ` +
                "use --dist debian, ubuntu or blueprint, or an archive by --rootfs"
            })
          }
          const container = root._tag === "Container" ? yield* containers.open(root.source) : undefined
          const asked = container === undefined
            ? request.settings ?? {}
            : settingsOver(container.settings, request.settings)
          // Rejected before anything else is made.
          yield* newReservedSpace(request.distribution, asked, request.identity)
          const ofMachine = yield* progress.step("Compiling the native programs", () => compiler.native)
          // Only packages and steps run programs of the image.
          if (root._tag === "Packages") yield* emulator.check("tree")
          if ((request.steps?.steps.length ?? 0) > 0 || request.orderByRun !== undefined) yield* emulator.check("steps")
          const native = target === undefined
            ? ofMachine
            : yield* progress.step(
              `Compiling the native programs for ${target.debian}`,
              () => crossCompiler.native(target)
            )
          const closure = yield* tools.locked
          const parts = yield* toolsOf(native, closure, yield* crossCompiler.bubblewrap)
          const base = root._tag === "Container"
            ? yield* container?.layers(request.level) ?? Effect.succeed([])
            : [yield* roots.make(root, closure, request.level)]
          const runner = Effect.gen(function*() {
            const image = `${yield* scratchDirectory(fs, yield* workspace.directory("cache"), "runner")}/image`
            // Steps run without permissions, whatever the image is granted.
            const reserved = yield* newReservedSpace(request.distribution)
            // It runs on this machine, whatever architecture its layers are for.
            const here = target === undefined
              ? parts
              : yield* toolsOf(ofMachine, yield* tools.ofMachine, yield* bubblewrap.program)
            yield* writer.write(image, { ...here, reserved, layers: [] }, () => Effect.void)
            return { image, fim: ofMachine.fim }
          })
          const { level, orderByRun, refresh = false } = request
          const made = request.steps === undefined
            ? base
            : [...base, ...yield* steps.make({ ...request.steps, base, runner, level, refresh })]
          const layers = orderByRun === undefined
            ? made
            : yield* order.byRun({ layers: made, command: orderByRun, runner, level, refresh })
          const settings = container === undefined ? asked : yield* container.withUser(asked, layers)
          const identity = request.identity ?? (request.epoch === undefined
            ? yield* drawIdentity
            : yield* identityOfContent(
              fs,
              bytes,
              yield* newReservedSpace(request.distribution, settings),
              { ...parts, layers }
            ))
          const reserved = yield* newReservedSpace(request.distribution, settings, identity)
          const written = yield* progress.step(
            `Writing ${request.output}`,
            (report) => writer.write(request.output, { ...parts, reserved, layers }, report),
            (written) => formatBytes(written.size)
          )
          for (const cache of ["blobs", "layers"]) yield* removeUnused(fs, yield* workspace.directory("cache", cache))
          return written
        },
        (effect, request) =>
          Effect.flatMap(machine.targetOf(request.architecture), (target) =>
            Effect.scoped(effect).pipe(
              Effect.provideService(Target, target),
              Effect.provideService(Epoch, request.epoch)
            ))
      )

      return Builder.of({ build })
    })
  )
}
