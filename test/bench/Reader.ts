/**
 * Mounts a layer, does one kind of work on it and prints what it took, as JSON. Runs as the first process of namespaces of
 * its own, with which the mount ends. Argument: a `Task` as JSON.
 */
import { spawn, spawnSync } from "node:child_process"
import { closeSync, globSync, lstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs"
import { setTimeout } from "node:timers/promises"

export type Work = "walk" | "sequential" | "random" | "cold" | "warm"

export interface Task {
  /** The driver, staying in the foreground; absent when the tree lies at the mount point as it is. */
  readonly argv: readonly [program: string, ...words: Array<string>] | undefined
  readonly mountpoint: string
  readonly work: Work
}

export interface Outcome {
  readonly milliseconds: number
  /** Entries seen, bytes read, reads made, or modules loaded. */
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

const modules = 100
const repetitions = 5

/** Perl's own modules first, by the names that `require` takes. */
const moduleNames = (root: string): ReadonlyArray<string> =>
  ["usr/lib/*-linux-gnu/perl-base", "usr/share/perl5"].flatMap((pattern) =>
    globSync(pattern, { cwd: root }).flatMap((directory) =>
      globSync("**/*.pm", { cwd: `${root}/${directory}` }).toSorted()
    )
  ).slice(0, modules)

/**
 * A program that loads many files: perl with its modules. Some want others that are not there, but all are read; what they
 * would do at the end is left out.
 */
const start = (root: string, names: ReadonlyArray<string>): number => {
  const script = `use POSIX (); BEGIN { *CORE::GLOBAL::exit = sub { die } }
    for (@ARGV) { eval { require $_ } } syswrite STDOUT, scalar keys %INC; POSIX::_exit(0)`
  const { error, status, stdout } = spawnSync("chroot", [root, "/usr/bin/perl", "-", ...names], {
    encoding: "utf8",
    input: script
  })
  if (error !== undefined || status !== 0) throw error ?? new Error(`perl ended with ${status}`)
  return Number(stdout)
}

const startAgain = (root: string, names: ReadonlyArray<string>): number => {
  for (let done = 1; done < repetitions; done++) start(root, names)
  return start(root, names)
}

const mounted = async (argv: NonNullable<Task["argv"]>, mountpoint: string) => {
  const [program, ...words] = argv
  const before = statSync(mountpoint).dev
  const driver = spawn(program, words, { stdio: ["ignore", "ignore", "inherit"] })
  while (statSync(mountpoint).dev === before) {
    if (driver.exitCode !== null) process.exit(1)
    await setTimeout(2)
  }
  return driver
}

const peakOf = (pid: number | undefined): number =>
  Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0)

const measure = async ({ argv, mountpoint, work }: Task): Promise<Outcome> => {
  const driver = argv === undefined ? undefined : await mounted(argv, mountpoint)
  const files: Array<File> = []
  if (work === "sequential" || work === "random") walk(mountpoint, files)
  // What a start finds warm are the files; the driver's own blocks it finds only if it comes soon after.
  const names = work === "cold" || work === "warm" ? moduleNames(mountpoint) : []
  if (work === "warm") start(mountpoint, names)
  const started = performance.now()
  const amount = {
    walk: () => walk(mountpoint, files),
    sequential: () => readAll(files),
    random: () => readRandom(files),
    cold: () => start(mountpoint, names),
    warm: () => startAgain(mountpoint, names)
  }[work]()
  const milliseconds = (performance.now() - started) / (work === "warm" ? repetitions : 1)
  return { milliseconds, amount, peak: driver === undefined ? 0 : peakOf(driver.pid) }
}

if (process.argv[2] !== undefined) {
  process.stdout.write(JSON.stringify(await measure(JSON.parse(process.argv[2]))), () => process.exit(0))
}
