import { assert, describe, expect, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { isCategory, registeredCategories } from "../../src/desktop/Categories.ts"
import { entryText, isEntryOf } from "../../src/desktop/Entry.ts"
import { identityOf, nameProblem } from "../../src/desktop/Names.ts"
import { Text } from "../../src/image/Settings.ts"
import { nativeBytes } from "../support/Platform.ts"
import { readEntry, readExec } from "./EntryReader.ts"

const runs = { arbitrary: { runs: 1000 }, timeout: 60_000 }

/** Text in which what has a meaning somewhere is frequent. */
const sign = Arbitrary.schema(Schema.Literals([..."\"\\$`%;=[]#\n\r\t /<>&'?*:sfFü€😀\u0001\u2028Aa1"]))
const nasty = Arbitrary.map(Arbitrary.array(sign, { maxLength: 20 }), (signs) => signs.join(""))
const any = Arbitrary.schema(Text)
const category = Arbitrary.schema(Schema.Literals([...registeredCategories, "X-Own"]))

const isName = (text: string): boolean => nameProblem(text) === undefined

/** What is left of it that may be a name. */
const name = Arbitrary.map(nasty, (text) => `${text.replace(/[\p{Cc}\u2028/]/gu, "").slice(0, 30).toWellFormed()}x`)
const path = Arbitrary.map(nasty, (text) => text.replaceAll("\u0001", ""))

const check = (name: string, path: string, categories: ReadonlyArray<string>) => {
  const identity = identityOf(nativeBytes, name, path.length % 2 === 0 ? path : undefined)
  const text = entryText({ identity, image: `/${path}`, categories })
  const groups = readEntry(text)
  assert.deepStrictEqual([...groups.keys()], ["Desktop Entry"])
  const entry = groups.get("Desktop Entry")!
  const keys = ["Name", "Type", "Comment", "Exec", "Icon", "MimeType"]
  const known = categories.filter(isCategory)
  assert.deepStrictEqual([...entry.keys()], known.length === 0 ? keys : [...keys, "Categories"])
  assert.strictEqual(entry.get("Name"), name)
  assert.strictEqual(entry.get("Comment"), `FlatImage distribution of "${name}"`)
  assert.deepStrictEqual(readExec(entry.get("Exec")!), [`/${path}`, "%F"])
  const listed = (entry.get("Categories") ?? "").split(";").slice(0, -1)
  assert.deepStrictEqual(
    listed.filter((word) => word !== "AudioVideo"),
    [...new Set(known)].filter((word) => word !== "AudioVideo").sort()
  )
  assert.match(entry.get("MimeType")!, /^application\/flatimage_[A-Za-z0-9][A-Za-z0-9._+-]*;$/)
  assert.match(entry.get("Icon")!, /^flatimage_[^/;]+$/u)
  assert.isTrue(isEntryOf(name, text))
  assert.isFalse(isEntryOf(`${name}x`, text))
}

const text = (name: string, image: string, categories: ReadonlyArray<string>) =>
  entryText({ identity: identityOf(nativeBytes, name), image, categories })

describe("an entry", () => {
  it.prop(
    "is read back as it was meant, for any name and path",
    { name, path, categories: Arbitrary.array(category, { maxLength: 4 }) },
    ({ categories, name, path }) => check(name, path, categories),
    runs
  )

  it.prop(
    "holds no line that it should not, whatever was stored",
    { name: any, path: any, categories: Arbitrary.array(nasty, { maxLength: 3 }) },
    ({ categories, name, path }) => {
      const lines = entryText({ identity: identityOf(nativeBytes, name), image: `/${path}`, categories }).split("\n")
      assert.deepStrictEqual(lines.filter((line) => !/^[A-Za-z]+=[^\n\r]*$/u.test(line)), ["[Desktop Entry]"])
    },
    runs
  )

  it("is the text that was promised", async () => {
    await expect([
      text("App", "/home/u/app.flatimage", ["Network", "WebBrowser"]),
      text(" 100 % \"Café\" & $more; ", "/a b/\"$x\"\\`%\n[x]=1.flatimage", ["Video", "X-Own"]),
      text("x", "/x", [])
    ].join("\n\n")).toMatchFileSnapshot("../golden/desktop-entry.txt")
  })
})

describe("the keys that an image sets", () => {
  it("are in its entry, each on a line", () => {
    const entry = entryText({
      identity: identityOf(nativeBytes, "App"),
      image: "/app",
      categories: [],
      terminal: true,
      comment: "Edits\ntexts",
      genericName: "Editor",
      keywords: ["text", "a;b"],
      mimeType: ["text/plain"],
      startupWMClass: "app",
      actions: [{ id: "new", name: "New %window", args: ["--new", "a b$"] }]
    })
    assert.strictEqual(
      entry,
      [
        "[Desktop Entry]",
        "Name=App",
        "Type=Application",
        "Comment=Edits\\ntexts",
        "Exec=\"/app\" %F",
        "Icon=flatimage_App",
        "MimeType=application/flatimage_App;text/plain;",
        "GenericName=Editor",
        "Keywords=text;a\\;b;",
        "Terminal=true",
        "StartupWMClass=app",
        "Actions=new;",
        "",
        "[Desktop Action new]",
        "Name=New %window",
        "Exec=\"/app\" \"--new\" \"a b\\\\$\" %F"
      ].join("\n")
    )
    assert.isTrue(isEntryOf("App", entry))
  })
})

describe("a name", () => {
  it("is refused if it cannot be shown or written", () => {
    for (
      const name of [
        "",
        "  ",
        "a/b",
        "a\nb",
        "\u0000",
        "\u007f",
        "\u0085",
        "\u2028",
        "\uffff",
        "\ud800",
        "ü".repeat(65)
      ]
    ) {
      assert.isString(nameProblem(name), JSON.stringify(name))
    }
    for (const name of ["a", ".", "..", "-x", "Ünïcode 😀", "x;y", "ü".repeat(64)]) {
      assert.isUndefined(nameProblem(name), JSON.stringify(name))
    }
  })

  it("stays what it is where it can", () => {
    assert.deepStrictEqual(identityOf(nativeBytes, "MyApp"), { name: "MyApp", file: "MyApp", type: "MyApp" })
    const spaced = identityOf(nativeBytes, "Firefox for Work")
    assert.strictEqual(spaced.file, "Firefox for Work")
    assert.match(spaced.type, /^Firefox-for-Work-[0-9a-f]{8}$/)
    assert.match(identityOf(nativeBytes, "a;b").file, /^a-b-[0-9a-f]{8}$/)
    assert.match(identityOf(nativeBytes, "MyApp", "/other").file, /^MyApp-[0-9a-f]{8}$/)
  })

  it.prop(
    "is another file for another name, and fits",
    { one: name, other: name, path: any },
    ({ one, other, path }) => {
      if (one === other || !isName(one) || !isName(other)) return
      assert.notStrictEqual(identityOf(nativeBytes, one).file, identityOf(nativeBytes, other).file)
      assert.notStrictEqual(identityOf(nativeBytes, one).type, identityOf(nativeBytes, other).type)
      const file = identityOf(nativeBytes, one, path).file
      assert.isBelow(Buffer.byteLength(`application-flatimage_${file}.desktop`), 200)
      assert.notInclude(file, "/")
    },
    runs
  )
})
