/** The words after the name of a command: its operation, then data. */

export interface Words {
  /** In capitals; `undefined` when there is none. */
  readonly operation: string | undefined
  readonly rest: ReadonlyArray<string>
  /** `--json`, which only an operation that prints settings takes. */
  readonly json: boolean
}

const printing: ReadonlySet<string> = new Set(["LIST", "SHOW", "GET", "INFO"])

/** The first `--` after the operation is dropped; all that follows it is data, and so is all data after a word of data. */
export const parseWords = (args: ReadonlyArray<string>): Words => {
  const first = args[0] === "--json" ? 1 : 0
  const operation = args[first]?.toUpperCase()
  const rest = args.slice(first + 1)
  if (operation === undefined || !printing.has(operation)) {
    // `--json` in front of another operation is a word like any other, and no operation.
    if (first === 1) return { operation: "--JSON", rest: args.slice(1), json: false }
    return { operation, rest: rest[0] === "--" ? rest.slice(1) : rest, json: false }
  }
  const end = rest.indexOf("--")
  const flags = end < 0 ? rest : rest.slice(0, end)
  const data = end < 0 ? [] : rest.slice(end + 1)
  return {
    operation,
    rest: [...flags.filter((word) => word !== "--json"), ...data],
    json: first === 1 || flags.includes("--json")
  }
}
