/**
 * Runs a command in an image, passes on its output as it comes, and prints its exit code.
 *
 *     node test/embedding/run.ts IMAGE COMMAND [ARGUMENT...]
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Boot from "flatimage/Boot"
import { Host } from "flatimage/Host"
import { StandardStreams } from "flatimage/JanitorLink"
import * as NodeHost from "flatimage/NodeHost"
import * as NodePlatform from "flatimage/NodePlatform"
import { unpack } from "flatimage/Unpack"

const [image = "", ...args] = process.argv.slice(2)

/** Passes on each piece of output as it comes. */
const output = Sink.forEach((bytes: Uint8Array) => Effect.sync(() => process.stdout.write(bytes))).pipe(
  Sink.as(new Uint8Array())
)

const program = Effect.gen(function*() {
  const environment = yield* unpack(image)
  const delivery = yield* Boot.noDelivery
  const run = Boot.run({ _tag: "Execute", root: false, args: args.map((arg) => Buffer.from(arg)) }, delivery)
  const layers = Boot.runLayer.pipe(
    Layer.provideMerge(Layer.succeed(Host, NodeHost.make({ environment }))),
    Layer.provide(Layer.succeed(StandardStreams, { stdin: "ignore", stdout: output, stderr: "inherit" }))
  )
  const code = yield* Effect.provide(run, layers)
  yield* Console.log(`exit code ${code}`)
})

NodeRuntime.runMain(program.pipe(Effect.provide(Layer.merge(NodeServices.layer, NodePlatform.layer))))
