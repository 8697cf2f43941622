/** `flatimage completion` and `flatimage man`: texts that are derived from the declared commands. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Revisions } from "../../builder/Revision.ts"
import { imageCommands } from "../commands/ImageCommands.ts"
import { hostScript, type Shell } from "../grammar/completion/Script.ts"
import { hostPage, imagePage } from "../grammar/ManualPage.ts"
import { flatimage, hostCommands } from "./HostCommands.ts"

export const completion = Effect.fn("flatimage.completion")(function*({ shell }: { readonly shell: Shell }) {
  yield* Console.log(hostScript(shell, hostCommands, imageCommands))
})

export const manual = Effect.fn("flatimage.man")(function*(
  { page = "flatimage" }: { readonly page: "flatimage" | "image" | undefined }
) {
  const { version } = yield* (yield* Revisions).current
  yield* Console.log(
    page === "image"
      ? imagePage("app.flatimage", version, imageCommands)
      : hostPage(flatimage, version)
  )
})
