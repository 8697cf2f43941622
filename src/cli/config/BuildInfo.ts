import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { ReservedSpace } from "../../image/ReservedSpace.ts"
import { CommandError } from "./CommandError.ts"

/** What an image knows about how it was made. The last two are read from the file when they are asked for. */
export class BuildInfo extends Context.Service<BuildInfo, {
  /** As `0.1.0`, or `continuous`. */
  readonly version: string
  readonly commit: string
  /** `YYYYMMDDHHMMSS`, UTC. */
  readonly timestamp: string
  readonly distribution: Effect.Effect<string, CommandError>
  /** By name: version, source, sha, licenses. */
  readonly dependencies: Effect.Effect<Readonly<Record<string, unknown>>, CommandError>
}>()("flatimage/cli/config/BuildInfo") {}

/** What is said when an image cannot tell how it was made. */
export const unknownOrigin = (error: Error): CommandError =>
  new CommandError({ text: error.message, context: "Could not read how the image was made" })

/** The distribution that the settings of an image name. */
export const distributionIn = (reserved: ReservedSpace["Service"]): Effect.Effect<string, CommandError> =>
  reserved.read("extension").pipe(Effect.map((extension) => extension.distribution), Effect.mapError(unknownOrigin))
