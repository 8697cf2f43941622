/** How the same program is started of the same tree: unpacked, from squashfs as an AppImage does it, and from images. */
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync } from "node:fs"
import type { Command } from "../Processes.ts"
import type { Prepared } from "./Prepared.ts"
import type { Program } from "./Programs.ts"

/** One way to start a program, and what puts it into the state that is measured. */
export interface Variant {
  readonly name: string
  /** The name of the process that reads the packed tree; empty where there is none. */
  readonly driver: string
  readonly command: Command
  readonly reset: () => void
}

/** Size of the hot cache. */
const hotBytes = "1G"

const isolation = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--unshare-net"]

/** The guest's own environment is the same everywhere; nothing of the host's files is shown. */
const environment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  TERM: "dumb",
  LANG: "C.UTF-8"
}

/** The sandbox of images, on a lower directory. */
const sandbox = (bwrap: string, lower: string, upper: string, program: Program): Command["argv"] => [
  bwrap,
  ...isolation,
  "--die-with-parent",
  "--overlay-src",
  lower,
  "--overlay",
  `${upper}/upper`,
  `${upper}/work`,
  "/",
  ..."--proc /proc --dev /dev --tmpfs /tmp --tmpfs /run --chdir / --".split(" "),
  ...program.argv
]

/** A new overlay's directories in the place of those that a start has left. */
const emptyUpper = (path: string) => () => {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(`${path}/upper`, { recursive: true })
  mkdirSync(`${path}/work`)
}

const unpacked = (bwrap: string, prepared: Prepared, program: Program, work: string): Variant => ({
  name: "(a) unpacked, bubblewrap",
  driver: "",
  command: { argv: sandbox(bwrap, prepared.root, `${work}/a`, program), environment },
  reset: emptyUpper(`${work}/a`)
})

/** Mounted and unmounted each time. */
const squashfs = (bwrap: string, prepared: Prepared, program: Program, work: string): Variant => {
  const mountpoint = `${work}/b/mount`
  const script = "squashfuse_ll \"$1\" \"$2\" || exit; shift; m=$1; shift; \"$@\"; code=$?; umount \"$m\"; exit $code"
  const reset = emptyUpper(`${work}/b`)
  return {
    name: "(b) squashfuse_ll",
    driver: "squashfuse_ll",
    command: {
      argv: [
        "sh",
        "-c",
        script,
        "sh",
        prepared.squashfs.path,
        mountpoint,
        ...sandbox(bwrap, mountpoint, `${work}/b`, program)
      ],
      environment
    },
    reset: () => {
      reset()
      mkdirSync(mountpoint)
    }
  }
}

/**
 * An image whose tools are unpacked. With `data` a start has left what it keeps there; else there was none. `hot` is the size of the hot
 * cache.
 */
const image = (
  name: string,
  path: string,
  program: Program,
  work: string,
  data: string | undefined,
  hot = "0"
): Variant => {
  const own = `${work}/c-${name.replaceAll(/\W+/g, "-")}`
  return {
    name,
    driver: "fim-dwarfs",
    command: {
      argv: [path, "fim-exec", ...program.argv],
      environment: {
        ...environment,
        FIM_DIR_GLOBAL: `${work}/global`,
        FIM_DIR_DATA: `${own}/data`,
        FIM_LINGER: "0",
        FIM_HOT: hot,
        XDG_CACHE_HOME: cacheOf(work)
      }
    },
    reset: () => {
      rmSync(own, { recursive: true, force: true })
      mkdirSync(own, { recursive: true })
      chmodSync(own, 0o700)
      if (data !== undefined && existsSync(data)) {
        cpSync(data, `${own}/data`, { recursive: true, verbatimSymlinks: true })
      }
    }
  }
}

/** Where the hot cache lies. */
const cacheOf = (work: string) => `${work}/cache`

/** Where the data directory lies that a first start of an image has left, for the others to begin with. */
const dataOf = (work: string, name: string) => `${work}/data-${name}`

/**
 * The starts after which an image has unpacked its tools, knows what the program reads, and has it in the hot cache. `measure` waits for
 * all that a start leaves behind.
 */
export const firstStarts = (
  measure: string,
  prepared: Prepared,
  program: Program,
  work: string
): ReadonlyArray<Command> =>
  prepared.images.flatMap(({ name, path }) =>
    [[name, "0"], [`${name}-hot`, hotBytes], [`${name}-hot`, hotBytes]].map(([data = "", hot = ""]) => ({
      argv: [measure, "", path, "fim-exec", ...program.argv] as const,
      environment: {
        ...environment,
        FIM_DIR_GLOBAL: `${work}/global`,
        FIM_DIR_DATA: dataOf(work, data),
        FIM_HOT: hot,
        FIM_LINGER: "0",
        XDG_CACHE_HOME: cacheOf(work)
      }
    }))
  )

export const variants = (
  bwrap: string,
  prepared: Prepared,
  program: Program,
  work: string
): ReadonlyArray<Variant> => [
  unpacked(bwrap, prepared, program, work),
  squashfs(bwrap, prepared, program, work),
  ...prepared.images.flatMap(({ name, path }) => [
    image(`(c) image, ${name}, new`, path, program, work, undefined),
    image(`(c) image, ${name}`, path, program, work, dataOf(work, name)),
    image(`(c) image, ${name}, hot`, path, program, work, dataOf(work, `${name}-hot`), hotBytes)
  ])
]
