/** Converts pictures to icons. Programs that treat pictures as hostile decode, resize and check them. */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import type { Icon } from "../image/Settings.ts"
import * as Utf8 from "../Utf8.ts"
import { viewOf } from "../View.ts"
import { DesktopError } from "./DesktopError.ts"
import { DesktopImage } from "./DesktopImage.ts"

/** Longer than the time limit of the native part. */
const timeout = "30 seconds"

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

const noPicture = (detail: string) => new DesktopError({ reason: "Icon", detail })

/** Parses the reply of `fim icon`: `u32 size`, `u32 length`, PNG, repeated. */
const iconsIn = (bytes: Uint8Array): ReadonlyMap<number, Uint8Array> => {
  const icons = new Map<number, Uint8Array>()
  const view = viewOf(bytes)
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true)
    if (at + 8 + length > bytes.length) break
    icons.set(view.getUint32(at, true), bytes.subarray(at + 8, at + 8 + length))
    at += 8 + length
  }
  return icons
}

const collect = <E>(stream: Stream.Stream<Uint8Array, E>) => Effect.map(Stream.runCollect(stream), Bytes.concat)

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
      const handle = yield* spawner.spawn(ChildProcess.make(fim, ["icon", format, ...sizes.map(String)], {
        detached: false,
        env: {},
        stdin: Stream.succeed(icon.data)
      }))
      const [output, words, code] = yield* Effect.all([
        collect(handle.stdout),
        collect(handle.stderr),
        handle.exitCode
      ], { concurrency: "unbounded" })
      const icons = iconsIn(output)
      if (code === 0 && icons.size === sizes.length) return icons
      const detail = Utf8.decode(words).trim().slice(0, 300)
      return yield* noPicture(`the icon is no ${format.toUpperCase()} picture that can be read: ${detail}`)
    },
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(noPicture(`the icon could not be read within ${timeout}`))
    }),
    Effect.catchTag("PlatformError", (error) => Effect.fail(noPicture(`the icon could not be read: ${error.message}`)))
  )

  return IconConverter.of({
    check: (icon) => icon.extension === "svg" ? checkSvg(icon.data) : Effect.asVoid(convert(icon, [])),
    convert
  })
})
