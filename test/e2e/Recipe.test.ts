import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { arch } from "../../src/builder/dist/Arch.ts"
import { succeeds } from "../support/Commands.ts"
import { makeArchive } from "../support/DebArchive.ts"
import { inGuestOnly } from "../support/Guest.ts"
import { images, program, scenario } from "../support/Needs.ts"
import { svg } from "../support/Pictures.ts"
import { debian, type Place, place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { projectRoot } from "../support/Project.ts"
import { recipeServer } from "../support/RecipeServer.ts"
import { keys, openTerminal } from "../support/Terminal.ts"
import { ordinary, self } from "../support/Users.ts"

const cacheOf = (app: Place, distribution = "debian") => `${app.data}/recipes/${distribution}/latest`

const useRemote = (app: Place, url: string) => succeeds(app, ["fim-remote", "set", url])

describe("fim-recipe on a Debian", () => {
  scenario(
    "installs the packages of recipes and puts the image onto the desktop",
    [...images, debian],
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { image: "debian", copy: true })
        yield* makeArchive(app)
        const server = yield* recipeServer({
          app: { description: "an app", packages: [], debian: ["one"], dependencies: ["left", "right"] },
          left: { description: "left", packages: ["two"], dependencies: ["base"] },
          right: { description: "right", packages: ["bash"], dependencies: ["base"] },
          "/icon.svg": svg(),
          none: { description: "not in the archive", packages: ["bash", "tw."] }
        })
        server.recipes.set("base", {
          description: "base",
          packages: ["two"],
          desktop: { name: "App", icon: `${server.url}/icon.svg`, categories: ["Utility"], integrations: ["ENTRY"] }
        })
        yield* useRemote(app, server.url)
        const before = readdirSync(app.global, { recursive: true }).length

        // A failure of the package manager is the answer, and nothing of it comes onto the desktop.
        const refused = yield* app.run(["fim-recipe", "install", "none"], { patience: 60_000 })
        assert.strictEqual(refused.code, 100)
        assert.match(refused.stderr, /^W::The guest may not use the network, .*'fim-perms add network' lets it$/m)
        assert.match(refused.stderr, /^E: Unable to locate package tw\.$/m)
        yield* app.isClean
        yield* succeeds(app, ["fim-perms", "add", "network"])

        const { code, stderr, stdout } = yield* app.run(["fim-recipe", "install", "app"], { patience: 60_000 })
        assert.strictEqual(code, 0, stderr)
        // apt itself may warn of a group that an ordinary user cannot give.
        assert.notMatch(stderr, /^(E:|W::)/m)
        assert.deepStrictEqual(server.asked(), ["none", "app", "left", "base", "right"])
        const ours = stdout.split("\n").filter((line) => line.startsWith("I::"))
        assert.deepStrictEqual(ours.slice(-5, -4), [`I::Found desktop integration in recipe 'base'`])
        assert.match(
          ours.slice(-4).join("\n"),
          /^I::Setting up desktop integration from recipe\nI::Icon is an URL: .*\nI::Success.*\nI::Desktop integration setup successful$/
        )
        assert.match(stdout, /^Setting up two \(1\.0\) \.\.\.\r?\nSetting up one \(1\.0\) \.\.\.\r?$/m)
        yield* app.isClean
        assert.strictEqual(readdirSync(app.global, { recursive: true }).length, before)
        const there = yield* app.run(["fim-exec", "cat", "/opt/one/file", "/opt/two/file"])
        assert.strictEqual(there.stdout, "content of one\ncontent of two\n")
        assert.deepStrictEqual(JSON.parse(yield* succeeds(app, ["fim-desktop", "show"])), {
          name: "App",
          categories: ["Utility"],
          integrations: ["ENTRY"]
        })
      }),
    120_000
  )

  scenario(
    "ends with all it has started when it is told to, while packages are installed",
    [...images, debian],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self, { image: "debian" })
        mkdirSync(cacheOf(app), { recursive: true })
        writeFileSync(`${cacheOf(app)}/a.json`, JSON.stringify({ description: "a", packages: ["one"] }))
        // Runs before apt does anything, says so, and never ends.
        const hook = "APT::Update::Pre-Invoke { \"echo installing; exec sleep 100\"; };"
        mkdirSync(`${app.data}/data/etc/apt/apt.conf.d`, { recursive: true })
        writeFileSync(`${app.data}/data/etc/apt/apt.conf.d/00wait`, hook)
        for (const signal of ["SIGTERM", "SIGKILL"] as const) {
          const running = yield* app.start(["fim-recipe", "install", "a"])
          yield* running.says(/installing/)
          yield* running.signal(signal)
          const code = yield* running.exited
          assert.strictEqual(code, signal === "SIGKILL" ? "SIGKILL" : 128 + 15)
          yield* app.isClean
        }
      }),
    60_000
  )
})

/** What puts a program into the guest that writes its words and its user down, and ends with this code. */
const recorder = (name: string, code: number) =>
  [
    `printf '#!/bin/sh\\nprintf "<%%s>" %s "$@" $(id -u) >> /words\\nexit ${code}\\n' ${name} > /tmp/program`,
    `mv /tmp/program /usr/bin/${name}`,
    `chmod 755 /usr/bin/${name}`
  ].join("\n")

/** A Blueprint that says it is another distribution, whose package manager only writes its words down and ends with 7. */
const disguised = Effect.fnUntraced(function*(title: string, programs: ReadonlyArray<string>) {
  // Who is root of the guest alone.
  const app = yield* place(ordinary, { copy: true })
  const settings = `${app.directory}/settings.json`
  writeFileSync(settings, JSON.stringify({ format: 1, settings: { extension: { distribution: title, portal: [] } } }))
  const changed = yield* Process.run([`${projectRoot}/bin/flatimage`, "config", app.image, "--import", settings], {
    environment: { PATH: process.env["PATH"] }
  })
  assert.deepStrictEqual([changed.code, changed.stderr], [0, ""])
  const script = [
    inGuestOnly,
    "echo 'DownloadUser = alpm' > /etc/pacman.conf",
    ...programs.map((name, index) => recorder(name, index === 0 ? 7 : 0))
  ].join("\n")
  yield* succeeds(app, ["fim-root", "sh", "-c", script])
  return app
})

describe("fim-recipe", () => {
  const cases = [
    ["ALPINE", ["apk"], "<apk><add><--no-cache><--update-cache><--no-progress><--><mesa><g++><0>"],
    ["ARCH", ["pacman", "pacman-key"], "<pacman><-Syu><--noconfirm><--needed><--><lib32-mesa><g++><0>"]
  ] as const
  for (const [title, programs, words] of cases) {
    scenario(
      `asks the package manager of ${title} as root, and answers with its exit code`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* disguised(title, programs)
          const name = title.toLowerCase()
          const directory = `${cacheOf(app, name)}`
          mkdirSync(directory, { recursive: true })
          const recipe = {
            description: "GPU",
            packages: ["unused"],
            alpine: ["mesa"],
            arch: ["lib32-mesa"],
            dependencies: ["b"]
          }
          writeFileSync(`${directory}/gpu.json`, JSON.stringify({ ...recipe, dependencies: [] }))
          writeFileSync(
            `${directory}/more.json`,
            JSON.stringify({ description: "more", packages: ["g++"], dependencies: ["gpu"] })
          )
          const { code, stderr, stdout } = yield* app.run(["fim-recipe", "install", "more"])
          assert.deepStrictEqual([code, stderr.split("\n").length], [7, 2], stderr)
          const existing = (recipe: string) => `I::Using existing recipe from '${directory}/${recipe}.json'\n`
          assert.strictEqual(stdout, existing("more") + existing("gpu"))
          const asked = (yield* app.run(["fim-exec", "cat", "/words"])).stdout
          assert.include(asked, words)
          if (title === "ARCH") {
            assert.isTrue(
              arch.install.includes("pacman-key --populate") && asked.includes("<pacman-key><--populate><0>")
            )
          }
          yield* app.isClean
        })
    )
  }

  scenario("is not for a Blueprint", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self)
      const { code, stderr, stdout } = yield* app.run(["fim-recipe", "install", "a"])
      assert.deepStrictEqual([code, stdout], [125, ""])
      assert.match(stderr, /^E::Blueprint does not support recipes\n/)
    }))

  scenario(
    `fetches for ${ordinary.name}, and keeps the cache from what servers send`,
    [...images, debian],
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { image: "debian", copy: true })
        const server = yield* recipeServer({ top: { description: "top", packages: ["bash"], dependencies: ["good"] } })
        assert.match(yield* succeeds(app, ["fim-remote", "show"]), /^https:\/\/.*\/recipes\//)
        yield* useRemote(app, server.url)
        yield* succeeds(app, ["fim-recipe", "fetch", "top,moved"])
        const cache = () =>
          readdirSync(cacheOf(app)).sort().map((name) => [name, readFileSync(`${cacheOf(app)}/${name}`, "utf8")])
        const before = cache()
        assert.deepStrictEqual(before.map(([name]) => name), ["good.json", "moved.json", "top.json"])
        writeFileSync(`${app.directory}/secret.json`, JSON.stringify({ description: "of this machine", packages: [] }))
        server.recipes.set("leak", (_, response) =>
          void response.writeHead(302, { location: `file://${app.directory}/secret.json` }).end())
        // Those that the runtime of an image may take otherwise than that of the other tests.
        for (const name of ["cut", "cut-in-pieces", "endless", "leak", "bytes", "deep", "inside"]) {
          const { code, stderr } = yield* app.run(["fim-recipe", "fetch", `good,${name}`])
          assert.strictEqual(code, 125, name)
          assert.match(
            stderr,
            /^E::Could not (download|parse)[^]*\nE::Failed to fetch recipe\nE::The program exited with an error\n$/,
            name
          )
        }
        assert.deepStrictEqual(cache(), before)
        assert.strictEqual(yield* succeeds(app, ["fim-recipe", "list"]), "good\nmoved\ntop\n")
        assert.match(yield* succeeds(app, ["fim-recipe", "info", "top"]), /^Recipe: top\n/)
        yield* app.isClean
      }),
    60_000
  )

  scenario("shows on a terminal what is fetched, and is interrupted there without a trace", [
    ...images,
    debian,
    program("script")
  ], () =>
    Effect.gen(function*() {
      const app = yield* place(self, { image: "debian", copy: true })
      const server = yield* recipeServer({ top: { description: "top", packages: [], dependencies: ["good", "slow"] } })
      yield* useRemote(app, server.url)
      const terminal = yield* openTerminal(app, "exec \"$app\" fim-recipe fetch top")
      yield* terminal.shows(/Recipe 'top' \[#+\] 100 %/)
      yield* terminal.shows(/Recipe 'good': \d+\.\d s/)
      yield* terminal.shows(/Recipe 'slow' …/)
      yield* terminal.write(keys.interrupt)
      assert.strictEqual((yield* terminal.outcome).code, 130)
      assert.isFalse(existsSync(cacheOf(app)))
      yield* app.isClean
      const quiet = yield* app.run(["fim-recipe", "fetch", "good"])
      assert.deepStrictEqual([quiet.code, quiet.stderr], [0, ""])
    }))
})
