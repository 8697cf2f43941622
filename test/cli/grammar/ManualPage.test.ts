import { assert, describe, expect, it } from "@effect/vitest"
import { commandNames, imageCommands } from "../../../src/cli/commands/ImageCommands.ts"
import { flatimage, hostCommands } from "../../../src/cli/flatimage/HostCommands.ts"
import { hostPage, imagePage } from "../../../src/cli/grammar/ManualPage.ts"

const ofHost = hostPage(flatimage, "0.1.0")
const ofImage = imagePage("app.flatimage", "0.1.0", imageCommands)

describe("manual pages", () => {
  it("have every command", () => {
    for (const { name } of hostCommands) assert.include(ofHost, `\n.SS "${name}"\n`)
    for (const name of commandNames) assert.include(ofImage, `\n.SS "${name.replace("-", "\\-")}"\n`)
  })

  it("have no line that roff would take for a request, and no dash that it would change", () => {
    for (const line of `${ofHost}\n${ofImage}`.split("\n")) {
      assert.match(line, /^(?:\.(?:TH|SH|SS|B|TP|PP|RS|RE|nf|fi|br)(?: |$)|[^.'])/)
      assert.notMatch(line, /(?<!\\)-|\\(?![e&]|-|\(dq|\(ti|\(ha|\(ga)/)
    }
  })

  it("are as they were", async () => {
    await expect(`${ofHost}\n`).toMatchFileSnapshot("../../golden/flatimage.1")
    await expect(`${ofImage}\n`).toMatchFileSnapshot("../../golden/image.1")
  })
})
