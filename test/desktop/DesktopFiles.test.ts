import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { DesktopFiles } from "../../src/desktop/DesktopFiles.ts"
import { Records } from "../../src/desktop/Records.ts"
import { hostWith } from "../support/Host.ts"
import { temporary } from "../support/Place.ts"
import * as Platform from "../support/Platform.ts"
import { self } from "../support/Users.ts"

/** The service for a user whose home is this directory. */
const filesOf = (home: string) =>
  DesktopFiles.pipe(
    Effect.provide(
      DesktopFiles.layer.pipe(
        Layer.provide(Records.layer),
        Layer.provide(hostWith({ HOME: home })),
        Layer.provide(Platform.layer)
      )
    )
  )

const wanted = ["applications/entry.desktop", "mime/packages/type.xml"]
const inside = ["applications", "mime", "mime/packages"]

describe("directories of the data home", () => {
  it.live("go with what leads there, if all of it was made for us", () =>
    Effect.gen(function*() {
      const home = yield* temporary(self)
      const files = yield* filesOf(home)
      const made = yield* files.makeDirectories(wanted)
      assert.deepStrictEqual(made, ["..", ".", ...inside])
      assert.deepStrictEqual(yield* files.removeDirectories(made), [])
      assert.isFalse(existsSync(`${home}/.local`))
      assert.isTrue(existsSync(home))
    }))

  it.live("stay if they were there before", () =>
    Effect.gen(function*() {
      const home = yield* temporary(self)
      mkdirSync(`${home}/.local`)
      const files = yield* filesOf(home)
      const made = yield* files.makeDirectories(wanted)
      assert.deepStrictEqual(made, [".", ...inside])
      assert.deepStrictEqual(yield* files.makeDirectories(wanted), [])
      assert.deepStrictEqual(yield* files.removeDirectories(made), [])
      assert.isTrue(existsSync(`${home}/.local`))
      assert.isFalse(existsSync(`${home}/.local/share`))
    }))

  it.live("stay if something else is in them", () =>
    Effect.gen(function*() {
      const home = yield* temporary(self)
      const files = yield* filesOf(home)
      const made = yield* files.makeDirectories(wanted)
      writeFileSync(`${home}/.local/share/other`, "")
      assert.deepStrictEqual(yield* files.removeDirectories(made), ["..", "."])
      assert.isTrue(existsSync(`${home}/.local/share/other`))
      assert.isFalse(existsSync(`${home}/.local/share/mime`))
    }))
})
