/**
 * The whole run of a program as one scope. Read this first.
 *
 * Each layer holds what it acquires until the scope closes, and releases it in reverse order: the program ends, the FIFOs are
 * removed, overlay and layers are unmounted, the janitor removes the instance directory and exits.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type { ProgramRequest } from "./cli/Request.ts"
import { expand } from "./image/Expand.ts"
import type { Container } from "./image/Settings.ts"
import { Snapshot } from "./image/Snapshot.ts"
import { settingsLayer } from "./ImageSettings.ts"
import { FilesystemController } from "./mount/FilesystemController.ts"
import { HotCache } from "./mount/HotCache.ts"
import { Instance } from "./mount/Instance.ts"
import { Janitor } from "./mount/Janitor.ts"
import { LayerStack } from "./mount/LayerStack.ts"
import { LingerTime } from "./mount/LingerTime.ts"
import { startChanges } from "./override/StartChanges.ts"
import { Portal } from "./portal/Portal.ts"
import { inGuest } from "./relocate/Directories.ts"
import { Host } from "./relocate/Host.ts"
import { variablesOf } from "./relocate/OwnVariables.ts"
import { Relocate } from "./relocate/Relocate.ts"
import { Allowances } from "./sandbox/Allowances.ts"
import { bindLimit } from "./sandbox/BindLimit.ts"
import { Bwrap, type Program } from "./sandbox/Bwrap.ts"
import { CallFilter } from "./sandbox/CallFilter.ts"
import { HostParts } from "./sandbox/HostParts.ts"
import type { Deliver } from "./Signals.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * The layers from the image file to a prepared sandbox, one per phase, the last phase first.
 *
 * @param instance how the instance is acquired; tests pass another layer
 * @returns a layer with everything that {@link run} requires
 */
export const layerWith = (instance: typeof Instance.layer) =>
  Bwrap.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(FilesystemController.layer, Portal.layer, CallFilter.layer, HostParts.layer)),
    Layer.provideMerge(instance),
    Layer.provideMerge(LayerStack.layer),
    Layer.provideMerge(Layer.mergeAll(Janitor.layer, Snapshot.layer)),
    // These reject settings and variables before anything is mounted.
    Layer.provideMerge(
      Layer.provide(Layer.mergeAll(bindLimit, Allowances.layer, HotCache.layer, LingerTime.layer), Snapshot.layer)
    ),
    Layer.provideMerge(startChanges),
    Layer.provideMerge(settingsLayer)
  )

/** The layers of a run, with the instance that the janitor holds. */
export const runLayer = layerWith(Instance.layer)

/** The boot command with the caller's arguments behind it, or in place of what a container has for that. */
const commandOf = (
  command: ReadonlyArray<string>,
  container: Container | undefined,
  args: ReadonlyArray<Uint8Array>
): ReadonlyArray<Uint8Array> => {
  if (args.length === 0) return [...command, ...(container?.arguments ?? [])].map(Utf8.encode)
  return container?.replaceable === true ? args : [...command.map(Utf8.encode), ...args]
}

/** The program of a request: the given one, or the image's boot command followed by the caller's arguments. */
const programOf = Effect.fnUntraced(function*(request: ProgramRequest) {
  const host = yield* Host
  const forcedRoot = host.environment["FIM_ROOT"] === "1"
  const { boot, extension } = yield* Snapshot
  const relocate = yield* Relocate
  const { data } = yield* LayerStack
  const guest = inGuest(relocate.directories)
  /** A shell without arguments shows the prompt of the image, which the file of the distribution would replace. */
  const prompted = (args: ReadonlyArray<Uint8Array>) =>
    args.length === 1 && args[0] !== undefined && Utf8.decode(args[0]) === "bash"
      ? [...args, ...["--rcfile", `${guest.instance}/bashrc`].map(Utf8.encode)]
      : args
  if (request._tag === "Execute") {
    return { root: request.root || forcedRoot, args: prompted(request.args) } satisfies Program
  }
  const program = expand(
    boot.program,
    variablesOf({ host, relocate, distribution: extension.distribution, data }, guest)
  )
  const args = commandOf([program, ...boot.args], extension.container, request.args)
  return { root: forcedRoot, args: prompted(args) } satisfies Program
})

/** Creates the reference that {@link run} sets to the function that delivers signals, once there is a program. */
export const noDelivery: Effect.Effect<Ref.Ref<Deliver | undefined>> = Ref.make<Deliver | undefined>(undefined)

/** Delay before the desktop integration begins, so that it does not slow down the start of the program. */
const headStart = "100 millis"

/** Begins desktop integration and notification, if enabled. The returned effect, run after the program's end, waits until both are done. */
const desktop = Effect.gen(function*() {
  const { desktop, notify } = yield* Snapshot
  if (desktop === undefined || (!notify && desktop.integrations.length === 0)) return Effect.void
  const ended = yield* Deferred.make<void>()
  const fiber = yield* Deferred.await(ended).pipe(
    Effect.raceFirst(Effect.sleep(headStart)),
    Effect.andThen(Effect.promise(() => import("./desktop/Companion.ts"))),
    Effect.flatMap(({ join }) => join(desktop, notify)),
    Effect.forkChild
  )
  return Effect.andThen(Deferred.succeed(ended, undefined), Fiber.await(fiber))
})

/**
 * Runs the program of a request.
 *
 * @param request what to run
 * @param delivery set to the function that delivers signals to the program
 * @returns the exit code; fails with the error of the phase that failed
 */
export const run = Effect.fn("Boot.run")(function*(request: ProgramRequest, delivery: Ref.Ref<Deliver | undefined>) {
  const instance = yield* Instance
  const bwrap = yield* Bwrap
  const program = yield* programOf(request)
  yield* Ref.set(
    delivery,
    (signal, spareGroup) => Effect.ignore(instance.signal(signal, spareGroup))
  )
  const notified = yield* desktop
  const code = yield* bwrap.run(program)
  yield* notified
  return code
})
