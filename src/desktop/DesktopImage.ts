import * as Context from "effect/Context"

/** The image to integrate into a desktop. */
export class DesktopImage extends Context.Service<DesktopImage, {
  /** Its absolute path, with links resolved. */
  readonly path: string
  /** Path of the program `fim`. */
  readonly fim: string
}>()("flatimage/desktop/DesktopImage") {}
