import { assert, describe, it } from "@effect/vitest"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { defaults } from "../../src/image/SettingsDefaults.ts"
import { Snapshot } from "../../src/image/Snapshot.ts"
import { encode } from "../../src/messages/Codec.ts"
import { Instance } from "../../src/mount/Instance.ts"
import { JanitorError } from "../../src/mount/Janitor.ts"
import { Portal } from "../../src/portal/Portal.ts"
import { falseJanitor, surroundings } from "../support/FalseJanitor.ts"

const refused = new JanitorError({ reason: "Refused", operation: "prepare-portal", detail: "no room for FIFOs" })
const missing = PlatformError.systemError({ _tag: "NotFound", module: "ChildProcess", method: "spawn" })

/** A daemon that tests answer for. */
const falseDaemon = Effect.gen(function*() {
  const says = yield* Queue.make<Uint8Array, Cause.Done>()
  const hears = yield* Queue.unbounded<Uint8Array>()
  const started: Array<ReadonlyArray<string>> = []
  const spawn = Effect.fnUntraced(function*(command: ChildProcess.Command) {
    assert.isTrue(command._tag === "StandardCommand")
    if (command._tag !== "StandardCommand") return yield* Effect.die("a pipeline")
    started.push([String(command.command), ...command.args.map(String)])
    const input = command.options.additionalFds?.["fd3"]
    if (input?.type === "input" && input.stream !== undefined) {
      yield* Effect.forkScoped(Stream.runForEach(input.stream, (bytes) => Queue.offer(hears, bytes)))
    }
    return ChildProcessSpawner.makeHandle({
      pid: ChildProcessSpawner.ProcessId(9),
      exitCode: Effect.succeed(ChildProcessSpawner.ExitCode(0)),
      isRunning: Effect.succeed(true),
      kill: () => Effect.void,
      stdin: Sink.drain,
      stdout: Stream.empty,
      stderr: Stream.empty,
      all: Stream.empty,
      getInputFd: () => Sink.drain,
      getOutputFd: () => Stream.fromQueue(says),
      unref: Effect.succeed(Effect.void)
    })
  })
  return { spawn, says, hears, started }
})

type Spawn = ChildProcessSpawner.ChildProcessSpawner["Service"]["spawn"]

/** The portal of an image that allows these programs. */
const portal = Effect.fnUntraced(function*(
  allowed: ReadonlyArray<string>,
  spawn: Spawn = () => Effect.fail(missing),
  prepare: Effect.Effect<void, JanitorError> = Effect.void
) {
  const prepared: Array<ReadonlyArray<string> | undefined> = []
  const settings = { ...defaults, extension: { ...defaults.extension, portal: allowed } }
  const layer = Portal.layer.pipe(
    Layer.provide(Layer.mergeAll(
      Layer.mock(Instance, {
        preparePortal: (programs) => {
          prepared.push(programs)
          return prepare
        }
      }),
      Layer.succeed(Snapshot, settings),
      Layer.succeed(ChildProcessSpawner.ChildProcessSpawner, ChildProcessSpawner.make(spawn))
    )),
    Layer.provide(surroundings(yield* falseJanitor()))
  )
  return { layer, prepared }
})

const request = (words: ReadonlyArray<string>, call = "1-a") => ({
  kind: "request",
  call,
  words,
  environment: [],
  directory: "/",
  streams: ["null", "null", "null"],
  terminal: null,
  detached: false
})

describe("the portal", () => {
  it.effect("of an image that allows nothing has FIFOs, and no daemon", () =>
    Effect.gen(function*() {
      const { layer, prepared } = yield* portal([])
      const { directory, guest, host } = yield* Effect.provide(Portal, layer)
      assert.deepStrictEqual([directory, host, guest], [
        "/global/app/one/instance/7/portal",
        "/global/app/one/instance/7/portal/daemon/host.fifo",
        "/global/app/one/instance/7/portal/daemon/guest.fifo"
      ])
      assert.deepStrictEqual(prepared, [undefined])
    }))

  it.effect("fails with the janitor's reason, which it keeps", () =>
    Effect.gen(function*() {
      for (const allowed of [[], ["true"]]) {
        const { spawn } = yield* falseDaemon
        const { layer } = yield* portal(allowed, spawn, Effect.fail(refused))
        const error = yield* Effect.flip(Effect.provide(Portal, layer))
        assert.isTrue(error._tag === "PortalError")
        if (error._tag !== "PortalError") continue
        assert.deepStrictEqual([error.reason, error.message], ["Fifo", "no room for FIFOs"])
        assert.strictEqual(error.cause, refused)
      }
    }))

  it.effect("fails where its daemon cannot be started, or ends before it is ready", () =>
    Effect.gen(function*() {
      const { layer } = yield* portal(["true"])
      const error = yield* Effect.flip(Effect.provide(Portal, layer))
      assert.isTrue(error._tag === "PortalError" && error.reason === "Daemon")
      assert.strictEqual(error.cause, missing)
      for (const last of [[], ["garbage\n"], ["{\"kind\":\"read"], ["{\"kind\":\"unready\"}\n"]]) {
        const { says, spawn } = yield* falseDaemon
        for (const piece of last) yield* Queue.offer(says, Buffer.from(piece))
        yield* Queue.end(says)
        const { layer } = yield* portal(["true"], spawn)
        const error = yield* Effect.flip(Effect.provide(Portal, layer))
        assert.strictEqual(error.message, "cannot start the portal's daemon: it has ended")
      }
    }))

  it.effect("decides requests of the daemon, whatever comes in between", () =>
    Effect.gen(function*() {
      const { hears, says, spawn, started } = yield* falseDaemon
      const { layer, prepared } = yield* portal(["true"], spawn)
      yield* Queue.offer(says, encode({ kind: "ready" }))
      yield* Effect.gen(function*() {
        yield* Portal
        assert.deepStrictEqual(prepared, [["true"]])
        assert.deepStrictEqual(started.map(([program, applet]) => [program, applet]), [
          ["/global/app/one/bin/fim", "portal-host"]
        ])
        const answer = Effect.map(Queue.take(hears), (bytes) => JSON.parse(Buffer.from(bytes).toString()) as unknown)
        yield* Queue.offer(says, encode(request(["true"])))
        assert.deepInclude(yield* answer, { kind: "start", call: "1-a", lasting: true })
        for (const garbage of ["\n\nevil\n", "{}\n", "{\"kind\":\"request\"}\n", "{\"kind\":\"ready\"} 9\n"]) {
          yield* Queue.offer(says, Buffer.from(garbage))
        }
        const both = Buffer.concat([encode(request(["false"], "2-b")), encode(request(["true", "x"], "3-c"))])
        yield* Queue.offer(says, both.subarray(0, 50))
        yield* Queue.offer(says, both.subarray(50))
        assert.deepInclude(yield* answer, { kind: "refuse", call: "2-b", code: 126 })
        assert.deepInclude(yield* answer, { kind: "start", call: "3-c" })
      }).pipe(Effect.provide(layer))
    }))
})
