/**
 * `fim merge`: reads layers of the image as one tree, and packs it or compares it with a layer. Nothing is mounted for it.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ByteString from "../../ByteString.ts"
import { inRequest, type LayerPlace } from "../../mount/LayerPlace.ts"
import * as Utf8 from "../../Utf8.ts"
import { CommandError } from "../config/CommandError.ts"
import { decodeReply } from "./Reply.ts"

const failed = (detail: string) => new CommandError({ text: detail, context: "Could not merge the layers" })

const Done = Schema.Struct({})

/** Layers, lowest first. All except the first `below` are merged. */
export interface Merged {
  readonly layers: ReadonlyArray<LayerPlace>
  readonly below: number
}

interface Wanted {
  readonly pack?: ReadonlyArray<string>
  readonly verify?: LayerPlace
}

const ask = Effect.fnUntraced(function*(fim: string, { below, layers }: Merged, wanted: Wanted) {
  const request = {
    layers: layers.map(inRequest),
    below,
    pack: wanted.pack?.map(ByteString.ofText),
    verify: wanted.verify === undefined ? undefined : inRequest(wanted.verify)
  }
  const reply = yield* ChildProcess.make(fim, ["merge"], {
    detached: false,
    stdin: Stream.make(Utf8.encode(JSON.stringify(request))),
    stdout: "pipe",
    stderr: "inherit"
  }).pipe(
    Effect.flatMap((handle) => Stream.mkString(Stream.decodeText(handle.stdout))),
    Effect.scoped,
    Effect.mapError((error) => failed(error.message))
  )
  yield* decodeReply("fim merge", reply.trimEnd(), Done).pipe(Effect.mapError(failed))
})

/** Paths of the programs that merge and pack. */
export interface MergePrograms {
  readonly fim: string
  readonly mkdwarfs: string
}

/** Packs the merged tree. `args` are arguments of the packer, which prints its progress on standard error. */
export const packMerged = ({ fim, mkdwarfs }: MergePrograms, merged: Merged, args: ReadonlyArray<string>) =>
  ask(fim, merged, { pack: [mkdwarfs, ...args] })

/** Fails unless a layer equals the merged tree byte for byte and has the same deletions. */
export const verifyMerged = ({ fim }: MergePrograms, merged: Merged, layer: LayerPlace) =>
  ask(fim, merged, { verify: layer })
