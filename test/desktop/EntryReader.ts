/** Reads desktop entries as their specification says, without any code of the project. */

const unescaped: Readonly<Record<string, string>> = { s: " ", n: "\n", t: "\t", r: "\r", "\\": "\\" }

/** Groups of keys with values; throws for a line that is none. */
export const readEntry = (text: string): ReadonlyMap<string, ReadonlyMap<string, string>> => {
  const groups = new Map<string, Map<string, string>>()
  let group: Map<string, string> | undefined
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue
    const header = /^\[([^[\]]+)\]$/.exec(line)
    if (header !== null) {
      if (groups.has(header[1]!)) throw new Error(`a second group ${header[1]}`)
      group = new Map()
      groups.set(header[1]!, group)
      continue
    }
    const pair = /^([A-Za-z0-9-]+)(?:\[[^\]]*\])?[ \t]*=[ \t]*(.*?)[ \t]*$/su.exec(line)
    if (pair === null || group === undefined) throw new Error(`no line of an entry: ${line}`)
    if (group.has(pair[1]!)) throw new Error(`a second ${pair[1]}`)
    if (/\p{Cc}/u.test(pair[2]!)) throw new Error("a control character")
    group.set(
      pair[1]!,
      pair[2]!.replace(/\\(.?)/gsu, (_, letter: string) => {
        const value = unescaped[letter]
        if (value === undefined) throw new Error(`no escape: \\${letter}`)
        return value
      })
    )
  }
  return groups
}

/** The words of a value of `Exec`, field codes as they are. */
export const readExec = (value: string): ReadonlyArray<string> => {
  const words: Array<string> = []
  let rest = value
  while (rest !== "") {
    const quoted = /^"((?:[^"`$\\]|\\["`$\\])*)"(?: |$)/su.exec(rest)
    const plain = /^[^ \t\n"'\\><~|&;$*?#()`]+(?: |$)/u.exec(rest)
    const match = quoted ?? plain
    if (match === null) throw new Error(`no word: ${rest}`)
    const word = quoted === null ? match[0].trimEnd() : quoted[1]!.replace(/\\(.)/gsu, "$1")
    words.push(quoted === null ? word : expandPercent(word))
    rest = rest.slice(match[0].length)
  }
  return words
}

const expandPercent = (word: string): string =>
  word.replace(/%(.?)/gsu, (_, code: string) => {
    if (code !== "%") throw new Error(`a field code in quotes: %${code}`)
    return "%"
  })
