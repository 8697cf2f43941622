/** An image of an earlier version, measured in turn with this one: `npm run bench -- --previous IMAGE`. */
import { chmodSync, copyFileSync, mkdirSync } from "node:fs"
import { type Caller, directoryOf } from "./Caller.ts"
import type { Subject } from "./Subject.ts"

/** The path that the caller of the bench named, if any. */
export const previousPath = (words: ReadonlyArray<string>): string | undefined => {
  const at = words.indexOf("--previous")
  return at < 0 ? undefined : words[at + 1]
}

/** A copy of the earlier image that every caller can start, as the subject of a measurement. */
export const previousSubject = (subject: Subject, path: string, work: string): Subject => {
  const image = `${work}/previous/debian.flatimage`
  mkdirSync(`${work}/previous`)
  chmodSync(`${work}/previous`, 0o755)
  copyFileSync(path, image)
  chmodSync(image, 0o755)
  return { ...subject, image }
}

/** The same caller with other directories: two images have neither tools nor data in common. */
export const formerly = (caller: Caller): Caller => ({
  ...caller,
  environment: {
    ...caller.environment,
    FIM_DIR_GLOBAL: `${directoryOf(caller, "previous")}/global`,
    FIM_DIR_DATA: `${directoryOf(caller, "previous")}/data`
  }
})
