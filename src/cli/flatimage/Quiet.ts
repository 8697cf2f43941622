import * as Flag from "effect/cli/Flag"

export const quiet = Flag.Boolean("quiet").pipe(
  Flag.withAlias("q"),
  Flag.withDescription("Show nothing but errors while working"),
  Flag.withDefault(false)
)
