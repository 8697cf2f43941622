import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { jpegs, png, svg } from "../../support/Pictures.ts"
import { newImage, run } from "../config/Run.ts"

const directory = mkdtempSync(join(tmpdir(), "flatimage-desktop-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const at = (name: string) => join(directory, name)
const environment = { HOME: at("home") }
const picture = png(3, 3, () => [1, 2, 3, 255])
writeFileSync(at("app.png"), picture)
writeFileSync(at("app.SVG"), svg())
writeFileSync(at("app.jpeg"), jpegs.baseline)
writeFileSync(at("bad.png"), "no picture")
writeFileSync(at("app.gif"), "GIF89a")
writeFileSync(at("full.svg"), svg(`<!--${"x".repeat(1_048_564 - svg("<!---->").length)}-->`))
writeFileSync(at("large.svg"), svg(`<!--${"x".repeat(1_048_565 - svg("<!---->").length)}-->`))

const setup = { name: "App", icon: "app.png", categories: ["Utility", "Game", "Utility"] }
const write = (document: unknown, name = "app.json") => {
  writeFileSync(at(name), typeof document === "string" ? document : JSON.stringify(document))
  return at(name)
}
const stored = { name: "App", categories: ["Game", "Utility"], integrations: ["ENTRY" as const] }
const fails = Effect.fnUntraced(
  function*(image: ReturnType<typeof newImage>, words: ReadonlyArray<string>, line: string) {
    const outcome = yield* run(image, ["fim-desktop", ...words], environment)
    assert.deepStrictEqual([outcome.code, outcome.stderr[0], outcome.stdout], [125, line, ""], words.join(" "))
    assert.strictEqual(image.writes, 0)
  }
)

describe("fim-desktop setup", () => {
  it.effect("stores and prints what it was given, and the icon", () =>
    Effect.gen(function*() {
      const image = newImage()
      const path = write({ ...setup, integrations: ["ICON", "ENTRY"], more: 1 })
      const expected = { categories: ["Game", "Utility"], integrations: ["ENTRY", "ICON"], name: "App" }
      const outcome = yield* run(image, ["fim-desktop", "setup", path], environment)
      assert.deepStrictEqual(outcome, { stdout: JSON.stringify(expected, undefined, 2), stderr: [], code: 0 })
      assert.deepStrictEqual(image.settings.desktop, expected as never)
      assert.deepStrictEqual(image.settings.icon, { extension: "png", data: new Uint8Array(picture) } as never)
      assert.strictEqual(image.writes, 1)
      assert.strictEqual((yield* run(image, ["fim-desktop", "show"], environment)).stdout, outcome.stdout)
    }))

  it.effect.each(["app.SVG", "app.jpeg", "full.svg"])("takes %s", (icon) =>
    Effect.gen(function*() {
      const image = newImage()
      const outcome = yield* run(image, ["fim-desktop", "setup", write({ ...setup, icon: at(icon) })], environment)
      assert.strictEqual(outcome.code, 0)
      assert.deepStrictEqual(Buffer.from(image.settings.icon!.data), readFileSync(at(icon)))
      const target = at(`dumped-${icon}-x`)
      yield* run(image, ["fim-desktop", "dump", "icon", target], environment)
      assert.deepStrictEqual(readFileSync(`${target}.${image.settings.icon!.extension}`), readFileSync(at(icon)))
    }))

  it.effect("stores nothing of what is wrong", () =>
    Effect.gen(function*() {
      const image = newImage()
      const cases: ReadonlyArray<readonly [unknown, string]> = [
        ["{", "Failed to deserialize json"],
        [{ ...setup, name: undefined }, "Failed to deserialize json"],
        [{ ...setup, integrations: ["MENU"] }, "Failed to deserialize json"],
        [{ ...setup, name: "a/b" }, "Application name cannot contain the '/' character"],
        [{ ...setup, name: "a\nExec=evil" }, "Application name cannot contain control characters or line breaks"],
        [{ ...setup, name: "" }, "Application name cannot be empty"],
        [
          { ...setup, categories: ["Nope"] },
          "'Nope' is not a registered category; your own categories begin with 'X-'"
        ],
        [
          { ...setup, categories: ["Applet"] },
          "'Applet' is not a registered category; your own categories begin with 'X-'"
        ],
        [
          { ...setup, categories: ["X-a;\nExec=b"] },
          "'X-a;\nExec=b' is not a registered category; your own categories begin with 'X-'"
        ],
        [{ ...setup, icon: at("app.gif") }, "Icon extension '.gif' is not supported"],
        [{ ...setup, icon: at("none") }, "Icon extension '' is not supported"],
        [
          { ...setup, icon: at("none.png") },
          `Could not get size of file '${at("none.png")}': No such file or directory`
        ],
        [{ ...setup, icon: at("large.svg") }, "File is too large, '1048565' bytes: at most 1048564 fit"],
        [{ ...setup, icon: at("bad.png") }, "the icon is no PNG picture that can be read: Invalid PNG signature."]
      ]
      for (const [document, line] of cases) yield* fails(image, ["setup", write(document, "bad.json")], line)
      yield* fails(image, ["setup"], "Missing argument for 'setup' (/path/to/file.json)")
      yield* fails(image, ["setup", "/none"], "Failed to open file '/none' for desktop integration")
      yield* fails(image, ["setup", write(setup), "x"], "Trailing arguments for fim-desktop: ['x',]")
    }))
})

describe("fim-desktop", () => {
  it.effect("enables and disables", () =>
    Effect.gen(function*() {
      const image = newImage({ desktop: stored })
      const steps = [
        ["enable icon,ENTRY", "ENTRY\nICON"],
        ["list", "ENTRY\nICON"],
        ["list --json", "[\n  \"ENTRY\",\n  \"ICON\"\n]"],
        ["disable entry", "ICON"],
        ["enable none", "NONE"],
        ["list", ""],
        ["enable Mimetype", "MIMETYPE"]
      ] as const
      for (const [words, expected] of steps) {
        const outcome = yield* run(image, ["fim-desktop", ...words.split(" ")], environment)
        assert.deepStrictEqual(outcome, { stdout: expected, stderr: [], code: 0 }, words)
      }
      assert.deepStrictEqual(image.settings.desktop, { ...stored, integrations: ["MIMETYPE"] })
    }))

  it.effect("says what is wrong, and changes nothing", () =>
    Effect.gen(function*() {
      const ready = newImage({ desktop: stored })
      const wrong = [
        ["", "Missing op for 'fim-desktop' (enable,setup,clean,dump)"],
        ["menu", "Invalid desktop operation"],
        ["enable", "Missing arguments for 'enable' (entry,mimetype,icon,none)"],
        ["enable menu", "Invalid integration item"],
        ["enable entry,none", "'none' option should not be used with others"],
        ["disable none", "Invalid integration item"],
        ["enable entry icon", "Trailing arguments for fim-desktop: ['icon',]"],
        ["dump", "Missing arguments for 'dump' (entry,mimetype,icon)"],
        ["dump menu", "Invalid dump operation"],
        ["dump entry x", "Trailing arguments for fim-desktop: ['x',]"],
        ["dump icon", "Missing argument for 'icon' /path/to/dump/file"],
        ["dump icon /tmp/x", "Empty icon data"],
        ["clean x", "Trailing arguments for fim-desktop: ['x',]"]
      ] as const
      for (const [words, line] of wrong) yield* fails(ready, words.split(" ").filter((word) => word !== ""), line)
      const empty = newImage()
      for (const words of ["enable entry", "list", "show", "dump entry", "dump mimetype", "clean"]) {
        const outcome = yield* run(empty, ["fim-desktop", ...words.split(" ")], environment)
        assert.deepStrictEqual([outcome.code, outcome.stderr[0]], [125, "Empty json data"], words)
      }
      assert.isUndefined(empty.settings.desktop)
      assert.isFalse(existsSync(at("home")))
    }))

  it.effect("dumps what the desktop gets", () =>
    Effect.gen(function*() {
      const image = newImage({ desktop: stored })
      const entry = yield* run(image, ["fim-desktop", "dump", "ENTRY"], environment)
      assert.include(entry.stdout, "[Desktop Entry]\nName=App\n")
      assert.include(entry.stdout, "\nExec=\"/opt/app.flatimage\" %F\n")
      const type = yield* run(image, ["fim-desktop", "dump", "mimetype"], environment)
      assert.include(type.stdout, "<glob weight=\"100\" pattern=\"app.flatimage\"/>")
    }))
})
