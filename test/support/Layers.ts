/** Small layers, made by the project's own packer. */
import { execFileSync } from "node:child_process"
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname } from "node:path"
import { projectRoot } from "./Project.ts"

/** Packs a directory into a layer at `path`. Everything in it is root's unless told. */
export const packTree = (path: string, tree: string, owner = 0): string => {
  mkdirSync(dirname(path), { recursive: true })
  const id = String(owner)
  const words = ["-i", tree, "-o", path, "-l", "1", "--threads", "1", "--progress", "never", "--uid", id, "--gid", id]
  execFileSync(`${projectRoot}/build/native/mkdwarfs`, words, { stdio: ["ignore", "ignore", "pipe"] })
  return path
}

/** Packs what `fill` puts into an empty directory, as {@link packTree} does. */
export const packLayer = (path: string, fill: (tree: string) => void, owner = 0): string => {
  const tree = mkdtempSync(`${tmpdir()}/fim-tree-`)
  try {
    chmodSync(tree, 0o755)
    fill(tree)
    return packTree(path, tree, owner)
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

/** Packs files, given by path and content, into a layer at `path`. */
export const makeLayer = (path: string, files: Readonly<Record<string, string>>): string =>
  packLayer(path, (tree) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(`${tree}/${name}`), { recursive: true })
      writeFileSync(`${tree}/${name}`, content)
    }
  })

/** A layer with a file of its own and one that every such layer has: `/marks/NUMBER` and `/top`. */
export const makeMark = (path: string, number: number): string =>
  makeLayer(path, { [`marks/${number}`]: "", top: `${number}\n` })

/** Appends a layer to an image as `docs/format.md` says: its size in eight bytes, little endian, and its content. */
export const appendLayer = (image: string, layer: string): void => {
  const content = readFileSync(layer)
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(content.length))
  appendFileSync(image, Buffer.concat([size, content]))
}
