/** `fim-instance unit`: a unit of systemd. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { basename } from "../../relocate/Directories.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { usageError } from "../config/CommandError.ts"

const letters: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\t": "\\t",
  "\r": "\\r",
  "\\": "\\\\",
  "\"": "\\\"",
  "%": "%%"
}

/** An argument of `ExecStart=`, by systemd.syntax(7): in quotes, with escapes as in C, and a doubled sign of specifiers. */
export const quoteArgument = (argument: string): string =>
  `"${
    // eslint-disable-next-line no-control-regex
    argument.replace(/[\u0001-\u001f\u007f"\\%]/g, (character) =>
      letters[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`

/** A value of one line, in which nothing is quoted. */
const line = (value: string): string => value.replace(/\p{Cc}/gu, " ").replaceAll("\\", "\\\\").replaceAll("%", "%%")

/**
 * The text of a unit. Pure.
 *
 * @param image absolute path of the image
 * @param name for its description
 * @param command a program of the guest and its arguments; empty for the boot command
 */
export const unitText = (
  { command, image, name }: { readonly image: string; readonly name: string; readonly command: ReadonlyArray<string> }
): string => {
  const args = command.length === 0 ? [] : ["fim-exec", "--", ...command]
  return [
    "[Unit]",
    `Description=${line(name)}`,
    "",
    "[Service]",
    "Type=exec",
    // The colon keeps systemd from replacing variables in the arguments.
    `ExecStart=:${[image, ...args].map(quoteArgument).join(" ")}`,
    "ExecReload=/bin/kill -HUP $MAINPID",
    // The boot program passes SIGTERM on, and what cleans up after it ends by itself.
    "KillMode=mixed",
    "",
    "[Install]",
    "WantedBy=default.target"
  ].join("\n")
}

export const unit = Effect.fn("fim-instance.unit")(function*(
  { command, name }: { readonly command: ReadonlyArray<string>; readonly name: string | undefined }
) {
  const { image } = yield* Relocate
  if ([image, ...command].some((argument) => argument.includes("\ufffd"))) {
    return yield* usageError("A unit has no place for names and arguments that are not UTF-8")
  }
  yield* Console.log(unitText({ image, command, name: name ?? command[0] ?? basename(image) }))
})
