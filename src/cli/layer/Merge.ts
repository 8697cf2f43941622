/**
 * `fim merge`: reads layers of the image as one tree, and packs it or compares it with a layer. Nothing is mounted for it.
 */
import * as Effect from "effect/Effect"
import * as ByteString from "../../ByteString.ts"
import { askOnce, type ProgramError } from "../../messages/NativeProgram.ts"
import { Done } from "../../messages/Reply.ts"
import { inRequest, type LayerPlace } from "../../mount/LayerPlace.ts"
import { CommandError } from "../config/CommandError.ts"

const failed = (error: ProgramError) =>
  new CommandError({ text: error.message, context: "Could not merge the layers", cause: error })

/** Layers, lowest first. All except the first `below` are merged. */
export interface Merged {
  readonly layers: ReadonlyArray<LayerPlace>
  readonly below: number
}

const ask = Effect.fnUntraced(
  function*(fim: string, { below, layers }: Merged, operation: "pack" | "verify", fields: object) {
    const request = { operation, fields: { layers: layers.map(inRequest), below, ...fields } }
    yield* Effect.mapError(askOnce(fim, ["merge"], { stderr: "inherit" }, request, Done), failed)
  }
)

/** Paths of the programs that merge and pack. */
export interface MergePrograms {
  readonly fim: string
  readonly mkdwarfs: string
}

/** Packs the merged tree. `args` are arguments of the packer, which prints its progress on standard error. */
export const packMerged = ({ fim, mkdwarfs }: MergePrograms, merged: Merged, args: ReadonlyArray<string>) =>
  ask(fim, merged, "pack", { packer: [mkdwarfs, ...args].map(ByteString.ofText) })

/** Fails unless a layer equals the merged tree byte for byte and has the same deletions. */
export const verifyMerged = ({ fim }: MergePrograms, merged: Merged, layer: LayerPlace) =>
  ask(fim, merged, "verify", { layer: inRequest(layer) })
