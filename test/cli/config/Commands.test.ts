import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { permissionNames } from "../../../src/image/SettingsDefaults.ts"
import { newImage, run } from "./Run.ts"

const environment = { HOME: "/home/u", META: "NAME" }

interface Step {
  readonly words: ReadonlyArray<string>
  /** Standard output; nothing unless told. */
  readonly prints?: string
  readonly warns?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
}

const step = (line: string, prints = ""): Step => ({ words: line.split(" "), prints })

const allPermissions = [...permissionNames].sort().join("\n")

const scripts: Readonly<Record<string, ReadonlyArray<Step>>> = {
  "fim-perms lists in alphabetical order": [
    step("fim-perms list"),
    step("fim-perms add network,audio"),
    step("fim-perms ADD Home"),
    step("fim-perms list", "audio\nhome\nnetwork"),
    step("fim-perms list --json", "[\n  \"audio\",\n  \"home\",\n  \"network\"\n]"),
    step("fim-perms del network,gpu"),
    step("fim-perms LIST", "audio\nhome"),
    step("fim-perms set wayland"),
    step("fim-perms list", "wayland"),
    step("fim-perms clear"),
    step("fim-perms list"),
    step("fim-perms list --json", "[]")
  ],
  "fim-perms all is every permission, also to del": [
    step("fim-perms set all"),
    step("fim-perms list", allPermissions),
    step("fim-perms del all"),
    step("fim-perms list"),
    step("fim-perms add -- ALL"),
    step("fim-perms list", allPermissions)
  ],
  "fim-unshare": [
    step("fim-unshare add pid,IPC", "I::In force, with those of the default: cgroup, ipc, pid, uts"),
    step("fim-unshare list", "ipc\npid"),
    step("fim-unshare set all"),
    step("fim-unshare list", "cgroup\nipc\nnet\npid\nuser\nuts"),
    step("fim-unshare del all"),
    step("fim-unshare list"),
    step("fim-unshare set net"),
    step("fim-unshare clear"),
    step("fim-unshare list --json", "[]")
  ],
  "fim-env": [
    step("fim-env list"),
    step("fim-env add B=2 A=1=1", "I::Included variable 'B' with value '2'\nI::Included variable 'A' with value '1=1'"),
    step("fim-env list", "A=1=1\nB=2"),
    step("fim-env add A=3", "I::Included variable 'A' with value '3'"),
    step("fim-env list", "A=3\nB=2"),
    step("fim-env del A X", "I::Erase key 'A'\nI::Key 'X' not found for deletion"),
    step("fim-env list", "B=2"),
    step("fim-env set C=", "I::Included variable 'C' with value ''"),
    step("fim-env list", "C="),
    step("fim-env clear"),
    step("fim-env list"),
    step("fim-env list --json", "{}")
  ],
  "fim-env expands when it lists, not when it stores": [
    {
      words: ["fim-env", "set", "$META=$HOME/${META}x$NONE.", "T=~/t", "U=a~", "W=two words"],
      prints: [
        "I::Included variable '$META' with value '$HOME/${META}x$NONE.'",
        "I::Included variable 'T' with value '~/t'",
        "I::Included variable 'U' with value 'a~'",
        "I::Included variable 'W' with value 'two words'"
      ].join("\n")
    },
    step("fim-env list", "NAME=/home/u/NAMEx.\nT=/home/u/t\nU=a~\nW=two words"),
    { words: ["fim-env", "list"], environment: {}, prints: "T=~/t\nU=a~\nW=two words" }
  ],
  "fim-env runs nothing on the host": [
    {
      words: ["fim-env", "set", "A=$(id)", "B=`id`", "C=$((1+1))"],
      prints: [
        "I::Included variable 'A' with value '$(id)'",
        "I::Included variable 'B' with value '`id`'",
        "I::Included variable 'C' with value '$((1+1))'"
      ].join("\n")
    },
    step("fim-env list", "A=$(id)\nB=`id`\nC=$((1+1))")
  ],
  "fim-env takes what follows -- as data": [
    step(
      "fim-env add -- --json=1 --=2",
      "I::Included variable '--json' with value '1'\nI::Included variable '--' with value '2'"
    ),
    step("fim-env del -- --json", "I::Erase key '--json'"),
    step("fim-env list", "--=2")
  ],
  "fim-boot": [
    step("fim-boot show", "{\n  \"args\": [],\n  \"program\": \"bash\"\n}"),
    step("fim-boot set ls -la --json -- x --help"),
    step(
      "fim-boot get",
      "{\n  \"args\": [\n    \"-la\",\n    \"--json\",\n    \"--\",\n    \"x\",\n    \"--help\"\n  ],\n  \"program\": \"ls\"\n}"
    ),
    step("fim-boot set -- --odd -- x"),
    step("fim-boot show --json", "{\n  \"args\": [\n    \"--\",\n    \"x\"\n  ],\n  \"program\": \"--odd\"\n}"),
    step("fim-boot clear"),
    step("fim-boot SHOW", "{\n  \"args\": [],\n  \"program\": \"bash\"\n}")
  ],
  "fim-bind": [
    step("fim-bind list"),
    step("fim-bind list --json", "{}"),
    step("fim-bind add RO $HOME /h", "I::Binding index is '0'"),
    step("fim-bind add dev /dev/fuse /dev/fuse", "I::Binding index is '1'"),
    step("fim-bind add rw /a /b", "I::Binding index is '2'"),
    step("fim-bind del 7", "I::No element with index '7' found"),
    step("fim-bind del 0", "I::Erase element with index '0'"),
    step(
      "fim-bind list",
      "{\n  \"0\": {\n    \"dst\": \"/dev/fuse\",\n    \"src\": \"/dev/fuse\",\n    \"type\": \"dev\"\n  },\n  \"1\": {\n    \"dst\": \"/b\",\n" +
        "    \"src\": \"/a\",\n    \"type\": \"rw\"\n  }\n}"
    ),
    step("fim-bind del /b", "I::Erase element with index '1'"),
    step("fim-bind del /b", "I::No element with index '/b' found"),
    step("fim-bind clear"),
    step("fim-bind list")
  ],
  "fim-overlay": [
    step("fim-overlay show", "BWRAP"),
    step("fim-overlay set UnionFS"),
    step("fim-overlay show", "UNIONFS"),
    { words: ["fim-overlay", "get"], environment: { FIM_OVERLAY: "overlayfs" }, prints: "OVERLAYFS" },
    { words: ["fim-overlay", "get"], environment: { FIM_OVERLAY: "OVERLAYFS" }, prints: "UNIONFS" },
    step("fim-overlay set bwrap"),
    step("fim-overlay show --json", "{\n  \"overlay\": \"BWRAP\"\n}"),
    {
      words: ["fim-overlay", "show"],
      environment: { FIM_CASEFOLD: "1" },
      prints: "UNIONFS",
      warns: ["W::casefold cannot be used with bwrap overlayfs, falling back to unionfs"]
    },
    step("fim-casefold on"),
    {
      words: ["fim-overlay", "show"],
      prints: "UNIONFS",
      warns: ["W::casefold cannot be used with bwrap overlayfs, falling back to unionfs"]
    }
  ],
  "fim-casefold and fim-notify": [
    step("fim-casefold get", "off"),
    step("fim-casefold ON"),
    step("fim-casefold get", "on"),
    step("fim-notify get --json", "{\n  \"notify\": false\n}"),
    step("fim-notify on"),
    step("fim-notify show", "on"),
    // As the original says it with every command while it is on.
    {
      words: ["fim-casefold", "off"],
      prints: "",
      warns: ["W::casefold cannot be used with bwrap overlayfs, falling back to unionfs"]
    },
    step("fim-casefold get --json", "{\n  \"casefold\": false\n}"),
    step("fim-notify get", "on")
  ],
  "fim-portal": [
    step("fim-portal list"),
    step("fim-portal list --json", "[]"),
    step("fim-portal allow xdg-open /opt/tool xdg-open"),
    step("fim-portal ALLOW *"),
    step("fim-portal list", "*\n/opt/tool\nxdg-open"),
    {
      words: ["fim-portal", "deny", "/opt/tool", "absent"],
      prints: "",
      warns: ["W::'*' still allows every program; 'fim-portal deny *' takes it back"]
    },
    step("fim-portal deny *"),
    step("fim-portal list --json", "[\n  \"xdg-open\"\n]"),
    step("fim-portal allow -- --odd"),
    step("fim-portal list", "--odd\nxdg-open"),
    step("fim-portal clear"),
    step("fim-portal list")
  ],
  "fim-remote": [
    step("fim-remote set https://example.org/r", "I::Set remote URL to 'https://example.org/r'"),
    step("fim-remote show", "https://example.org/r"),
    step("fim-remote get --json", "{\n  \"url\": \"https://example.org/r\"\n}"),
    step("fim-remote clear", "I::Cleared remote URL")
  ],
  "fim-version": [
    step("fim-version", "v0.1.0"),
    step("fim-version --json", "\"v0.1.0\""),
    step("fim-version short", "v0.1.0"),
    step("fim-version SHORT --json", "\"v0.1.0\""),
    step(
      "fim-version full",
      "{\n  \"COMMIT\": \"66831bd\",\n  \"DISTRIBUTION\": \"DEBIAN\",\n  \"TIMESTAMP\": \"20250102030405\",\n  \"VERSION\": \"v0.1.0\"\n}"
    ),
    step(
      "fim-version deps",
      "{\n  \"bash\": {\n    \"licenses\": [\n      {\n        \"type\": \"GPL-3.0\",\n        \"url\": \"gpl\"\n      }\n    ],\n" +
        "    \"sha\": \"00\",\n    \"source\": \"bash_5.2\",\n    \"version\": \"5.2\"\n  }\n}"
    )
  ]
}

describe("commands", () => {
  it.effect.each(Object.entries(scripts))("%s", ([, steps]) =>
    Effect.gen(function*() {
      const image = newImage()
      for (const { environment: own = environment, prints = "", warns = [], words } of steps) {
        const outcome = yield* run(image, words, own)
        assert.deepStrictEqual({ words, ...outcome }, { words, stdout: prints, stderr: warns, code: 0 })
      }
    }))

  it.effect("a bad assignment changes nothing, also of set", () =>
    Effect.gen(function*() {
      const image = newImage({ environment: { A: "1" } })
      const outcome = yield* run(image, ["fim-env", "set", "B=2", "wrong"])
      assert.strictEqual(outcome.code, 125)
      assert.deepStrictEqual(image.settings.environment, { A: "1" })
    }))
})
