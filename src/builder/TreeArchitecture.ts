/** Detects the processor that the programs of a root tree are for. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { type Architecture, architectureNames } from "./Machine.ts"
import { resolveInTree } from "./PackageTree.ts"

/** Programs that nearly every system has. The shell is the first: it may be the only one of a small tree. */
const likelyPrograms = [
  "bin/sh",
  "usr/bin/sh",
  "bin/bash",
  "bin/busybox",
  "usr/bin/env",
  "sbin/init",
  "lib64/ld-linux-x86-64.so.2",
  "lib/ld-linux-aarch64.so.1"
]

/** If none of these exists, the first files of these directories are read. */
const directories = ["bin", "usr/bin", "usr/local/bin", "sbin", "usr/sbin"]
const maxFiles = 50

/** Debian's names for values of `e_machine`. */
const names: Readonly<Record<number, string>> = {
  3: "i386",
  21: "ppc64el",
  22: "s390x",
  40: "armhf",
  62: "amd64",
  183: "arm64",
  243: "riscv64",
  258: "loong64"
}

/** 32-bit programs, which these processors run too and images allow. */
const legacyMachines: Readonly<Record<Architecture["debian"], number>> = { amd64: 3, arm64: 40 }

/** `e_machine` of an ELF file of either width and byte order; `undefined` for another file. */
export const machineOf = (header: Uint8Array): number | undefined => {
  const [first, second, third, fourth, , order] = header
  if (header.length < 20 || first !== 0x7f || second !== 0x45 || third !== 0x4c || fourth !== 0x46) return undefined
  return new DataView(header.buffer, header.byteOffset).getUint16(18, order !== 2)
}

/** A program of the tree and its processor. */
interface Program {
  readonly path: string
  readonly machine: number
}

const programAt = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, tree: string, path: string) {
  const file = yield* resolveInTree(fs, tree, path)
  if (file === undefined) return undefined
  const header = new Uint8Array(20)
  const count = yield* Effect.scoped(Effect.flatMap(fs.open(file), (file) => file.read(header))).pipe(atPath(file))
  const machine = machineOf(header.subarray(0, Number(count)))
  return machine === undefined ? undefined : { path, machine }
}, (program) =>
  // A dangling link or an unreadable file gives no result; the packer reports it if it matters.
  Effect.orElseSucceed(program, (): Program | undefined => undefined))

const findProgram = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, tree: string) {
  for (const path of likelyPrograms) {
    const program = yield* programAt(fs, tree, path)
    if (program !== undefined) return program
  }
  for (const directory of directories) {
    const entries = yield* Effect.orElseSucceed(fs.readDirectory(`${tree}/${directory}`), (): Array<string> => [])
    for (const name of entries.toSorted().slice(0, maxFiles)) {
      const program = yield* programAt(fs, tree, `${directory}/${name}`)
      if (program !== undefined) return program
    }
  }
  return undefined
})

/**
 * Fails with `BuildError` if the programs of a tree are not for the architecture of the image. A tree without programs fits
 * every architecture.
 *
 * @param tree its directory
 * @param source its name in messages
 */
export const checkArchitecture = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  tree: string,
  source: string,
  target: Architecture
): Effect.fn.Return<void, BuildError> {
  const program = yield* findProgram(fs, tree)
  if (program === undefined || program.machine === target.elf || program.machine === legacyMachines[target.debian]) {
    return
  }
  const name = names[program.machine] ?? `processor ${program.machine}`
  const other = architectureNames.find((known) => known === name)
  return yield* buildError("Refused", {
    detail: `${source} is a tree for ${name}, as its ${program.path} is, and the image is for ${target.debian}: ` +
      (other === undefined ? "" : `add --arch ${other}, or `) + `name a tree for ${target.debian}`
  })
})
