/** A program that tries what a file system can do, and a layer with it and with the files that it works on. */
import { execFileSync } from "node:child_process"
import { existsSync, linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs"
import { packTree } from "./Layers.ts"
import { program } from "./Needs.ts"
import { projectRoot } from "./Project.ts"

/** What building the program takes. */
export const compiler = program("rustc")

const plain = ["gone", "old", "linked", "owner", "mode", "times", "append", "attributed", "reader", "inode"]

/** Makes the layer in a directory that tests share, once. In a guest the program is `/operations`, its directory `/t`. */
export const operationsLayer = (directory: string): string => {
  const layer = `${directory}/operations.layer`
  if (existsSync(layer)) return layer
  const tree = `${directory}/operations-tree`
  mkdirSync(`${tree}/t/tree/sub`, { recursive: true })
  mkdirSync(`${tree}/t/layered/sub`, { recursive: true })
  const source = `${projectRoot}/test/support/probe/operations.rs`
  const flags = ["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"]
  execFileSync("rustc", [...flags, "-o", `${tree}/operations`, source])
  for (const name of plain) writeFileSync(`${tree}/t/${name}`, `${name}\n`)
  for (const name of ["tree/a", "tree/sub/b", "n".repeat(250)]) writeFileSync(`${tree}/t/${name}`, "")
  writeFileSync(`${tree}/t/layered/sub/file`, "layered\n")
  writeFileSync(`${tree}/t/mapped`, Buffer.alloc(8192, "m"))
  writeFileSync(`${tree}/t/pair1`, "pair\n")
  linkSync(`${tree}/t/pair1`, `${tree}/t/pair2`)
  symlinkSync("old", `${tree}/t/link`)
  renameSync(packTree(`${layer}.part`, tree), layer)
  return layer
}

/** Names of operations and whether they were done. */
export const answers = (stdout: string): ReadonlyMap<string, boolean> =>
  new Map([...stdout.matchAll(/^(yes|no) ([^:\n]+)/gm)].map(([, answer, name]) => [name ?? "", answer === "yes"]))
