/**
 * Measures what else starts the same Debian here, and writes the figures into docs/comparison.md:
 *
 *     node test/bench/comparison/main.ts dist/debian.flatimage docs/comparison.md [PREFIX...]
 *
 * Of Debian: bubblewrap, flatpak, ostree, podman, runc, squashfs-tools. As root. `Peers.ts` says how it finds what Debian does not have, and
 * what is missing is said and left out. The words of PREFIX are put in front of what is measured, such as `chrt -r 5`.
 * All of it happens in a temporary directory: Flatpak and Podman get storage of their own there.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { cpus, loadavg, release } from "node:os"
import { resolve } from "node:path"
import { appImage, apptainer, flatImageInCpp } from "./Peers.ts"
import { Place } from "./Place.ts"
import { measure, type Subject, type Times } from "./Subject.ts"

const [image = "", page = "", ...prefix] = process.argv.slice(2)
const rounds = { warm: 21, first: 5 }
const place = new Place()
const { directory, tree } = place

const app = resolve(image)
const ours = { FIM_DIR_GLOBAL: place.path("global"), FIM_DIR_DATA: place.path("data") }

/** The system of the image, as files. */
const makeTree = (): void => {
  mkdirSync(tree)
  const parts = ["bin", "etc", "lib", "lib64", "sbin", "usr", "var"].join(" ")
  const script = `"$0" fim-root tar -c -C / ${parts} > tree.tar && tar -x -f tree.tar -C tree`
  place.run(["sh", "-c", script, app], ours)
  for (const name of ["proc", "sys", "dev", "tmp", "run", "root", "home"]) mkdirSync(`${tree}/${name}`)
}

const versionOf = (words: ReadonlyArray<string>) => place.run(words).trim().split("\n")[0]?.split(" ").at(-1)

const flatImage = (): Subject => ({
  label: "**flatimage**, `fim-exec true`",
  words: [app, "fim-exec", "true"],
  environment: ours,
  first: { file: app, leaves: Object.values(ours) },
  size: { label: "flatimage, with its runtime", bytes: statSync(app).size }
})

const bubblewrap = (): Subject => ({
  label: "bubblewrap alone, on the unpacked tree",
  words: ["bwrap", "--ro-bind", tree, "/", "--proc", "/proc", "--dev", "/dev", "true"],
  version: `bubblewrap ${versionOf(["bwrap", "--version"])}`
})

const flatpak = (): Subject => {
  const both = "runtime=org.flatimage.Platform/x86_64/1\nsdk=org.flatimage.Platform/x86_64/1\n"
  mkdirSync(`${directory}/runtime/files`, { recursive: true })
  cpSync(`${tree}/usr`, `${directory}/runtime/usr`, { recursive: true, verbatimSymlinks: true })
  writeFileSync(`${directory}/runtime/metadata`, `[Runtime]\nname=org.flatimage.Platform\n${both}`)
  for (const name of ["files/bin", "export"]) mkdirSync(`${directory}/program/${name}`, { recursive: true })
  writeFileSync(`${directory}/program/metadata`, `[Application]\nname=org.flatimage.App\n${both}command=true\n`)
  place.run(["flatpak", "build-export", "--runtime", "repository", "runtime", "1"])
  place.run(["flatpak", "build-export", "repository", "program", "1"])
  const user = ["flatpak", "--user"]
  place.run([...user, "remote-add", "--no-gpg-verify", "local", "repository"])
  place.run([...user, "install", "--noninteractive", "local", "org.flatimage.Platform//1", "org.flatimage.App//1"])
  return {
    label: "Flatpak, `flatpak run`",
    words: ["flatpak", "run", "--user", "org.flatimage.App"],
    size: {
      label: "Flatpak, the runtime as it is downloaded, without the host's Flatpak",
      bytes: Number(place.run(["du", "-sb", "repository"]).split("\t")[0])
    },
    version: `Flatpak ${versionOf(["flatpak", "--version"])}`
  }
}

const podmanCommand = [
  ..."podman --runtime runc --cgroup-manager cgroupfs --events-backend none".split(" "),
  "--root",
  `${directory}/podman`,
  "--runroot",
  `${directory}/podman-run`
]

// The limits are lower than what Podman sets otherwise, which a container without CAP_SYS_RESOURCE may not set.
const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

const podman = (): Subject => {
  place.run([...podmanCommand, "import", "tree.tar", "debian"])
  place.run([...podmanCommand, "save", "--format", "oci-archive", "-o", "debian.tar", "debian"])
  return {
    label: "Podman, `podman run --rm --network none`",
    words: [...podmanCommand, "run", "--rm", ...limits, "--network", "none", "debian", "true"],
    // A control group without real-time bandwidth takes no process that chrt started.
    bare: true,
    size: {
      label: "Podman, OCI archive, without the host's Podman",
      bytes: statSync(`${directory}/debian.tar`).size
    },
    version: `Podman ${versionOf(["podman", "--version"])} with runc`
  }
}

const milliseconds = (sorted: ReadonlyArray<number>, at: number) => sorted[at]?.toFixed(0) ?? "–"
const middle = (sorted: ReadonlyArray<number>) => milliseconds(sorted, sorted.length >> 1)

const report = (times: ReadonlyArray<Times>): ReadonlyArray<string> => {
  const versions = times.flatMap(({ subject }) => subject.version ?? [])
  const inFront = prefix.length === 0 ? "" : ` In front of each but Podman: \`${prefix.join(" ")}\`.`
  return [
    `Measured on ${
      new Date().toISOString().slice(0, 10)
    } by \`test/bench/comparison/main.ts\`, as root, milliseconds until \`true\` has ended;`
    + ` ${rounds.warm} rounds in turn, first starts ${rounds.first}: ${
      cpus()[0]?.model.trim()
    }, ${cpus().length} processors,`
    + ` Linux ${release()}, ${versions.join(", ")}. Load average at the end: ${loadavg()[0]?.toFixed(0)}.${inFront}`,
    "",
    "| start | median | minimum | first, median |",
    "| --- | ---: | ---: | ---: |",
    ...times.map(({ first, subject, warm }) =>
      `| ${subject.label} | ${middle(warm)} | ${milliseconds(warm, 0)} | ${middle(first)} |`
    ),
    "",
    "| the same Debian as a file | |",
    "| --- | ---: |",
    ...times.flatMap(({ subject: { size } }) =>
      size === undefined ? [] : `| ${size.label} | ${(size.bytes / 1e6).toFixed(1)} MB |`
    )
  ]
}

try {
  makeTree()
  const subjects: ReadonlyArray<Subject | string> = [
    { label: "`true` of the host", words: ["true"] },
    bubblewrap(),
    flatImage(),
    flatImageInCpp(place),
    appImage(place),
    apptainer(place),
    flatpak(),
    podman()
  ]
  for (const missing of subjects) if (typeof missing === "string") console.error(`left out: ${missing}`)
  const present = subjects.filter((one) => typeof one !== "string")
  const figures = report(measure(place, present, rounds, prefix))
  for (const { first } of present) {
    for (const path of first?.leaves ?? []) rmSync(path, { recursive: true, force: true })
  }
  const [begin, end] = ["<!-- measured -->\n", "<!-- end of what was measured -->"]
  const text = readFileSync(page, "utf8")
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
  writeFileSync(page, `${text.slice(0, from)}\n${figures.join("\n")}\n\n${text.slice(to)}`)
} finally {
  place.run([...podmanCommand, "system", "reset", "--force"])
  rmSync(directory, { recursive: true, force: true })
}
