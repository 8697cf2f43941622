/**
 * Runs programs in an image as `src/Boot.ts` does, but with parts of the sandbox taken away: the proof that an attack would
 * work if they were not there. This lives in the tests alone; nothing in an image can be told to do it.
 *
 *     node Weakened.ts IMAGE                                requests on standard input, a line each; answers likewise
 *     node Weakened.ts IMAGE WEAKNESS PROGRAM [ARGUMENT]…   one program, on our own standard input, output and error
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { createInterface } from "node:readline"
import * as NodeHost from "../../bin/host.ts"
import * as Boot from "../../src/Boot.ts"
import { Instance } from "../../src/mount/Instance.ts"
import { StandardStreams } from "../../src/mount/JanitorLink.ts"
import { Host } from "../../src/relocate/Host.ts"
import { unpack } from "../../src/relocate/Unpack.ts"
import { Failure } from "./Failure.ts"
import * as Platform from "./Platform.ts"
import { apply, type Weakness } from "./Weakness.ts"

/** A line of standard input. */
export interface WeakRequest {
  readonly weakness: Weakness
  readonly words: ReadonlyArray<string>
  readonly root: boolean
}

const [image = "", single, ...singleWords] = process.argv.slice(2)

let weakness: Weakness = {}
let count = 0

/** An instance that weakens the sandbox before it runs anything in it. */
const weakened = Layer.effect(
  Instance,
  Effect.map(Instance, (instance) =>
    Instance.of({
      ...instance,
      run: (request) => instance.run(apply(weakness, request))
    }))
).pipe(Layer.provide(Instance.layer))

const run = Effect.fnUntraced(function*(
  environment: Readonly<Record<string, string>>,
  request: WeakRequest,
  streams: Context.Service.Shape<typeof StandardStreams>
) {
  weakness = request.weakness
  const words = request.words.map((word) => Buffer.from(word))
  const delivery = yield* Boot.noDelivery
  const layers = Boot.layerWith(weakened).pipe(
    Layer.provideMerge(Layer.succeed(Host, NodeHost.make({ environment, number: count++ }))),
    Layer.provide(Layer.succeed(StandardStreams, streams))
  )
  return yield* Effect.provide(Boot.run({ _tag: "Execute", root: request.root, args: words }, delivery), layers)
})

const collector = () => {
  const chunks: Array<Uint8Array> = []
  const sink = Sink.as(Sink.forEach((bytes: Uint8Array) => Effect.sync(() => chunks.push(bytes))), new Uint8Array())
  return { sink, text: () => Buffer.concat(chunks).toString("utf8") }
}

const answer = Effect.fnUntraced(function*(environment: Readonly<Record<string, string>>, request: WeakRequest) {
  const [stdout, stderr] = [collector(), collector()]
  const streams = { stdin: "ignore", stdout: stdout.sink, stderr: stderr.sink } as const
  const code = yield* Effect.catch(run(environment, request, streams), (error) => Effect.succeed(error.message))
  yield* Console.log(JSON.stringify({ code, stdout: stdout.text(), stderr: stderr.text() }))
})

const program = Effect.gen(function*() {
  const environment = yield* unpack(image)
  if (single !== undefined) {
    const request = { weakness: JSON.parse(single) as Weakness, words: singleWords, root: false }
    const inherited = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const
    process.exitCode = yield* run(environment, request, inherited)
    return
  }
  const lines = Stream.fromAsyncIterable(
    createInterface(process.stdin),
    (cause) => new Failure({ detail: String(cause) })
  )
  yield* Stream.runForEach(lines, (line) => answer(environment, JSON.parse(line) as WeakRequest))
})

NodeRuntime.runMain(program.pipe(Effect.provide(Platform.layer)))
