/** Completion scripts, derived from the declared commands. */
import type { Command } from "../Command.ts"
import { bash } from "./Bash.ts"
import { fish } from "./Fish.ts"
import { imageRoot, placesOf } from "./Places.ts"
import { zsh } from "./Zsh.ts"

export type Shell = "bash" | "zsh" | "fish"

const scripts = { bash, fish, zsh }

/** The script that completes an image with this file name, called by name or by path. */
export const imageScript = <R>(shell: Shell, program: string, commands: ReadonlyArray<Command<R>>): string =>
  scripts[shell](
    program,
    imageRoot,
    `${program} fim-help completion ${shell} ${program}`,
    placesOf(imageRoot, commands)
  )

/** The script that completes `flatimage`, and after `flatimage config FILE` the commands of an image. */
export const hostScript = <R, S>(
  shell: Shell,
  commands: ReadonlyArray<Command<R>>,
  ofImage: ReadonlyArray<Command<S>>
): string =>
  scripts[shell]("flatimage", "flatimage", `flatimage completion ${shell}`, [
    ...placesOf("flatimage", commands),
    ...placesOf(imageRoot, ofImage)
  ])
