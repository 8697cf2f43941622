/** Rejects settings with more binds than bubblewrap supports, before anything is mounted. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Snapshot } from "../image/Snapshot.ts"
import { optionLimit } from "./Arguments.ts"

export class BindLimitError extends Data.TaggedError("BindLimitError")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** An option, a source and a target. */
const wordsOfBind = 3

/** More than everything else of a sandbox takes: namespaces, permissions, what is hidden. */
const others = 600

/** The message for settings that make so many options. */
export const tooMany = (count: number): string =>
  `the settings make ${count} options for bubblewrap, which accepts ${optionLimit}; remove binds: IMAGE fim-bind del INDEX`

/** Fails for more binds than any start of the image could have. */
export const bindLimit: Layer.Layer<never, BindLimitError, Snapshot> = Layer.effectDiscard(
  Effect.flatMap(Snapshot, ({ bindings }) => {
    const count = bindings.length * wordsOfBind + others
    return count > optionLimit ? new BindLimitError({ detail: tooMany(count) }) : Effect.void
  })
)
