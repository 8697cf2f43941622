/** `fim-info` and `fim-doctor`, on hosts that have everything and on some that do not. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { guest, succeeds } from "../support/Commands.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

interface Info {
  readonly boot: ReadonlyArray<string>
  readonly data: string | null
  readonly layers: ReadonlyArray<{ readonly origin: string }>
  readonly permissions: ReadonlyArray<
    { readonly name: string; readonly opens: ReadonlyArray<string>; readonly lacks: ReadonlyArray<string> }
  >
}

interface Check {
  readonly name: string
  readonly state: string
  readonly detail: string
}

const stateOf = (checks: ReadonlyArray<Check>, name: string) => checks.find((check) => check.name === name)?.state

describe.each(users)("as $name", (user) => {
  scenario("fim-info describes the image, and makes nothing", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      yield* succeeds(app, ["fim-perms", "set", "home,wayland"])
      yield* succeeds(app, ["fim-boot", "set", "sh", "-c", "echo 'a b'"])
      const read = (environment: Readonly<Record<string, string>> = {}) =>
        Effect.map(succeeds(app, ["fim-info", "--json"], environment), (text) => JSON.parse(text) as Info)
      const first = yield* read({ WAYLAND_DISPLAY: "" })
      assert.deepStrictEqual([first.data, first.boot], [null, ["sh", "-c", "echo 'a b'"]])
      assert.isFalse(existsSync(app.data))
      const [home, wayland] = first.permissions
      assert.deepStrictEqual(
        wayland,
        {
          lacks: ["WAYLAND_DISPLAY is not set"],
          name: "wayland",
          opens: [],
          text: "open windows on Wayland"
        } as typeof wayland
      )
      assert.deepStrictEqual(home?.opens, user.uid === 0 ? [] : [app.home])
      assert.include(yield* succeeds(app, ["fim-info"]), "Boot command:   sh -c 'echo '\\''a b'\\'''\n")
      yield* guest(app, "echo > /srv/a")
      yield* succeeds(app, ["fim-layer", "commit", "layer"])
      const second = yield* read()
      assert.strictEqual(second.data, app.data)
      assert.deepStrictEqual(second.layers.map(({ origin }) => origin), ["image", "data"])
    }))

  scenario("fim-doctor finds what a host lacks", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      const look = (script: string) =>
        Effect.map(app.shell(`${script} "$app" fim-doctor --json`), ({ code, stderr, stdout }) => {
          assert.strictEqual(stderr, "")
          return { code, checks: JSON.parse(stdout) as ReadonlyArray<Check> }
        })
      const all = yield* look("")
      assert.strictEqual(all.code, 0)
      for (const name of ["namespaces", "FUSE", "overlay", "limits", "memory", "data", "tools", "image"]) {
        assert.strictEqual(stateOf(all.checks, name), "ok", name)
      }
      assert.strictEqual(stateOf((yield* look("ulimit -n 40;")).checks, "limits"), "limited")
      yield* app.isClean
    }))
})
