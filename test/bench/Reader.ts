/**
 * Mounts a layer, does one kind of work on it and prints what it took, as JSON. Runs as the first process of namespaces of
 * its own, with which the mount ends. Argument: a `Task` as JSON.
 */
import { spawn } from "node:child_process"
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs"
import { setTimeout } from "node:timers/promises"

export type Work = "walk" | "sequential" | "random"

export interface Task {
  /** The driver, staying in the foreground. */
  readonly argv: readonly [program: string, ...words: Array<string>]
  readonly mountpoint: string
  readonly work: Work
}

export interface Outcome {
  readonly milliseconds: number
  /** Entries seen, bytes read, or reads made. */
  readonly amount: number
  /** Most memory that the driver had, in KiB. */
  readonly peak: number
}

interface File {
  readonly path: string
  readonly size: number
}

/** All regular files; every entry is looked at. */
const walk = (directory: string, files: Array<File>): number => {
  let entries = 0
  for (const name of readdirSync(directory)) {
    const path = `${directory}/${name}`
    const info = lstatSync(path)
    entries++
    if (info.isDirectory()) entries += walk(path, files)
    else if (info.isFile()) files.push({ path, size: info.size })
  }
  return entries
}

const readAll = (files: ReadonlyArray<File>): number => {
  const buffer = Buffer.alloc(128 * 1024)
  let bytes = 0
  for (const { path } of files) {
    const descriptor = openSync(path, "r")
    for (let count = 1; count > 0;) {
      count = readSync(descriptor, buffer)
      bytes += count
    }
    closeSync(descriptor)
  }
  return bytes
}

const page = 4096
const randomReads = 2000

/** Reads of single pages all over the tree, the same ones each time: files by their size, pages at will. */
const readRandom = (files: ReadonlyArray<File>): number => {
  const large = files.filter(({ size }) => size >= 16 * page)
  const total = large.reduce((sum, { size }) => sum + size, 0)
  const buffer = Buffer.alloc(page)
  const open = new Map<File, number>()
  let state = 1
  for (let done = 0; done < randomReads; done++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    let at = Math.floor((state / 2 ** 32) * total)
    const file = large.find(({ size }) => (at -= size) < 0)
    if (file === undefined) continue
    const descriptor = open.get(file) ?? openSync(file.path, "r")
    open.set(file, descriptor)
    readSync(descriptor, buffer, 0, page, Math.floor((at + file.size) / page) * page)
  }
  for (const descriptor of open.values()) closeSync(descriptor)
  return randomReads
}

const measure = async ({ argv, mountpoint, work }: Task): Promise<Outcome> => {
  const [program, ...words] = argv
  const before = statSync(mountpoint).dev
  const driver = spawn(program, words, { stdio: ["ignore", "ignore", "inherit"] })
  while (statSync(mountpoint).dev === before) {
    if (driver.exitCode !== null) process.exit(1)
    await setTimeout(2)
  }
  const files: Array<File> = []
  if (work !== "walk") walk(mountpoint, files)
  const started = performance.now()
  const amount = work === "walk"
    ? walk(mountpoint, files)
    : work === "sequential"
    ? readAll(files)
    : readRandom(files)
  const milliseconds = performance.now() - started
  const peak = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${driver.pid}/status`, "latin1"))?.[1] ?? 0)
  return { milliseconds, amount, peak }
}

if (process.argv[2] !== undefined) {
  process.stdout.write(JSON.stringify(await measure(JSON.parse(process.argv[2]))), () => process.exit(0))
}
