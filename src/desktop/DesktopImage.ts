import * as Context from "effect/Context"

/** The image that is to be part of a desktop. */
export class DesktopImage extends Context.Service<DesktopImage, {
  /** Its absolute path, without links in it. */
  readonly path: string
  /** The program `fim` that serves it. */
  readonly fim: string
}>()("flatimage/desktop/DesktopImage") {}
