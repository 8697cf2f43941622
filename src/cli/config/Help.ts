/** fim-help: help for every command, shell completion and a manual page. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Host } from "../../relocate/Host.ts"
import { commandNames, findTopic, imageCommands } from "../commands/ImageCommands.ts"
import { helpText, usageText } from "../grammar/HelpText.ts"
import { didYouMean } from "../grammar/Suggest.ts"
import { BuildInfo } from "./BuildInfo.ts"
import { usageError } from "./CommandError.ts"

export const help = Effect.fn("fim-help")(function*({ topic }: { readonly topic: string | undefined }) {
  if (topic === undefined) return yield* Console.log(usageText(imageCommands))
  const command = findTopic(topic)
  if (command !== undefined) return yield* Console.log(helpText(command))
  const name = `fim-${topic.toLowerCase().replace(/^fim-/, "")}`
  return yield* usageError(
    `Invalid argument for help command: ${topic}`,
    undefined,
    didYouMean(name, commandNames, "fim-help ")
  )
})

/** The name of the program in completion and manual page, by default. */
const usualProgram = "app.flatimage"

export const completion = Effect.fn("fim-help.completion")(function*(
  { program = usualProgram, shell }: { readonly shell: "bash" | "zsh" | "fish"; readonly program: string | undefined }
) {
  const { imageScript } = yield* Effect.promise(() => import("../grammar/completion/Script.ts"))
  yield* Console.log(imageScript(shell, program, imageCommands))
})

export const manual = Effect.fn("fim-help.man")(function*(
  { program = usualProgram }: { readonly program: string | undefined }
) {
  const { imagePage } = yield* Effect.promise(() => import("../grammar/ManualPage.ts"))
  yield* Console.log(imagePage(program, (yield* BuildInfo).version, imageCommands))
})

export const appArmor = Effect.fn("fim-help.apparmor")(function*() {
  const { environment } = yield* Host
  const { appArmorProfile, isPlainPath } = yield* Effect.promise(() => import("./AppArmor.ts"))
  const directory = environment["FIM_DIR_GLOBAL"]
  if (directory !== undefined && directory !== "" && !isPlainPath(directory)) {
    return yield* usageError(`FIM_DIR_GLOBAL is '${directory}', which a profile of AppArmor cannot name`)
  }
  yield* Console.log(appArmorProfile(directory === "" ? undefined : directory))
})
