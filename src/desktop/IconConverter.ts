/** Converts pictures to icons. Programs that treat pictures as hostile decode, resize and check them. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Icon } from "../image/Settings.ts"
import { askOnce } from "../messages/NativeProgram.ts"
import * as Utf8 from "../Utf8.ts"
import { DesktopError } from "./DesktopError.ts"
import { DesktopImage } from "./DesktopImage.ts"

/** Longer than the time limit of the native part. */
const timeout = "30 seconds"

/** The most bytes of all icons of a picture. */
const iconsLimit = 32 * 1024 * 1024

/** Checks pictures and converts them to icons. */
export class IconConverter extends Context.Service<IconConverter, {
  /** Fails unless the picture has the format of its extension. */
  readonly check: (icon: Icon) => Effect.Effect<void, DesktopError>
  /** Converts a PNG or JPEG picture to PNG icons, by width and height in pixels. */
  readonly convert: (
    icon: Icon,
    sizes: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyMap<number, Uint8Array>, DesktopError>
}>()("flatimage/desktop/IconConverter") {
  static readonly layer: Layer.Layer<IconConverter, never, DesktopImage | ChildProcessSpawner.ChildProcessSpawner> =
    Layer
      .effect(IconConverter, Effect.suspend(() => make()))
}

const noPicture = (detail: string, cause?: unknown) => new DesktopError({ reason: "Icon", detail, cause })

/** The lengths of the icons behind the reply. */
const Lengths = Schema.Struct({
  lengths: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: iconsLimit })))
})

/** Cuts the bytes behind a reply into icons; nothing if there are more or fewer bytes. */
const iconsIn = (
  sizes: ReadonlyArray<number>,
  lengths: ReadonlyArray<number>,
  bytes: Uint8Array
): ReadonlyMap<number, Uint8Array> | undefined => {
  const icons = new Map<number, Uint8Array>()
  let at = 0
  for (const [index, size] of sizes.entries()) {
    const end = at + (lengths[index] ?? 0)
    icons.set(size, bytes.subarray(at, end))
    at = end
  }
  return sizes.length === lengths.length && at === bytes.length ? icons : undefined
}

/** Checks that the first element of a document, after declarations and comments, is `svg`. */
const checkSvg = Effect.fnUntraced(function*(data: Uint8Array) {
  const Xml = yield* Effect.promise(() => import("effect/encoding/Xml"))
  const { plainDocument } = yield* Effect.promise(() => import("./SvgDocument.ts"))
  const document = plainDocument(data)
  if (document === undefined) return yield* noPicture("the icon is no SVG: it is not text in a known encoding")
  const names = yield* Stream.succeed(Utf8.encode(document)).pipe(
    Stream.pipeThroughChannel(Xml.decode()),
    Stream.filter((event) => event._tag === "StartElement"),
    Stream.map((event) => event.name),
    Stream.runCollect,
    Effect.mapError((error) => noPicture(`the icon is no SVG: ${error.message}`))
  )
  const root = Array.from(names)[0] ?? ""
  if (root.replace(/^.*:/, "") !== "svg") {
    return yield* noPicture(`the icon is no SVG: it is a document of '${root.slice(0, 40)}'`)
  }
})

const make = Effect.fnUntraced(function*() {
  const { fim } = yield* DesktopImage
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner

  const convert = Effect.fn("IconConverter.convert")(
    function*(icon: Icon, sizes: ReadonlyArray<number>) {
      const format = icon.extension === "png" ? "png" : "jpeg"
      const request = { operation: "convert", fields: { format, sizes }, body: icon.data }
      const { body, content: { lengths } } = yield* askOnce(
        fim,
        ["icon"],
        { stderr: "ignore", body: iconsLimit, env: {} },
        request,
        Lengths
      ).pipe(
        Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner),
        Effect.mapError((error) =>
          noPicture(
            error.reason === "Start"
              ? `the icon could not be read: ${error.message}`
              : `the icon is no ${format.toUpperCase()} picture that can be read: ${error.message.slice(0, 300)}`,
            error
          )
        )
      )
      const icons = iconsIn(sizes, lengths, body)
      return icons ?? (yield* noPicture("the icon could not be read: 'fim icon' replied with other bytes than it said"))
    },
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(noPicture(`the icon could not be read within ${timeout}`))
    })
  )

  return IconConverter.of({
    check: (icon) => icon.extension === "svg" ? checkSvg(icon.data) : Effect.asVoid(convert(icon, [])),
    convert
  })
})
