/** The native half of a commit, `fim commit`: it locks the data directory until the scope closes. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ByteString from "../../ByteString.ts"
import type { Overlay } from "../../image/SettingsDefaults.ts"
import { inRequest, type LayerPlace } from "../../mount/LayerPlace.ts"
import * as Utf8 from "../../Utf8.ts"
import { CommandError } from "../config/CommandError.ts"
import { decodeReply } from "./Reply.ts"

const LeftOut = Schema.Struct({ path: Schema.String, files: Schema.Int, bytes: Schema.Int })
/** Files below a directory of the guest that were left out of a layer. */
export type LeftOut = typeof LeftOut.Type
const Staged = Schema.Struct({ entries: Schema.Int, left_out: Schema.Array(LeftOut) })
const Erased = Schema.Struct({ failed: Schema.Array(Schema.String) })
const Done = Schema.Struct({})

const failed = (detail: string) => new CommandError({ text: detail, context: "Could not commit" })

/**
 * Starts a commit.
 *
 * @param data the data directory
 * @param program path of `fim`
 * @returns the operations of the commit; fails with `CommandError` while an instance uses the directory
 */
export const openCommit = Effect.fnUntraced(function*(data: string, program: string) {
  const requests = yield* Queue.make<Uint8Array, Cause.Done>()
  const handle = yield* ChildProcess.make(program, ["commit", data], {
    detached: false,
    stdin: Stream.fromQueue(requests),
    stdout: "pipe",
    stderr: "inherit"
  }).pipe(Effect.mapError((error) => failed(error.message)))
  // `fim commit` cleans up at the end of its input. The scope of the child alone would end it by a signal.
  yield* Effect.addFinalizer(() =>
    Queue.end(requests).pipe(Effect.andThen(Effect.ignore(handle.exitCode)), Effect.timeoutOption("1 minute"))
  )
  const pull = yield* Stream.toPull(handle.stdout.pipe(Stream.decodeText(), Stream.splitLines))
  const readReply = Effect.fnUntraced(function*<A>(reply: Schema.Codec<A, unknown>) {
    const [line] = yield* pull.pipe(
      Effect.mapError((error) => failed(Cause.isDone(error) ? "'fim commit' ended without a reply" : error.message))
    )
    return yield* decodeReply("fim commit", line, reply).pipe(Effect.mapError(failed))
  })
  const ask = Effect.fnUntraced(function*<A>(request: object, reply: Schema.Codec<A, unknown>) {
    yield* Queue.offer(requests, Utf8.encode(`${JSON.stringify(request)}\n`))
    return yield* readReply(reply)
  })
  yield* readReply(Done)
  const scratch = `${data}/tmp/commit`
  return {
    /** A directory that is removed with the scope. */
    scratch,
    /** The tree that `stage` creates. The layer can be packed beside it, and is removed with the scope. */
    tree: `${scratch}/tree`,
    /**
     * An argument for the packer: where no device can be made, names of this file in the tree are deletions. It may be
     * missing.
     */
    whiteout: `${scratch}/whiteout`,
    layer: `${scratch}/layer`,
    /**
     * Creates the tree.
     *
     * @param options the new layer goes on the first `below` of `layers`; `overlay` is the type of a run; regular files
     *   below the directories `without`, absolute paths in the guest, are left out and stay in the upper directory
     * @returns how many names the tree has, and what was left out
     */
    stage: (options: {
      readonly layers: ReadonlyArray<LayerPlace>
      readonly below: number
      readonly overlay: Overlay
      readonly without: ReadonlyArray<string>
    }) =>
      Effect.map(
        ask({ op: "stage", ...options, layers: options.layers.map(inRequest) }, Staged),
        ({ entries, left_out: leftOut }) => ({ entries, leftOut })
      ),
    /** Fails unless the layer equals the tree. */
    verify: (layer: string, ownedByRoot: boolean) =>
      ask({ op: "verify", layer: ByteString.ofText(layer), owned_by_root: ownedByRoot }, Done),
    /**
     * Removes everything from the upper directory except what was left out. Returns a line for each file that could not be
     * removed.
     */
    erase: Effect.suspend(() => Effect.map(ask({ op: "erase" }, Erased), ({ failed }) => failed))
  }
})
