import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readlinkSync, renameSync, symlinkSync, writeFileSync } from "node:fs"
import { images, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { projectRoot } from "../support/Project.ts"
import { self } from "../support/Users.ts"

const install = (app: Place, ...words: ReadonlyArray<string>) =>
  app.run(words, { program: `${projectRoot}/bin/flatimage` })

describe("a program of an image as a command", () => {
  scenario("runs by its link, with every argument", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      const bin = `${app.home}/.local/bin`
      const installed = yield* install(app, "install", app.image, "--command", "printf", "env", "false")
      assert.deepStrictEqual([installed.code, installed.stdout], [
        0,
        ["printf", "env", "false"].map((name) => `${bin}/${name}\n`).join("")
      ])
      assert.match(installed.stderr, /is not in PATH/)
      for (const program of [`${bin}/printf`, "printf"]) {
        const printed = yield* app.run(["%s|", "--help", "fim-help", "--", "", "a b"], {
          program,
          environment: { PATH: `${bin}:${app.environment["PATH"]}` }
        })
        assert.deepStrictEqual([printed.code, printed.stdout, printed.stderr], [0, "--help|fim-help|--||a b|", ""])
      }
      assert.strictEqual((yield* app.run([], { program: `${bin}/false` })).code, 1)
      // Links to the link, also relative ones, run it only under its own name.
      symlinkSync(`${bin}/printf`, `${app.home}/printf`)
      assert.strictEqual((yield* app.run(["x"], { program: `${app.home}/printf` })).stdout, "x")
      // Twice is once.
      assert.strictEqual((yield* install(app, "install", app.image, "--command", "printf")).code, 0)
      const removed = yield* install(app, "uninstall", app.image)
      assert.deepStrictEqual([removed.code, removed.stderr], [0, ""])
      assert.match(removed.stdout, /Removed file '[^']*\/\.local\/bin\/printf'/)
      for (const name of ["printf", "env", "false"]) assert.isFalse(existsSync(`${bin}/${name}`))
      assert.match((yield* install(app, "uninstall", app.image)).stdout, /There is nothing to remove/)
      yield* app.isClean
    }))

  scenario("is another thing than an image that was renamed, or has other links", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      yield* app.run(["fim-boot", "set", "echo", "booted"])
      const boots = (path: string) =>
        Effect.map(app.run(["x"], { program: path }), ({ code, stdout }) =>
          assert.deepStrictEqual([path, code, stdout], [path, 0, "booted x\n"]))
      symlinkSync(app.image, `${app.directory}/printf`)
      yield* boots(`${app.directory}/printf`)
      yield* install(app, "install", app.image, "--command", "printf")
      yield* boots(`${app.directory}/printf`)
      const bin = `${app.home}/.local/bin`
      symlinkSync(readlinkSync(`${bin}/printf`), `${app.directory}/other`)
      yield* boots(`${app.directory}/other`)
      renameSync(app.image, `${app.directory}/env`)
      yield* boots(`${app.directory}/env`)
    }))

  scenario("replaces nothing that is not its own", images, () =>
    Effect.gen(function*() {
      const app = yield* place(self, { copy: true })
      const other = yield* place(self, { copy: true })
      const bin = `${app.home}/.local/bin`
      yield* install(app, "install", app.image, "--command", "mine")
      writeFileSync(`${bin}/taken`, "text")
      symlinkSync("/nonexistent", `${bin}/dangling`)
      for (
        const [file, names, text] of [
          [app.image, ["free", "taken"], /bin\/taken' is there already and not a link of flatimage/],
          [app.image, ["free", "dangling"], /bin\/dangling' is there already/],
          [other.image, ["mine"], /'mine' is a command of '.*' already\nE::to remove it: flatimage uninstall /],
          [app.image, ["../x"], /Invalid command '\.\.\/x'/],
          [app.image, ["app.flatimage"], /is the name of the image itself/],
          [`${bin}/taken`, ["free"], /taken/]
        ] as const
      ) {
        const refused = yield* install(app, "install", file, "--command", ...names)
        assert.deepStrictEqual([refused.code, refused.stdout], [125, ""])
        assert.match(refused.stderr, text)
        assert.isFalse(existsSync(`${bin}/free`))
      }
      yield* install(app, "uninstall", app.image)
      assert.isTrue(existsSync(`${bin}/taken`))
      assert.strictEqual(readlinkSync(`${bin}/dangling`), "/nonexistent")
    }))
})
