import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import { printable } from "../../Printable.ts"
import { findOperation, type Operation } from "../grammar/Command.ts"
import { didYouMean } from "../grammar/Suggest.ts"
import { flatimage } from "./HostCommands.ts"

/** What may have been meant by a value that is none of those there are. */
const meant = (error: CliError.CliError, path: ReadonlyArray<string>): string | undefined => {
  if (error._tag !== "InvalidValue") return undefined
  const chosen = path.slice(1).reduce<Operation<never> | undefined>(
    (at, word) => at === undefined ? undefined : findOperation(at, word),
    flatimage as Operation<unknown> as Operation<never>
  )
  const declared = [...chosen?.options ?? [], ...chosen?.arguments ?? []].find(({ name }) => name === error.option)
  return didYouMean(error.value, declared?.choices ?? [])
}

/** Wrong words give one sentence on standard error instead of the whole help: the sentence is what one has to read. */
export const layer = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const errors = event.errors.map((error) => {
      const text = printable(error.message.replaceAll(/\s*\n\s*/g, " "))
      return [text, meant(error, event.commandPath)].filter((part) => part !== undefined).join(": ")
    })
    return Console.error(`flatimage: ${errors.join("; ")} (see ${event.commandPath.join(" ")} --help)`)
  }
})
