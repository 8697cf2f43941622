import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import { printable } from "../../Printable.ts"
import { findOperation, type Operation } from "../grammar/Command.ts"
import { didYouMean } from "../grammar/Suggest.ts"
import { flatimage } from "./HostCommands.ts"

/** A suggestion for an invalid value of an option or argument with choices. */
const suggestionFor = (error: CliError.CliError, path: ReadonlyArray<string>): string | undefined => {
  if (error._tag !== "InvalidValue") return undefined
  const chosen = path.slice(1).reduce<Operation<never> | undefined>(
    (at, name) => at === undefined ? undefined : findOperation(at, name),
    flatimage as Operation<unknown> as Operation<never>
  )
  const declared = [...chosen?.options ?? [], ...chosen?.arguments ?? []].find(({ name }) => name === error.option)
  return didYouMean(error.value, declared?.choices ?? [])
}

/** Invalid arguments print one line on standard error instead of the whole help, so that the error is not missed. */
export const layer = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const errors = event.errors.map((error) => {
      const text = printable(error.message.replaceAll(/\s*\n\s*/g, " "))
      return [text, suggestionFor(error, event.commandPath)].filter((part) => part !== undefined).join(": ")
    })
    return Console.error(`flatimage: ${errors.join("; ")} (see ${event.commandPath.join(" ")} --help)`)
  }
})
