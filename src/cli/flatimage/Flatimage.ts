import * as Command from "effect/cli/Command"
import { configCommand } from "../config/ConfigFile.ts"
import { build } from "./Build.ts"
import { inspect } from "./Inspect.ts"
import { tools } from "./Tools.ts"

/** The command line of those who make images. */
export const flatimage = Command.make("flatimage").pipe(
  Command.withDescription(
    "Make images: a whole Linux application with its system, settings and sandbox in one executable file. " +
      "Exit codes: 0 done, 1 an inspected image is not sound, 125 anything else that failed, 130 interrupted."
  ),
  Command.withSubcommands([build, configCommand, inspect, tools])
)
