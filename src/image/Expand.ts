/** Expands `$VAR`, `${VAR}` and a leading `~` in a setting. Nothing is ever executed: `$(…)` and back-ticks stay text. */

export type Variables = Readonly<Record<string, string | undefined>>

const lookUp = (variables: Variables, name: string): string =>
  Object.hasOwn(variables, name) ? variables[name] ?? "" : ""

/**
 * Expands one text. An unset variable becomes the empty string. `~` alone or before a slash becomes `HOME`; without `HOME`
 * it stays.
 *
 * @param text a setting
 * @param variables values by name
 * @returns the expanded text
 */
export const expand = (text: string, variables: Variables): string => {
  const home = lookUp(variables, "HOME")
  const start = home !== "" && (text === "~" || text.startsWith("~/")) ? home : ""
  return start + text.slice(start === "" ? 0 : 1).replace(
    /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
    (_, braced: string | undefined, plain: string | undefined) => lookUp(variables, braced ?? plain ?? "")
  )
}

/** A variable that nobody can set: the names of our own begin so, and have more behind it. */
const nothing = "${FIM_}"

/**
 * The setting that expands to a text as it is.
 *
 * @param text any text, such as the value of a variable that another program stored unexpanded
 * @returns a text for which `expand` returns the given one
 */
export const unexpanded = (text: string): string => {
  const escaped = text.replaceAll(/\$(?=[A-Za-z_{])/g, () => `$${nothing}`)
  return escaped.startsWith("~") ? `${nothing}${escaped}` : escaped
}

/**
 * Expands the names and values of an image's variables. A variable whose name becomes empty or contains `=` is left out.
 *
 * @param environment of the image
 * @param variables values by name
 * @returns names and values, sorted by name
 */
export const expandEnvironment = (
  environment: Readonly<Record<string, string>>,
  variables: Variables
): ReadonlyArray<readonly [name: string, value: string]> => {
  const expanded = new Map<string, string>()
  for (const [name, value] of Object.entries(environment).sort(([left], [right]) => (left < right ? -1 : 1))) {
    const key = expand(name, variables)
    if (key !== "" && !key.includes("=")) expanded.set(key, expand(value, variables))
  }
  return [...expanded].sort(([left], [right]) => (left < right ? -1 : 1))
}
