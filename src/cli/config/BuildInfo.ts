import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { ReservedSpace } from "../../image/ReservedSpace.ts"
import { CommandError } from "./CommandError.ts"

/** How an image was made. The last two are read from the file only when they are used. */
export class BuildInfo extends Context.Service<BuildInfo, {
  /** Such as `0.1.0`, or `continuous`. */
  readonly version: string
  readonly commit: string
  /** `YYYYMMDDHHMMSS`, UTC. */
  readonly timestamp: string
  readonly distribution: Effect.Effect<string, CommandError>
  /** Version, source, SHA-256 and licences, by name. */
  readonly dependencies: Effect.Effect<Readonly<Record<string, unknown>>, CommandError>
}>()("flatimage/cli/config/BuildInfo") {}

/** The error of a command about the image's origin when that cannot be read. */
export const unknownOrigin = (error: Error): CommandError =>
  new CommandError({ text: error.message, context: "Could not read how the image was made", cause: error })

/** The distribution that is stored in the settings of an image. */
export const distributionIn = (reserved: ReservedSpace["Service"]): Effect.Effect<string, CommandError> =>
  reserved.read("extension").pipe(Effect.map((extension) => extension.distribution), Effect.mapError(unknownOrigin))
