import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import { printable } from "../../Printable.ts"

/** Wrong words give one sentence on standard error instead of the whole help: the sentence is what one has to read. */
export const layer = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
        `flatimage: ${
          event.errors.map((error) => printable(error.message.replaceAll(/\s*\n\s*/g, " "))).join("; ")
        } (see ${event.commandPath.join(" ")} --help)`
      )
      : CliOutput.defaultPresenter.present(event)
})
