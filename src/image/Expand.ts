/** What `$VAR`, `${VAR}` and a leading `~` mean in a setting. Nothing is ever executed: `$(…)` and back-ticks are text. */

export type Variables = Readonly<Record<string, string | undefined>>

const lookUp = (variables: Variables, name: string): string =>
  Object.hasOwn(variables, name) ? variables[name] ?? "" : ""

/** A variable that is not set is nothing. `~` alone or before a slash is `HOME`; without one it stays as it is. */
export const expand = (text: string, variables: Variables): string => {
  const home = lookUp(variables, "HOME")
  const start = home !== "" && (text === "~" || text.startsWith("~/")) ? home : ""
  return start + text.slice(start === "" ? 0 : 1).replace(
    /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
    (_, braced: string | undefined, plain: string | undefined) => lookUp(variables, braced ?? plain ?? "")
  )
}

/** The variables of an image, keys and values expanded, in the order of their names. A name that becomes none is left out. */
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
