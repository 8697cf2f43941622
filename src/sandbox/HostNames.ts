/** The guest's `/etc/hosts`: each guest can resolve `localhost` and its own name. Pure. */

/** A longer file is not searched. */
export const hostNamesLimit = 1024 * 1024

/** The address that Debian gives to the own name of a machine without a fixed one. */
const ownAddress = "127.0.1.1"

/** A name that can stand in a line. */
const isName = (name: string): boolean => /^[\w.-]{1,253}$/.test(name)

/**
 * Adds `localhost` and a name to the content of `/etc/hosts`.
 *
 * @param text the content, empty if there is no file
 * @param name of the machine as the guest sees it
 * @returns the content with the missing lines behind; `undefined` if nothing is missing
 */
export const hostNamesWith = (text: string, name: string): string | undefined => {
  const known = new Set(
    text.split("\n").flatMap((line) => line.replace(/#.*/, "").toLowerCase().trim().split(/\s+/).slice(1))
  )
  const lines = [
    ...(known.has("localhost") ? [] : ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]),
    ...(known.has(name.toLowerCase()) || name.toLowerCase() === "localhost" || !isName(name)
      ? []
      : [`${ownAddress}\t${name}`])
  ]
  if (lines.length === 0) return undefined
  return [text === "" || text.endsWith("\n") ? text : `${text}\n`, ...lines.map((line) => `${line}\n`)].join("")
}
