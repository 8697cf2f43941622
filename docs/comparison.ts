/**
 * Measures what else starts the same Debian here, and writes the figures into docs/comparison.md:
 *
 *     node docs/comparison.ts dist/debian.flatimage docs/comparison.md [PREFIX...]
 *
 * Of Debian: bubblewrap, flatpak, ostree, podman, runc. As root. The words of PREFIX are put in front of what is measured, such as `chrt -r 5`.
 * All of it happens in a temporary directory: Flatpak and Podman get storage of their own there.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { cpus, loadavg, release, tmpdir } from "node:os"
import { resolve } from "node:path"

const [image = "", page = "", ...prefix] = process.argv.slice(2)
const rounds = 21
const directory = mkdtempSync(`${tmpdir()}/fim-comparison-`)
const environment = Object.assign({}, process.env, {
  FIM_DIR_GLOBAL: `${directory}/global`,
  FIM_DIR_DATA: `${directory}/data`,
  FLATPAK_USER_DIR: `${directory}/flatpak`
})

const run = (words: ReadonlyArray<string>): string => {
  const [program = "", ...rest] = words
  return execFileSync(program, rest, {
    cwd: directory,
    env: environment,
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["ignore", "pipe", "pipe"]
  })
}

const app = resolve(image)
const tree = `${directory}/tree`

/** The system of the image, as files, a Flatpak runtime and a Podman image. */
const makeTree = (): void => {
  mkdirSync(tree)
  const parts = ["bin", "etc", "lib", "lib64", "sbin", "usr", "var"]
  run(["sh", "-c", `"$0" fim-root tar -c -C / ${parts.join(" ")} > tree.tar && tar -x -f tree.tar -C tree`, app])
  for (const name of ["proc", "sys", "dev", "tmp", "run", "root"]) mkdirSync(`${tree}/${name}`)
}

const makeFlatpak = (): void => {
  const both = "runtime=org.flatimage.Platform/x86_64/1\nsdk=org.flatimage.Platform/x86_64/1\n"
  mkdirSync(`${directory}/runtime/files`, { recursive: true })
  cpSync(`${tree}/usr`, `${directory}/runtime/usr`, { recursive: true, verbatimSymlinks: true })
  writeFileSync(`${directory}/runtime/metadata`, `[Runtime]\nname=org.flatimage.Platform\n${both}`)
  for (const name of ["files/bin", "export"]) mkdirSync(`${directory}/program/${name}`, { recursive: true })
  writeFileSync(`${directory}/program/metadata`, `[Application]\nname=org.flatimage.App\n${both}command=true\n`)
  run(["flatpak", "build-export", "--runtime", "repository", "runtime", "1"])
  run(["flatpak", "build-export", "repository", "program", "1"])
  run(["flatpak", "--user", "remote-add", "--no-gpg-verify", "local", "repository"])
  run([
    "flatpak",
    "--user",
    "install",
    "--noninteractive",
    "local",
    "org.flatimage.Platform//1",
    "org.flatimage.App//1"
  ])
}

const podman = [
  ..."podman --runtime runc --cgroup-manager cgroupfs --events-backend none".split(" "),
  "--root",
  `${directory}/podman`,
  "--runroot",
  `${directory}/podman-run`
]

const makePodman = (): void => {
  run([...podman, "import", "tree.tar", "debian"])
  run([...podman, "save", "--format", "oci-archive", "-o", "debian.tar", "debian"])
}

// The limits are lower than what Podman sets otherwise, which a container without CAP_SYS_RESOURCE may not set.
const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

const subjects: ReadonlyArray<readonly [label: string, words: ReadonlyArray<string>]> = [
  ["`true` of the host", ["true"]],
  ["bubblewrap alone, on the unpacked tree", [
    "bwrap",
    "--ro-bind",
    tree,
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "true"
  ]],
  ["**flatimage**, `fim-exec true`", [app, "fim-exec", "true"]],
  ["Flatpak, `flatpak run`", ["flatpak", "run", "--user", "org.flatimage.App"]],
  ["Podman, `podman run --rm --network none`", [
    ...podman,
    "run",
    "--rm",
    ...limits,
    "--network",
    "none",
    "debian",
    "true"
  ]]
]

const measure = (): ReadonlyArray<string> => {
  const times = subjects.map((): Array<number> => [])
  for (const [, words] of subjects) run(words)
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, words]] of subjects.entries()) {
      const begin = process.hrtime.bigint()
      run([...prefix, ...words])
      times[index]?.push(Number(process.hrtime.bigint() - begin) / 1e6)
    }
  }
  return subjects.map(([label], index) => {
    const sorted = times[index]?.toSorted((left, right) => left - right) ?? []
    const figure = (at: number) => (sorted[at] ?? Number.NaN).toFixed(0)
    return `| ${label} | ${figure(sorted.length >> 1)} | ${figure(0)} |`
  })
}

const megabytes = (path: string) => `${(statSync(path).size / 1e6).toFixed(1)} MB`
const megabytesBelow = (name: string) => `${(Number(run(["du", "-sb", name]).split("\t")[0]) / 1e6).toFixed(1)} MB`
const versionOf = (words: ReadonlyArray<string>) => run(words).trim().split("\n")[0]?.split(" ").at(-1)

try {
  makeTree()
  makeFlatpak()
  makePodman()
  const rows = measure()
  const figures = [
    `Measured on ${
      new Date().toISOString().slice(0, 10)
    } by \`docs/comparison.ts\`, as root, ${rounds} rounds in turn, milliseconds until \`true\` has`
    + ` ended: ${cpus()[0]?.model.trim()}, ${cpus().length} processors, Linux ${release()}, Flatpak ${
      versionOf(["flatpak", "--version"])
    },`
    + ` Podman ${versionOf(["podman", "--version"])} with runc, bubblewrap ${versionOf(["bwrap", "--version"])}.`
    + ` Load average at the end: ${loadavg()[0]?.toFixed(0)}.${
      prefix.length === 0 ? "" : ` In front of each: \`${prefix.join(" ")}\`.`
    }`,
    "",
    "| start | median | minimum |",
    "| --- | ---: | ---: |",
    ...rows,
    "",
    "| the same Debian as a file | |",
    "| --- | ---: |",
    `| flatimage, with its runtime | ${megabytes(app)} |`,
    `| Flatpak, the runtime as it is downloaded, without the host's Flatpak | ${megabytesBelow("repository")} |`,
    `| Podman, OCI archive, without the host's Podman | ${megabytes(`${directory}/debian.tar`)} |`
  ]
  const [begin, end] = ["<!-- measured -->\n", "<!-- end of what was measured -->"]
  const text = readFileSync(page, "utf8")
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
  writeFileSync(page, `${text.slice(0, from)}\n${figures.join("\n")}\n\n${text.slice(to)}`)
} finally {
  run([...podman, "system", "reset", "--force"])
  rmSync(directory, { recursive: true, force: true })
}
