import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DesktopImage } from "../../src/desktop/DesktopImage.ts"
import { IconConverter } from "../../src/desktop/IconConverter.ts"
import { iconSizes } from "../../src/desktop/Plan.ts"
import type { Icon } from "../../src/image/Settings.ts"
import { patcher } from "../image/ReservedSpaceFixture.ts"
import { jpegs, pixelsOf, png, pngOf, svg } from "../support/Pictures.ts"
import * as Platform from "../support/Platform.ts"

const layer = IconConverter.layer.pipe(
  Layer.provide(Layer.succeed(DesktopImage, { path: "/app", fim: patcher() })),
  Layer.provide(Platform.layer)
)
const press = (extension: Icon["extension"], data: Uint8Array, sizes: ReadonlyArray<number>) =>
  Effect.flatMap(IconConverter, (icons) => icons.convert({ extension, data }, sizes)).pipe(Effect.provide(layer))
const check = (extension: Icon["extension"], data: Uint8Array | string) =>
  Effect.flatMap(IconConverter, (icons) => icons.check({ extension, data: Buffer.from(data) })).pipe(
    Effect.provide(layer)
  )

const at = (file: Uint8Array | undefined, x: number, y: number) => {
  const { rgba, width } = pixelsOf(file ?? new Uint8Array(0))
  return Array.from(rgba.subarray((y * width + x) * 4, (y * width + x) * 4 + 4))
}

const rows = (row: ReadonlyArray<number>, count: number) => Uint8Array.from(Array(count).fill(row).flat())

/** Left half red, right half blue, the lowest tenth transparent with a green that must not be seen. */
const picture = png(
  300,
  200,
  (x, y) => y >= 180 ? [0, 255, 0, 0] : x < 150 ? [255, 0, 0, 255] : [0, 0, 255, 255]
)

const near = (actual: ReadonlyArray<number>, expected: ReadonlyArray<number>, tolerance = 6) =>
  assert.isTrue(
    actual.every((value, index) => Math.abs(value - expected[index]!) <= tolerance),
    `${actual} is not ${expected}`
  )

describe("icons", () => {
  it.effect("of a PNG picture are squares of each size, with the picture in the middle", () =>
    Effect.gen(function*() {
      const icons = yield* press("png", picture, iconSizes)
      assert.deepStrictEqual([...icons.keys()], [...iconSizes])
      for (const size of iconSizes) {
        const { height, width } = pixelsOf(icons.get(size)!)
        assert.deepStrictEqual([width, height], [size, size])
        // 3 by 2, so a sixth above and below is free.
        const [left, right, middle] = [Math.floor(size / 4), Math.floor(size * 3 / 4), Math.floor(size / 2)]
        near(at(icons.get(size), left, 0), [0, 0, 0, 0])
        near(at(icons.get(size), left, size - 1), [0, 0, 0, 0])
        near(at(icons.get(size), left, middle), [255, 0, 0, 255])
        near(at(icons.get(size), right, middle), [0, 0, 255, 255])
      }
      // Nothing of the green of transparent pixels.
      const { rgba } = pixelsOf(icons.get(64)!)
      for (let index = 0; index < rgba.length; index += 4) {
        if (rgba[index + 3]! > 40) assert.isBelow(rgba[index + 1]!, 12, `pixel ${index / 4}`)
      }
    }))

  it.effect("of a smaller picture are as large as they should be", () =>
    Effect.gen(function*() {
      const icons = yield* press("png", png(1, 1, () => [10, 200, 30, 255]), [16, 256])
      near(at(icons.get(16), 8, 8), [10, 200, 30, 255])
      near(at(icons.get(256), 200, 200), [10, 200, 30, 255])
    }))

  it.effect("of pictures with palettes, greys, and sixteen bits are right", () =>
    Effect.gen(function*() {
      const palette = pngOf(2, 2, { depth: 8, type: 3 }, rows([0, 1, 1], 2), [
        ["PLTE", Uint8Array.of(0, 0, 0, 250, 120, 5)],
        ["tRNS", Uint8Array.of(0, 255)]
      ])
      near(at((yield* press("png", palette, [16])).get(16), 8, 8), [250, 120, 5, 255])
      const grey = pngOf(8, 2, { depth: 1, type: 0 }, rows([0, 0xff], 2))
      near(at((yield* press("png", grey, [16])).get(16), 8, 8), [255, 255, 255, 255])
      const deep = pngOf(1, 1, { depth: 16, type: 2 }, rows([0, 0x80, 0, 0x40, 0, 0x20, 0], 1))
      near(at((yield* press("png", deep, [16])).get(16), 8, 8), [128, 64, 32, 255])
    }))

  it.effect.each(["baseline", "progressive"] as const)(
    "of a %s JPEG picture are right",
    (kind) =>
      Effect.gen(function*() {
        const icons = yield* press("jpg", jpegs[kind], [48])
        near(at(icons.get(48), 8, 24), [255, 0, 0, 255], 16)
        near(at(icons.get(48), 40, 24), [0, 0, 255, 255], 16)
        near(at(icons.get(48), 8, 2), [0, 0, 0, 0])
      })
  )

  it.effect("of a grey JPEG picture are grey", () =>
    Effect.gen(function*() {
      near(at((yield* press("jpeg", jpegs.grey, [48])).get(48), 24, 24), [120, 120, 120, 255], 16)
    }))
})

describe("a picture is refused", () => {
  it.effect.each(
    [
      ["that is none", "png", Buffer.from("no picture")],
      ["that is nothing", "png", Buffer.alloc(0)],
      ["of another kind", "jpg", picture],
      ["of another kind, the other way round", "png", jpegs.baseline],
      ["that is cut", "png", picture.subarray(0, picture.length / 2)],
      ["that is damaged", "png", Buffer.from(picture).fill(0x55, 60, 80)],
      ["that is too wide", "png", pngOf(100_000, 1, { depth: 1, type: 0 }, new Uint8Array(12_501))],
      [
        "that says it is larger than memory",
        "png",
        pngOf(2 ** 31 - 1, 2 ** 31 - 1, { depth: 16, type: 6 }, new Uint8Array(9))
      ]
    ] as const
  )("%s", ([, extension, data]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(check(extension, data))
      assert.strictEqual(error.reason, "Icon")
      assert.match(error.message, /^the icon is no (PNG|JPEG) picture that can be read: ./)
    }))

  it.effect("as SVG if it is none", () =>
    Effect.gen(function*() {
      const words = {
        "": /ends|empty|svg|root|XML/i,
        "<html/>": /document of 'html'/,
        "<svg": /no SVG/,
        "<svg></g>": /no SVG/
      }
      for (const [text, expected] of Object.entries(words)) {
        assert.match((yield* Effect.flip(check("svg", text))).message, expected)
      }
      assert.match((yield* Effect.flip(check("svg", picture))).message, /no SVG/)
      assert.match((yield* Effect.flip(check("svg", "<svg/><svg/>"))).message, /no SVG/)
    }))
})

const doctype = (inside: string) => `<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd" [ ${inside} ]>`

describe("an SVG picture is taken", () => {
  it.effect("as it is commonly written", () =>
    Effect.gen(function*() {
      yield* check("svg", svg())
      yield* check("svg", "<s:svg xmlns:s='http://www.w3.org/2000/svg'><s:g/></s:svg>")
      const doctype =
        "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\">"
      yield* check(
        "svg",
        `<?xml version="1.0" encoding="UTF-8"?>\n${doctype}\n<svg><!-- x --><g><![CDATA[<]]></g></svg>`
      )
    }))

  it.effect("with entities in its document type, as Illustrator writes it", () =>
    Effect.gen(function*() {
      const subset = "<!ENTITY ns_ai \"http://ns.adobe.com/>]\"><!-- > ] --><?pi ]>?><!ELEMENT svg ANY>"
      yield* check("svg", `<?xml version="1.0"?>\n${doctype(subset)}<svg xmlns:i="&ns_ai;">&amp;&ns_ai;</svg>`)
      for (const text of [`${doctype(subset)}<html/>`, `${doctype(subset)}<svg>`, "<!DOCTYPE svg [ <svg/>"]) {
        assert.match((yield* Effect.flip(check("svg", text))).message, /no SVG/)
      }
    }))

  it.effect("in other encodings", () =>
    Effect.gen(function*() {
      const latin = "<?xml version='1.0' encoding='ISO-8859-1'?><svg><title>caf\u00e9</title></svg>"
      yield* check("svg", Buffer.from(latin, "latin1"))
      yield* check("svg", Buffer.from("\ufeff<svg><title>é</title></svg>", "utf16le"))
      yield* check("svg", Buffer.from("\ufeff<svg/>", "utf8"))
      assert.match((yield* Effect.flip(check("svg", Buffer.from([...Buffer.from("<svg>"), 0xe9])))).message, /no SVG/)
      const unknown = "<?xml version='1.0' encoding='EBCDIC'?><svg/>"
      assert.match((yield* Effect.flip(check("svg", unknown))).message, /known encoding/)
    }))
})
