import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import { fileURLToPath } from "node:url"
import metadata from "../package.json" with { type: "json" }
import { Apk } from "../src/builder/apk/Apk.ts"
import { Apt } from "../src/builder/Apt.ts"
import { Archives } from "../src/builder/Archives.ts"
import { Blobs } from "../src/builder/Blobs.ts"
import { Bubblewrap } from "../src/builder/Bubblewrap.ts"
import { Builder } from "../src/builder/Builder.ts"
import { ToolClosure } from "../src/builder/Closure.ts"
import { CrossCompiler } from "../src/builder/cross/CrossCompiler.ts"
import { CrossPackages } from "../src/builder/cross/CrossPackages.ts"
import { CrossToolchain } from "../src/builder/cross/CrossToolchain.ts"
import { Emulator } from "../src/builder/cross/Emulator.ts"
import { Runner } from "../src/builder/definition/Runner.ts"
import { Steps } from "../src/builder/definition/Steps.ts"
import { Download } from "../src/builder/Download.ts"
import { Gpgv } from "../src/builder/Gpgv.ts"
import { ImageWriter } from "../src/builder/ImageWriter.ts"
import { Lock } from "../src/builder/Lock.ts"
import { LockResolver } from "../src/builder/LockResolver.ts"
import { Machine } from "../src/builder/Machine.ts"
import { Mirror } from "../src/builder/Mirror.ts"
import { Mkdwarfs } from "../src/builder/Mkdwarfs.ts"
import { Mmdebstrap } from "../src/builder/Mmdebstrap.ts"
import { Containers } from "../src/builder/oci/Containers.ts"
import { Credentials } from "../src/builder/oci/Credentials.ts"
import { Registries } from "../src/builder/oci/Registry.ts"
import { Order } from "../src/builder/Order.ts"
import { Pacman } from "../src/builder/Pacman.ts"
import { Programs, Tie } from "../src/builder/Programs.ts"
import { Progress } from "../src/builder/Progress.ts"
import { Repositories } from "../src/builder/Repositories.ts"
import { Revisions } from "../src/builder/Revision.ts"
import { RootLayer } from "../src/builder/Root.ts"
import { RuntimeCompiler } from "../src/builder/Runtime.ts"
import { Tarball } from "../src/builder/Tarball.ts"
import { TarLayer } from "../src/builder/TarLayer.ts"
import { TreeSandbox } from "../src/builder/TreeSandbox.ts"
import { Workspace } from "../src/builder/Workspace.ts"
import { CommandError } from "../src/cli/config/CommandError.ts"
import { Patcher } from "../src/cli/config/ConfigFile.ts"
import { NotSound } from "../src/cli/flatimage/Inspect.ts"
import * as Presenter from "../src/cli/flatimage/Presenter.ts"
import { runHost } from "../src/cli/flatimage/Run.ts"
import { reportOf } from "../src/Failure.ts"
import { Inspector } from "../src/image/Inspect.ts"
import * as Log from "../src/Log.ts"
import { printable } from "../src/Printable.ts"
import { Host } from "../src/relocate/Host.ts"
import * as NodeHost from "./host.ts"
import * as Names from "./names.ts"
import * as Network from "./network.ts"
import * as Output from "./output.ts"
import * as Platform from "./platform.ts"
import * as Stdio from "./stdio.ts"

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")

const WorkspaceLayer = Layer.unwrap(
  Effect.map(
    Config.String("FLATIMAGE_BUILD_DIRECTORY").pipe(Config.withDefault(`${root}/build`)),
    (build) => Workspace.layer({ root, build })
  )
)

/** Whatever a build starts ends with it. */
const TieLayer = Layer.effect(Tie, Effect.map(Workspace, (workspace) => `${workspace.build}/native/tied`))

const MachineLayer = Machine.layer({ arch: process.arch, uid: process.getuid?.() ?? 0 })

const HostLayer = Layer.mergeAll(
  Archives.layer.pipe(Layer.provide(Layer.mergeAll(Download.layer, Gpgv.layer))),
  Download.layer,
  Mirror.layer,
  Repositories.layer.pipe(Layer.provide(Mirror.layer)),
  Lock.layer,
  Revisions.layer,
  RuntimeCompiler.layer,
  Tarball.layer,
  Blobs.layer,
  ImageWriter.layer,
  Inspector.layer,
  Registries.layer.pipe(Layer.provide(Layer.merge(Credentials.layer, FetchHttpClient.layer)))
).pipe(
  Layer.provideMerge(Layer.mergeAll(MachineLayer, Programs.layer, Progress.layer)),
  Layer.provideMerge(TieLayer),
  Layer.provideMerge(WorkspaceLayer)
)

/** For commands that change the settings of an image. */
const ConfigLayer = Layer.mergeAll(
  Layer.succeed(Host, NodeHost.make()),
  Layer.effect(Patcher, Effect.map(Workspace, (workspace) => ({ path: `${workspace.build}/native/fim` }))),
  Log.layer("Info", { output: Output.write(Output.output), error: Output.write(Output.error), file: () => undefined })
)

/** `flatimage completion` prints completions, as images do. */
const FlagsLayer = CliConfig.layer({ builtIns: GlobalFlag.BuiltIns.filter((flag) => flag !== GlobalFlag.Completions) })

const MainLayer = Layer.mergeAll(Builder.layer, LockResolver.layer, Presenter.layer, ConfigLayer, FlagsLayer).pipe(
  Layer.provideMerge(Layer.mergeAll(Containers.layer, CrossCompiler.layer, Order.layer, RootLayer.layer, Steps.layer)),
  Layer.provideMerge(Layer.mergeAll(Apk.layer, Mmdebstrap.layer, Pacman.layer, Runner.layer)),
  Layer.provideMerge(Layer.mergeAll(CrossToolchain.layer, Emulator.layer, ToolClosure.layer)),
  Layer.provideMerge(Layer.mergeAll(CrossPackages.layer, Mkdwarfs.layer, TarLayer.layer, TreeSandbox.layer)),
  Layer.provideMerge(Bubblewrap.layer),
  Layer.provideMerge(Apt.layer),
  Layer.provideMerge(HostLayer),
  Layer.provideMerge(TerminalCapabilities.layer),
  Layer.provideMerge(Stdio.layer),
  Layer.provideMerge(Layer.merge(Names.layer, Network.layer)),
  Layer.provideMerge(Layer.merge(NodeServices.layer, Platform.layer))
)

/** What is not ours to say twice: the help of the command line and the list of an unsound image are printed already. */
const report = <E>(cause: Cause.Cause<E>) => {
  if (Cause.hasInterruptsOnly(cause)) return Console.error("flatimage: interrupted")
  const error = Cause.squash(cause)
  if (error instanceof NotSound || CliError.isCliError(error)) return Effect.void
  if (error instanceof CommandError) return Console.error(reportOf(error).lines.map((line) => `E::${line}`).join("\n"))
  return Console.error(
    `flatimage: ${
      Cause.hasDies(cause)
        ? `internal error: ${Cause.pretty(cause)}`
        : printable(error instanceof Error ? error.message : String(error))
    }`
  )
}

const exitCode = <E, A>(exit: Exit.Exit<A, E>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return 130
  return Cause.squash(exit.cause) instanceof NotSound ? 1 : 125
}

runHost(process.argv.slice(2), metadata.version).pipe(
  Effect.provide(MainLayer),
  (program) => Effect.andThen(Names.check, program),
  Effect.tapCause(report),
  Effect.provide(Output.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(Output.exitCode(exitCode(exit), 125))
  })
)
