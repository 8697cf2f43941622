/** A kernel that lacks the newer system calls, or a container whose filter does not know them: what `old-kernel.c` does. */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { projectRoot } from "./Project.ts"
import type { User } from "./Users.ts"

/** What such a call gives: kernels say `enosys`, filters of containers mostly `eperm`. */
export type Answer = "enosys" | "eperm"
export const answers: ReadonlyArray<Answer> = ["enosys", "eperm"]

/** Compiles it, static so that it runs in any root, into a directory of its own. Gives its path and what removes it. */
export const compileOldKernel = (): { readonly path: string; readonly remove: () => void } => {
  const directory = mkdtempSync(`${tmpdir()}/fim-old-kernel-`)
  chmodSync(directory, 0o755)
  const path = `${directory}/old-kernel`
  const words = [
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-static",
    "-o",
    path,
    `${projectRoot}/test/support/old-kernel.c`
  ]
  execFileSync("cc", words, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" })
  return { path, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

/** The user on such a kernel. In: the path of the program, which may not be there yet. */
export const onOldKernel = (user: User, program: () => string, answer: Answer): User => ({
  ...user,
  command: (words, directory) => [program(), answer, ...user.command(words, directory)]
})
