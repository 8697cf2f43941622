/** Plans the files that integrate an image into a desktop, and their content. Pure; paths are relative to the data home. */
import type { Desktop, Icon } from "../image/Settings.ts"
import { basename } from "../relocate/Directories.ts"
import { entryText } from "./Entry.ts"
import { genericType, imageType } from "./MimeType.ts"
import type { Identity } from "./Names.ts"

/** Width and height in pixels. */
export const iconSizes = [16, 22, 24, 32, 48, 64, 96, 128, 256] as const

/** A file to create. */
export interface PlannedFile {
  readonly path: string
  /** A text, the unchanged picture, or the picture resized to this width and height in pixels. */
  readonly content: string | { readonly size: number | undefined }
  /** The file is the same for all images. It is not replaced, and is removed with the last image that has it. */
  readonly shared: boolean
}

/** Path of an image's desktop entry. */
export const entryPath = (identity: Identity): string => `applications/flatimage-${identity.file}.desktop`
/** Path of the file with an image's MIME type. */
export const typePath = (identity: Identity): string => `mime/packages/flatimage-${identity.file}.xml`

const hicolor = "icons/hicolor"

/** The icon for images in general: a stack of layers. */
const genericIcon = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\">" +
  "<path d=\"M32 34 60 46 32 60 4 46z\" fill=\"#1d4e73\"/><path d=\"M32 20 60 33 32 46 4 33z\" fill=\"#2f7fb8\"/>" +
  "<path d=\"M32 6 60 19 32 33 4 19z\" fill=\"#7cc0ea\"/></svg>\n"

const scalable = (identity: Identity) => [
  `${hicolor}/scalable/apps/flatimage_${identity.file}.svg`,
  `${hicolor}/scalable/mimetypes/application-flatimage_${identity.type}.svg`
]

const resized = (identity: Identity, size: number) => [
  `${hicolor}/${size}x${size}/apps/flatimage_${identity.file}.png`,
  `${hicolor}/${size}x${size}/mimetypes/application-flatimage_${identity.type}.png`
]

const iconFiles = (identity: Identity, extension: Icon["extension"]): ReadonlyArray<PlannedFile> =>
  extension === "svg"
    ? scalable(identity).map((path) => ({ path, content: { size: undefined }, shared: false }))
    : iconSizes.flatMap((size) => resized(identity, size).map((path) => ({ path, content: { size }, shared: false })))

/** The installed icon for a notification: 64 pixels wide and high, or the scalable one. */
export const noticeIcons = (identity: Identity): ReadonlyArray<string> => [
  ...resized(identity, 64).slice(0, 1),
  ...scalable(identity).slice(0, 1)
]

const text = (path: string, content: string, shared = false): PlannedFile => ({ path, content, shared })

/**
 * All files of the enabled integrations. `image` is the absolute path of the image. Without an icon there are no icon
 * files.
 */
export const planOf = (options: {
  readonly desktop: Desktop
  readonly identity: Identity
  readonly image: string
  readonly icon: Icon["extension"] | undefined
}): ReadonlyArray<PlannedFile> => {
  const { desktop, icon, identity, image } = options
  const enabled = new Set(desktop.integrations)
  return [
    ...(enabled.has("ENTRY")
      ? [text(entryPath(identity), entryText({ identity, image, ...desktop }))]
      : []),
    ...(enabled.has("MIMETYPE")
      ? [
        text(typePath(identity), imageType(identity, basename(image))),
        text("mime/packages/flatimage.xml", `${genericType}\n`, true)
      ]
      : []),
    ...(enabled.has("ICON") && icon !== undefined
      ? [
        ...iconFiles(identity, icon),
        text(`${hicolor}/scalable/mimetypes/application-flatimage.svg`, genericIcon, true),
        text(`${hicolor}/scalable/apps/flatimage.svg`, genericIcon, true)
      ]
      : [])
  ]
}
