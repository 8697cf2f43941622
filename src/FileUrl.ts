/** URLs of files. */
import * as Result from "effect/Result"

/** The path that a `file:` URL of this machine names; nothing for any other URL. */
export const pathOfUrl = (url: string): string | undefined => {
  const parsed = URL.parse(url)
  // An encoded slash would be part of a name, which none can have.
  if (parsed?.protocol !== "file:" || parsed.hostname !== "" || /%2f/i.test(parsed.pathname)) return undefined
  return Result.getOrUndefined(Result.try(() => decodeURIComponent(parsed.pathname)))
}
