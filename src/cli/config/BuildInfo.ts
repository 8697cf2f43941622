import * as Context from "effect/Context"

/** What an image knows about how it was made: the tool table in the file says it. */
export class BuildInfo extends Context.Service<BuildInfo, {
  /** As `0.1.0`, or `continuous`. */
  readonly version: string
  readonly commit: string
  readonly distribution: string
  /** `YYYYMMDDHHMMSS`, UTC. */
  readonly timestamp: string
  /** By name: version, source, sha, licenses. */
  readonly dependencies: Readonly<Record<string, unknown>>
}>()("flatimage/cli/config/BuildInfo") {}
