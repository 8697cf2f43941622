/**
 * Examples in the pages of the manual, as the tests run them.
 *
 * A fence of the language `console` holds lines that begin with `$ `, each a command, and what it prints on both outputs. Lines
 * that begin with `> ` go on with the command above, as a shell shows it. In what is printed, `…` stands for any text of a
 * line, and a line of its own for any lines. A fence `console not-run: REASON` is shown and not run.
 */
import type { Images } from "./BuildImages.ts"

export interface Example {
  /** Where it stands in the page, counted from 1. */
  readonly line: number
  readonly command: string
  readonly expected: string
}

export interface Page {
  readonly image: Exclude<keyof Images, "directory">
  readonly examples: ReadonlyArray<Example>
  /** Why fences are not run, one for each. */
  readonly notRun: ReadonlyArray<{ readonly line: number; readonly reason: string }>
  /** What is wrong with the page itself. */
  readonly mistakes: ReadonlyArray<string>
}

const mark = "\u001e"

/** Commands with their output, of the lines of one fence. */
const examplesOf = (lines: ReadonlyArray<string>, first: number, mistakes: Array<string>): ReadonlyArray<Example> => {
  const examples: Array<{ line: number; command: string; expected: string }> = []
  let inCommand = false
  for (const [index, line] of lines.entries()) {
    const last = examples.at(-1)
    if (line.startsWith("$ ")) {
      examples.push({ line: first + index, command: line.slice(2), expected: "" })
      inCommand = true
    } else if (last === undefined) mistakes.push(`line ${first + index}: no command before this output`)
    else if (inCommand && (line.startsWith("> ") || line === ">")) last.command += `\n${line.slice(2)}`
    else {
      last.expected += `${line}\n`
      inCommand = false
    }
  }
  return examples
}

/** All that is to run of a page in Markdown. `<!-- examples: debian -->` in it names another image than the smallest. */
export const parsePage = (text: string): Page => {
  const lines = text.split("\n")
  const examples: Array<Example> = []
  const notRun: Array<{ readonly line: number; readonly reason: string }> = []
  const mistakes: Array<string> = []
  for (let index = 0; index < lines.length; index++) {
    const fence = lines[index]?.match(/^ *```(.*)$/)
    if (fence === null || fence === undefined) continue
    const begin = index + 1
    do index++
    while (index < lines.length && !/^ *```$/.test(lines[index] ?? ""))
    if (index === lines.length) mistakes.push(`line ${begin}: a fence without an end`)
    const words = fence[1] ?? ""
    if (!words.startsWith("console")) continue
    const reason = words.match(/^console not-run: (.+)$/)?.[1]
    if (words === "console") examples.push(...examplesOf(lines.slice(begin, index), begin + 1, mistakes))
    else if (reason !== undefined) notRun.push({ line: begin, reason })
    else mistakes.push(`line ${begin}: neither "console" nor "console not-run: REASON"`)
  }
  const image = text.match(/^<!-- examples: (\w+) -->$/m)?.[1] ?? "blueprint"
  if (image !== "debian" && image !== "blueprint") mistakes.push(`there is no image ${image}`)
  return { image: image === "debian" ? image : "blueprint", examples, notRun, mistakes }
}

/** A script that runs the commands of a page one after the other in one shell, and shows where the output of each begins. */
export const scriptOf = (examples: ReadonlyArray<Pick<Example, "command">>): string =>
  [
    "exec 2>&1",
    // The exit code of a command is there for the next one.
    "mark() { local code=$?; printf '\\036'; return $code; }",
    ...examples.flatMap(({ command }) => ["mark", command])
  ].join("\n")

/** What each command printed, from the output of the script. */
export const outputsOf = (output: string): ReadonlyArray<string> => output.split(mark).slice(1)

const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)

/** Whether an output is what a page shows. */
export const isAsShown = (expected: string, output: string): boolean => {
  const pattern = expected.split(/^…\n/m).map((part) => part.split("…").map(literal).join("[^\\n]*")).join(
    "(?:[^\\n]*\\n)*"
  )
  return new RegExp(`^(?:${pattern})$`).test(output)
}

/** The lines of a terminal that a picture shows, as a page of one fence. */
export const pageOfPicture = (svg: string): string => {
  const lines = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = ""]) =>
    text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&")
  )
  const comment = svg.match(/^<!-- .* -->$/m)?.[0] ?? ""
  return [comment, "```console", ...lines, "```", ""].join("\n")
}
