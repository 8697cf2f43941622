import { assert, describe, expect, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Xml from "effect/encoding/Xml"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { genericType, imageType, isTypeOf } from "../../src/desktop/MimeType.ts"
import { identityOf } from "../../src/desktop/Names.ts"
import { nativeBytes } from "../support/Platform.ts"

const runs = { arbitrary: { runs: 500 }, timeout: 60_000 }
const sign = Arbitrary.schema(Schema.Literals([..."\"'<>&*?[]:\\!-\n\t /ü😀\u0001\ufffe;\u2028Aa1.", "]]>", "-->"]))
const nasty = Arbitrary.map(Arbitrary.array(sign, { maxLength: 16 }), (signs) => signs.join(""))

/** What the document says, in order, as another parser reads it. */
const elements = (text: string) =>
  Stream.make(text).pipe(
    Stream.pipeThroughChannel(Xml.decodeString()),
    Stream.filter((event) => event._tag === "StartElement"),
    Stream.runCollect,
    Effect.map((events) => Array.from(events, ({ attributes, name }) => ({ name, attributes })))
  )

/** Whether a shell pattern of `[x]`, `?` and plain characters matches a name. */
const matches = (pattern: string, name: string): boolean => {
  const parts = pattern.match(/\[[[*?]\]|\?|[^[*?]/gsu) ?? []
  assert.strictEqual(parts.join(""), pattern)
  const source = parts.map((part) =>
    part === "?"
      ? "[^]"
      : (part.length > 1 && part.startsWith("[") ? part[1]! : part).replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&")
  )
  return new RegExp(`^${source.join("")}$`, "su").test(name)
}

describe("the type of an image", () => {
  it.effect.prop(
    "is read back as it was meant, for any name",
    { name: nasty, file: nasty },
    ({ file, name }) =>
      Effect.gen(function*() {
        const identity = identityOf(nativeBytes, name)
        const text = imageType(identity, file)
        const found = yield* elements(text)
        assert.deepStrictEqual(found.map((element) => element.name), [
          "mime-info",
          "mime-type",
          "comment",
          "glob",
          "sub-class-of",
          "generic-icon"
        ])
        assert.strictEqual(found[1]?.attributes["type"], `application/flatimage_${identity.type}`)
        const pattern = found[3]?.attributes["pattern"] ?? ""
        assert.isTrue(matches(pattern, file), `${JSON.stringify(pattern)} does not match ${JSON.stringify(file)}`)
        assert.notMatch(pattern, /[\p{Cc}:]/u)
        assert.isTrue(isTypeOf(identity, text))
      }),
    runs
  )

  it("and that of all images are the texts that were promised", async () => {
    await expect(
      [
        imageType(identityOf(nativeBytes, "App"), "app.flatimage"),
        imageType(identityOf(nativeBytes, "<Café> & \"more\""), "a\"<&>'[*?:\n.flatimage"),
        genericType
      ].join("\n\n")
    ).toMatchFileSnapshot("../golden/desktop-types.xml.txt")
  })
})
