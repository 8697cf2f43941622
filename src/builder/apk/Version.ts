/** apk's versions, such as `1.2.3b_rc1_p2~0a1f-r4`, and their order. */

const form = /^(\d+(?:\.\d+)*)([a-z]?)((?:_[a-z]+\d*)*)(~[0-9a-f]+)?(?:-r(\d+))?$/

/** The first four suffixes come before a version without a suffix, the others after it. */
const suffixes = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"]

interface Parsed {
  readonly digits: ReadonlyArray<string>
  readonly letter: string
  readonly suffixes: ReadonlyArray<readonly [rank: number, number: bigint]>
  readonly revision: bigint
}

const noSuffix = suffixes.indexOf("")

/** Returns `undefined` for an invalid version. */
const parse = (text: string): Parsed | undefined => {
  const match = text.length > 256 ? null : form.exec(text)
  if (match === null) return undefined
  const found = [...(match[3] ?? "").matchAll(/_([a-z]+)(\d*)/g)].map(([, name = "", number = ""]) =>
    [suffixes.indexOf(name), BigInt(number === "" ? 0 : number)] as const
  )
  return found.some(([rank]) => rank < 0) ? undefined : {
    digits: (match[1] ?? "").split("."),
    letter: match[2] ?? "",
    suffixes: found,
    // A version without a revision comes before revision 0.
    revision: BigInt(match[5] ?? -1)
  }
}

const order = <A extends bigint | number | string>(left: A, right: A): number =>
  left < right ? -1 : left > right ? 1 : 0

/** Leading zeros lower the value of a part: 1.001 comes before 1.0, that before 1.01, and that before 1.1. */
const weigh = (part: string, first: boolean): ReadonlyArray<bigint> => {
  const zeros = first ? 0 : /^0*/.exec(part)?.[0].length ?? 0
  const rest = part.slice(zeros)
  return [...(zeros === 0 ? [] : [BigInt(1 - zeros)]), ...(rest === "" ? [] : [BigInt(rest)])]
}

const compareLists = (left: ReadonlyArray<bigint>, right: ReadonlyArray<bigint>): number => {
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const result = order(left[index] ?? 0n, right[index] ?? 0n)
    if (result !== 0) return result
  }
  return order(left.length, right.length)
}

/** Whether a text is a version of apk. */
export const isVersion = (text: string): boolean => parse(text) !== undefined

/**
 * Negative, zero or positive if `left` is older than, equal to, or newer than `right`. An invalid version is the oldest.
 */
export const compareVersions = (left: string, right: string): number => {
  const a = parse(left)
  const b = parse(right)
  if (a === undefined || b === undefined) return order(a === undefined ? 0 : 1, b === undefined ? 0 : 1)
  for (let index = 0; index < Math.max(a.digits.length, b.digits.length); index++) {
    const [x, y] = [a.digits[index], b.digits[index]]
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1
    const result = compareLists(weigh(x, index === 0), weigh(y, index === 0))
    if (result !== 0) return result
  }
  const letters = order(a.letter, b.letter)
  if (letters !== 0) return letters
  for (let index = 0; index < Math.max(a.suffixes.length, b.suffixes.length); index++) {
    const [x, n] = a.suffixes[index] ?? [noSuffix, 0n]
    const [y, m] = b.suffixes[index] ?? [noSuffix, 0n]
    const result = order(x, y) || order(n, m)
    if (result !== 0) return result
  }
  return order(a.revision, b.revision)
}

/** Whether the parts of `version` begin with those of `prefix`: the operator `~` of a dependency. */
const startsAs = (version: string, prefix: string): boolean =>
  version === prefix || (version.startsWith(prefix) && !/^[0-9a-z]/.test(version.slice(prefix.length)))

/** Whether a version satisfies the operator and version of a dependency. */
export const satisfies = (version: string, operator: string, wanted: string): boolean => {
  if (operator.includes("~")) {
    return startsAs(version, wanted) ||
      (operator.startsWith("<") && compareVersions(version, wanted) < 0) ||
      (operator.startsWith(">") && compareVersions(version, wanted) > 0)
  }
  const result = compareVersions(version, wanted)
  return (operator.includes("=") && result === 0) || (operator.includes("<") && result < 0) ||
    (operator.includes(">") && result > 0)
}
