/** The program that plays the attacker, compiled once for a run of the tests. */
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import type { Program } from "../../src/sandbox/FilterProgram.ts"
import { type Need, program } from "./Needs.ts"
import { projectRoot } from "./Project.ts"

/** A C compiler, which setting up a checkout installs. */
export const compiler: Need = program("cc")

/** Compiles it, static so that it runs in any root, into a directory of its own. Gives its path and what removes it. */
export const compileAttacker = (): { readonly path: string; readonly remove: () => void } => {
  const directory = mkdtempSync(`${tmpdir()}/fim-attacker-`)
  chmodSync(directory, 0o755)
  const path = `${directory}/attacker`
  const words = ["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", path, `${projectRoot}/test/support/attacker.c`]
  execFileSync("cc", words, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" })
  return { path, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

/** Numbers of system calls as the C compiler's headers have them, by name; nothing where there is no such header. */
export const headerNumbers = (header: string, definitions = ""): ReadonlyMap<string, number> | undefined => {
  const { status, stdout } = spawnSync("cc", ["-E", "-dM", "-"], {
    input: `${definitions}\n#include <${header}>\n`,
    encoding: "utf8"
  })
  if (status !== 0) return undefined
  const defined = new Map([...stdout.matchAll(/^#define (__NR\w+) (\S+)$/gm)].map(([, name, value]) => [name, value]))
  const numbers = new Map<string, number>()
  for (const [name = "", value = ""] of defined) {
    const number = Number(defined.get(value) ?? value)
    if (name.startsWith("__NR_") && Number.isInteger(number)) numbers.set(name.slice("__NR_".length), number)
  }
  return numbers
}

/** Whether this kernel takes calls of 32-bit x86 programs. */
export const takes32BitCalls = (): boolean => process.arch === "x64" && existsSync("/proc/sys/abi/vsyscall32")

/** Writes a filter as the kernel takes it. */
export const writeFilter = (path: string, filter: Program): void => {
  const bytes = Buffer.alloc(filter.length * 8)
  for (const [index, [code, jumpTrue, jumpFalse, operand]] of filter.entries()) {
    bytes.writeUInt16LE(code, index * 8)
    bytes.set([jumpTrue, jumpFalse], index * 8 + 2)
    bytes.writeUInt32LE(operand, index * 8 + 4)
  }
  writeFileSync(path, bytes)
}
