import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { CommandError } from "../config/CommandError.ts"
import type { ProgramRequest } from "../Request.ts"

/** Runs programs in the guest for our own commands, as the boot program runs those of the caller. */
export class GuestRun extends Context.Service<GuestRun, {
  /** Runs a program and returns its exit code. */
  readonly run: (request: ProgramRequest) => Effect.Effect<number, CommandError>
}>()("flatimage/cli/recipe/GuestRun") {}
