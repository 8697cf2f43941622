import { assert, describe, expect, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { imageCommands } from "../../../src/cli/commands/ImageCommands.ts"
import { hostCommands } from "../../../src/cli/flatimage/HostCommands.ts"
import { hostScript, imageScript } from "../../../src/cli/grammar/completion/Script.ts"
import { namespaceNames, permissionNames } from "../../../src/image/SettingsDefaults.ts"

const directory = mkdtempSync(join(tmpdir(), "flatimage-completion-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Stands for an image: it lists instances, and prints other words. */
const image = join(directory, "my-app")
writeFileSync(
  image,
  "#!/bin/sh\nif [ \"$1 $2\" = 'fim-instance list' ]; then printf '0:4711\\n12:4800\\nodd\\n'; else printf '<%s>' \"$@\"; fi\n"
)
chmodSync(image, 0o755)
mkdirSync(join(directory, "tree"))
writeFileSync(join(directory, "app.json"), "{}")

const scripts = join(directory, "scripts.bash")
writeFileSync(
  scripts,
  `${imageScript("bash", "my-app", imageCommands)}\n${hostScript("bash", hostCommands, imageCommands)}\n`
)

/** What bash offers at the end of these words. It finds the function as its readline does, by the last part of the path. */
const complete = (...words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const script = `source "$1"
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=\${#COMP_LINE}
    function=$(complete -p "\${1##*/}")
    function=\${function#*-F }
    "\${function%% *}" "$1" "\${@: -1}" "\${@: -2:1}"
    [[ \${#COMPREPLY[@]} == 0 ]] || printf '%s\\n' "\${COMPREPLY[@]}"`
  const output = execFileSync("bash", ["-c", script, "bash", scripts, ...words], {
    cwd: directory,
    encoding: "utf8"
  })
  return output.split("\n").slice(0, -1)
}

const sorted = (words: ReadonlyArray<string>) => [...words].sort()

describe("completion in bash", () => {
  it.each<[string, ReadonlyArray<string>, ReadonlyArray<string>]>([
    ["commands", ["./my-app", "fim-p"], ["fim-perms", "fim-portal"]],
    ["commands by name", ["my-app", "fim-v"], ["fim-version"]],
    ["operations", ["./my-app", "fim-perms", ""], ["add", "del", "set", "list", "clear"]],
    ["permissions", ["./my-app", "fim-perms", "set", ""], ["all", ...sorted(permissionNames)]],
    ["permissions behind a comma", ["./my-app", "fim-perms", "ADD", "home,u"], ["home,udev", "home,usb"]],
    ["no permission twice", ["./my-app", "fim-perms", "add", "udev,u"], ["udev,usb"]],
    ["nothing behind a permission", ["./my-app", "fim-perms", "add", "home", ""], []],
    ["namespaces", ["./my-app", "fim-unshare", "add", ""], ["all", ...sorted(namespaceNames)]],
    ["no other beside all", ["./my-app", "fim-unshare", "add", "net,a"], []],
    ["choices", ["./my-app", "fim-overlay", "set", ""], ["bwrap", "overlayfs", "unionfs"]],
    ["types of binds", ["./my-app", "fim-bind", "add", "r"], ["ro", "rw"]],
    ["files", ["./my-app", "fim-bind", "add", "ro", "app"], ["app.json"]],
    ["directories", ["./my-app", "fim-layer", "create", ""], ["tree"]],
    ["inner operations", ["./my-app", "fim-layer", "commit", ""], ["binary", "layer", "file"]],
    ["a file behind them", ["./my-app", "fim-desktop", "dump", "icon", "app"], ["app.json"]],
    ["what is enabled", ["./my-app", "fim-desktop", "enable", "entry,"], ["entry,mimetype", "entry,icon"]],
    ["options", ["./my-app", "fim-layer", "list", "--"], ["--json", "--long", "--help"]],
    ["options behind options", ["./my-app", "fim-layer", "list", "--json", "--l"], ["--long"]],
    ["instances", ["./my-app", "fim-instance", "exec", ""], ["0", "12"]],
    ["programs of the host", ["./my-app", "fim-portal", "allow", "sh", "prlimi"], ["prlimit"]],
    ["topics", ["./my-app", "fim-help", "pe"], ["perms"]],
    ["shells", ["./my-app", "fim-help", "completion", ""], ["bash", "zsh", "fish"]],
    ["no options of a program", ["./my-app", "fim-boot", "set", "x", "--"], []],
    ["no options of the boot command", ["./my-app", "--"], []],
    ["no options behind --", ["./my-app", "fim-perms", "list", "--", "--"], []],
    ["flatimage", ["flatimage", ""], hostCommands.map(({ name }) => name)],
    ["values of options", ["flatimage", "build", "--dist", "a"], ["alpine", "arch"]],
    ["values behind =", ["flatimage", "build", "--dist", "=", "d"], ["debian"]],
    ["options behind values", ["flatimage", "build", "--dist", "debian", "--ou"], ["--output"]],
    ["files of options", ["flatimage", "build", "--keyring", "app"], ["app.json"]],
    ["tools", ["flatimage", "tools", "lock", "--arch", ""], ["amd64", "arm64"]],
    ["images", ["flatimage", "config", "my"], ["my-app"]],
    ["options in front of an image", ["flatimage", "config", "--e"], ["--export"]],
    ["commands of an image", ["flatimage", "config", "my-app", "fim-u"], ["fim-unshare"]],
    ["their words", ["flatimage", "config", "my-app", "fim-unshare", "set", "u"], ["user", "uts"]]
  ])("offers %s", (_, words, expected) => {
    assert.deepStrictEqual(sorted(complete(...words)), sorted(expected))
  })

  it("carries nothing out that was typed", () => {
    const mark = join(directory, "mark")
    for (const typed of [`$(touch ${mark}),h`, `\`touch ${mark}\`,h`, `a;touch ${mark};,h`]) {
      assert.deepStrictEqual(complete("./my-app", "fim-perms", "add", typed), [`${typed}ome`])
    }
    assert.isFalse(existsSync(mark))
  })

  it("works on a terminal, for an image that is called by its path", () => {
    const lines = ["source \"$SCRIPTS\"", "./my-app fim-overlay set u\t", "./my-app fim-instance exec 1\tls", "exit"]
    const { stdout } = spawnSync("script", ["-qefc", "bash --norc --noprofile -i", "/dev/null"], {
      cwd: directory,
      env: { ...process.env, SCRIPTS: scripts, PS1: "$ ", TERM: "dumb", INPUTRC: "/dev/null" },
      input: `${lines.join("\n")}\n`,
      encoding: "utf8",
      timeout: 20_000
    })
    assert.include(stdout, "<fim-overlay><set><unionfs>")
    assert.include(stdout, "<fim-instance><exec><12><ls>")
  })
})

describe.each(["bash", "zsh", "fish"] as const)("the script for %s", (shell) => {
  it("names every command and operation", () => {
    const script = imageScript(shell, "my-app", imageCommands)
    for (const { name, operations = [] } of imageCommands) {
      assert.include(script, `'app ${name}'`)
      for (const operation of operations.filter(({ hidden }) => hidden === undefined)) {
        assert.include(script, `'app ${name} ${operation.name}'`)
      }
    }
    assert.include(script, `printed by: my-app fim-help completion ${shell} my-app\n`)
  })

  it("is as it was", async () => {
    await expect(`${hostScript(shell, hostCommands, imageCommands)}\n`).toMatchFileSnapshot(
      `../../golden/completion.${shell}`
    )
  })
})
