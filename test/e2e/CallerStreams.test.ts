/** What a start leaves of the caller's standard streams: all as it was, and every byte. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { succeeds } from "../support/Commands.ts"
import { type Held, held, kinds } from "../support/HeldStreams.ts"
import { images, program, scenario } from "../support/Needs.ts"
import { svg } from "../support/Pictures.ts"
import { type Place, place } from "../support/Place.ts"
import { inGuest, open } from "../support/Portal.ts"
import { projectRoot } from "../support/Project.ts"
import { openTerminal } from "../support/Terminal.ts"
import { self, type User, users } from "../support/Users.ts"

const needs = [...images, program("script"), program("perl")]

const size = 8 * 1024 * 1024

/** As the guest's and the host's `seq` print it: no two lines are equal. */
const bytes = (() => {
  const lines: Array<string> = []
  for (let [number, length] = [1, 0]; length < size; number++) {
    length += lines.push(`${number}\n`) && `${number}\n`.length
  }
  return Buffer.from(lines.join("")).subarray(0, size)
})()
const write = ["sh", "-c", `seq 1 2000000 | head -c ${size}`]

const isUntouched = ({ after, before, during }: Held, what: string) => {
  assert.strictEqual(before.split("\n").length >= 4, true, before)
  assert.strictEqual(after, before, what)
  // The modes of a terminal are behind the flags.
  const flags = before.split("\n").slice(0, 3).join("\n")
  assert.deepStrictEqual(during, [flags], what)
}

const isWhole = (run: Held, what: string) => {
  isUntouched(run, what)
  assert.deepStrictEqual([run.code, run.received.length], [0, size], `${what}: ${run.errors}`)
  assert.isTrue(run.received.equals(bytes), what)
}

/** An image that is set to all that a start can do beside its program. */
const furnished = Effect.fnUntraced(function*(user: User) {
  const app = yield* open(user, "sh")
  writeFileSync(`${app.directory}/app.svg`, svg())
  const document = { name: "App", icon: "app.svg", categories: ["Utility"] }
  writeFileSync(`${app.directory}/app.json`, JSON.stringify(document))
  yield* succeeds(app, ["fim-desktop", "setup", `${app.directory}/app.json`])
  yield* succeeds(app, ["fim-desktop", "enable", "entry,mimetype,icon"])
  yield* succeeds(app, ["fim-notify", "on"])
  return app
})

const features: Readonly<
  Record<string, {
    readonly words?: ReadonlyArray<string>
    readonly environment?: Readonly<Record<string, string>>
    readonly settings?: ReadonlyArray<ReadonlyArray<string>>
  }>
> = {
  "nothing": {},
  "root": { words: ["fim-root", ...write] },
  "a boot command": { settings: [["fim-boot", "set", ...write]], words: [] },
  "casefold": { settings: [["fim-casefold", "on"]] },
  "fuse-overlayfs": { environment: { FIM_OVERLAY: "overlayfs" } },
  "unionfs": { environment: { FIM_OVERLAY: "unionfs" } },
  "the portal": { settings: [["fim-portal", "allow", "hostname"]] },
  "a command across the wall": {
    settings: [["fim-portal", "allow", "*"]],
    words: ["fim-exec", "fim_portal", ...write]
  }
}

describe.each(users)("as $name", (user) => {
  for (
    const [feature, { environment = {}, settings = [], words = ["fim-exec", ...write] }] of Object.entries(features)
  ) {
    scenario(`a slow reader gets 8 MiB byte for byte, with ${feature}`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        for (const setting of settings) yield* succeeds(app, setting)
        const run = yield* held(app, "pipes", words, { environment })
        isWhole(run, feature)
        assert.strictEqual(run.errors, "")
        yield* app.isClean
      }))
  }

  for (const kind of Object.keys(kinds) as ReadonlyArray<keyof typeof kinds>) {
    scenario(`${kind} stay as they are, whatever the image is set to`, needs, () =>
      Effect.gen(function*() {
        const app = yield* furnished(user)
        isWhole(yield* held(app, kind, ["fim-exec", ...write]), kind)
        assert.isTrue(existsSync(`${app.home}/.local/share/applications`))
        isWhole(yield* held(app, kind, ["fim-exec", "fim_portal", ...write]), `${kind}, across the wall`)
        yield* app.isClean
      }))
  }

  for (const kind of ["pipes", "a terminal"] as const) {
    scenario(`commands leave ${kind} as they are`, needs, () =>
      Effect.gen(function*() {
        const app = yield* furnished(user)
        mkdirSync(`${app.directory}/tree`)
        writeFileSync(`${app.directory}/tree/file`, "content")
        yield* succeeds(app, ["fim-exec", "sh", "-c", "echo > /new"])
        const commands = [
          ["fim-help"],
          ["fim-help", "perms"],
          ["fim-exec", "--help"],
          ["fim-version", "deps"],
          ["fim-perms", "set", "home"],
          ["fim-perms", "set", "nonsense"],
          ["fim-instance", "list"],
          ["fim-recipe", "fetch", "x"],
          ["fim-desktop", "enable", "entry,icon"],
          ["fim-layer", "create", `${app.directory}/tree`, `${app.home}/a.layer`],
          ["fim-layer", "commit", "binary"],
          ["fim-layer", "squash"],
          ["fim-desktop", "clean"]
        ]
        for (const command of commands) isUntouched(yield* held(app, kind, command), command.join(" "))
        const help = yield* held(app, "pipes", ["fim-help"])
        assert.strictEqual(help.received.toString(), (yield* app.run(["fim-help"])).stdout)
        yield* app.isClean
      }))
  }

  scenario(
    "a command in an instance leaves the streams of its caller as they are",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line"], { interactive: true })
        yield* running.says(/ready/)
        for (const kind of Object.keys(kinds) as ReadonlyArray<keyof typeof kinds>) {
          isWhole(yield* held(app, kind, ["fim-instance", "exec", "0", ...write]), kind)
        }
      })
  )

  scenario("what a program sets of the terminal lasts", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const command =
        "\"$app\" fim-exec stty -echo erase x; \"$app\" fim-env list; stty -a; \"$app\" fim-exec stty echo; stty -a"
      const { code, stdout } = yield* (yield* openTerminal(app, command)).outcome
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(stdout.match(/(?<= )-?echo(?= )/g), ["-echo", "echo"])
      assert.deepStrictEqual(stdout.match(/ erase = x;/g)?.length, 2)
    }))

  scenario("no line of ours is on the output of a program", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true, copy: true })
      const environment = { FIM_DEBUG: "1" }
      yield* succeeds(app, ["fim-boot", "set", "echo", "boot"])
      for (const words of [["fim-exec", "echo", "boot"], ["fim-root", "echo", "boot"], []]) {
        const { code, stderr, stdout } = yield* app.run(words, { environment })
        assert.deepStrictEqual([code, stdout], [0, "boot\n"])
        assert.match(stderr, /^D::[\d.]+::Phase: end$/m)
      }
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line"], {
        environment,
        interactive: true
      })
      yield* running.says(/^ready\n$/)
      const inside = yield* app.run(["fim-instance", "exec", "0", "echo", "inside"], { environment })
      assert.deepStrictEqual([inside.code, inside.stdout], [0, "inside\n"])
    }))
})

/** Shell words that lead a standard stream to a directory, and what is said of it where that can be read. */
const directories = {
  "input": { lead: "< /", said: /^[CE]::standard input is a directory, .*'< \/dev\/null'$/m },
  "output": { lead: "1< /", said: /^[CE]::standard output is a directory, .*'> \/dev\/null'$/m },
  "error": { lead: "2< /", said: /^$/ }
}

const asPath = "perl -e 'close(STDIN); sysopen(STDIN, \"/etc/passwd\", 010000000) or die; exec @ARGV'"

describe.each(users)("as $name, a directory is refused as", (user) => {
  const isRefused = Effect.fnUntraced(function*(app: Place, script: string, said: RegExp) {
    const { code, stderr, stdout } = yield* app.shell(script)
    assert.deepStrictEqual([script, code, stdout], [script, 125, ""])
    assert.match(stderr, said, script)
  })

  for (const [name, { lead, said }] of Object.entries(directories)) {
    scenario(`standard ${name}, before anything is made`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        for (const words of ["fim-exec ls /proc/self/fd/0/", "fim-root true", "", "ls"]) {
          yield* isRefused(app, `"$app" ${words} ${lead}`, said)
        }
        assert.isFalse(existsSync(app.data))
        yield* app.isClean
      }))
  }

  scenario("a stream by a path only, in an instance, and across the wall", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true })
      yield* isRefused(
        app,
        `exec ${asPath} "$app" fim-exec cat`,
        /^C::standard input is open as a path only \(O_PATH\)/m
      )
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line"], { interactive: true })
      yield* running.says(/ready/)
      for (const { lead, said } of Object.values(directories)) {
        yield* isRefused(app, `"$app" fim-instance exec 0 true ${lead}`, said)
      }
      const allowed = yield* open(user, "true")
      const inside = yield* inGuest(allowed, "fim_portal true < /; echo $?; fim_portal true; echo $?")
      assert.deepStrictEqual([inside.code, inside.stdout], [0, "125\n0\n"])
      assert.match(inside.stderr, directories.input.said)
    }))
})

describe("flatimage itself", () => {
  for (const kind of Object.keys(kinds) as ReadonlyArray<keyof typeof kinds>) {
    scenario(`leaves ${kind} as they are`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(self)
        const options = { program: `${projectRoot}/bin/flatimage` }
        const inspected = yield* held(app, kind, ["inspect", app.image], options)
        isUntouched(inspected, "inspect")
        assert.deepStrictEqual([inspected.code, inspected.received.length > 100], [0, true])
        isUntouched(yield* held(app, kind, ["build", "--dist", "none"], options), "build")
      }))
  }
})
