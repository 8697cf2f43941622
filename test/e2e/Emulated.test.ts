/** An image for arm64, built here: its boot program, run by an emulator, reads and writes the same bytes as one of this machine. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { registration } from "../../src/builder/cross/Registration.ts"
import * as Needs from "../support/Needs.ts"
import { scenario } from "../support/Needs.ts"
import * as Process from "../support/Process.ts"
import { projectRoot } from "../support/Project.ts"
import { workshop } from "../support/Workshop.ts"

/** The compilers are fetched and the native programs compiled. */
const building = 1_200_000

/** Each kind of setting, those of other bytes than ASCII among them, and what makes the journal and a later field move. */
const changes: ReadonlyArray<ReadonlyArray<string>> = [
  ["fim-perms", "set", "home,network,xorg"],
  ["fim-perms", "del", "xorg"],
  ["fim-env", "set", "WORD=with a space", "NAME=käse €"],
  ["fim-env", "add", `LONG=${"0123456789".repeat(1000)}`],
  ["fim-env", "del", "WORD"],
  ["fim-boot", "set", "sh", "-c", "echo \"$NAME\"", "--help"],
  ["fim-bind", "add", "ro", "/srv", "/mnt/srv"],
  ["fim-bind", "add", "rw", "$HOME/a b", "/mnt/b"],
  ["fim-bind", "del", "0"],
  ["fim-overlay", "set", "overlayfs"],
  ["fim-casefold", "on"],
  ["fim-notify", "on"],
  ["fim-unshare", "add", "ipc,uts"],
  ["fim-portal", "allow", "true"],
  ["fim-remote", "set", "http://127.0.0.1/recipes"]
]

const questions: ReadonlyArray<ReadonlyArray<string>> = [
  ["fim-perms", "list"],
  ["fim-env", "list"],
  ["fim-boot", "show"],
  ["fim-bind", "list"],
  ["fim-overlay", "show"],
  ["fim-portal", "list"],
  ["fim-unshare", "list"],
  ["fim-remote", "show"],
  ["fim-casefold", "get"],
  ["fim-notify", "get"]
]

describe("an image for arm64", () => {
  scenario(
    "writes the settings as this machine does, and reads them back",
    [...Needs.images, Needs.root],
    () =>
      Effect.gen(function*() {
        const { clean, directory, environment } = yield* workshop
        writeFileSync(
          `${directory}/arm64.flatimage.json`,
          JSON.stringify({
            format: 1,
            arch: "arm64",
            base: { dist: "blueprint" },
            steps: [{ run: "uname -m > /machine" }]
          })
        )
        const built = yield* Process.run(
          [`${projectRoot}/bin/flatimage`, "build", "arm64.flatimage.json", "-o", "emulated.flatimage"],
          {
            directory,
            // What is compared does not depend on how well the programs are optimised, and that takes minutes.
            environment: { ...environment, FIM_CROSS_PROFILE: "quick" },
            patience: building
          }
        )
        assert.strictEqual(built.code, 0, built.stderr)
        copyFileSync(`${directory}/emulated.flatimage`, `${directory}/here.flatimage`)

        const tools = readdirSync(`${projectRoot}/build/cache/cross`).find((name) => /^emulator-[0-9a-f]+$/.test(name))
        const rule = registration(`${projectRoot}/build/cache/cross/${tools}/qemu-aarch64`)
        const emulated = (words: ReadonlyArray<string>) =>
          Process.run(
            [`${projectRoot}/build/native/fim`, "emulate", rule, "--", `${directory}/emulated.flatimage`, ...words],
            { directory, environment, patience: 60_000 }
          )
        const here = (words: ReadonlyArray<string>) =>
          Process.run([`${projectRoot}/bin/flatimage`, "config", `${directory}/here.flatimage`, ...words], {
            directory,
            environment
          })

        for (const words of changes) {
          const [there, ours] = [yield* emulated(words), yield* here(words)]
          assert.deepStrictEqual(
            [there.code, there.stdout, there.stderr],
            [0, ours.stdout, ours.stderr],
            words.join(" ")
          )
        }
        assert.isTrue(
          readFileSync(`${directory}/emulated.flatimage`).equals(readFileSync(`${directory}/here.flatimage`)),
          "the files differ"
        )
        for (const words of questions) {
          const [there, ours] = [yield* emulated(words), yield* here(words)]
          assert.deepStrictEqual([there.code, there.stdout], [0, ours.stdout], words.join(" "))
        }
        // A refusal is the same, and changes nothing.
        const refused = yield* emulated(["fim-perms", "set", "nonsense"])
        assert.strictEqual(refused.code, 125)
        assert.strictEqual(refused.stderr, (yield* here(["fim-perms", "set", "nonsense"])).stderr)
        assert.isTrue(
          readFileSync(`${directory}/emulated.flatimage`).equals(readFileSync(`${directory}/here.flatimage`)),
          "a refused command has changed the file"
        )
        yield* clean
      }),
    building
  )
})
