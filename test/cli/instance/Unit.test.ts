import { assert, describe, it } from "@effect/vitest"
import { quoteArgument, unitText } from "../../../src/cli/instance/Unit.ts"

describe("a unit of systemd", () => {
  it("has arguments that systemd reads as they are", () => {
    for (
      const [argument, quoted] of [
        ["", "\"\""],
        ["a b", "\"a b\""],
        ["$HOME ${x}", "\"$HOME ${x}\""],
        ["100%", "\"100%%\""],
        ["\"\\", "\"\\\"\\\\\""],
        ["\n\t\r\u0001\u007f", "\"\\n\\t\\r\\x01\\x7f\""],
        ["größe", "\"größe\""]
      ] as const
    ) {
      assert.strictEqual(quoteArgument(argument), quoted)
    }
  })

  it("runs the boot command without a command", () => {
    assert.strictEqual(
      unitText({ image: "/a/b.flatimage", name: "line\n[Service]\nExecStart=/bin/false 5%", command: [] }),
      [
        "[Unit]",
        "Description=line [Service] ExecStart=/bin/false 5%%",
        "",
        "[Service]",
        "Type=exec",
        "ExecStart=:\"/a/b.flatimage\"",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "KillMode=mixed",
        "",
        "[Install]",
        "WantedBy=default.target"
      ].join("\n")
    )
  })
})
