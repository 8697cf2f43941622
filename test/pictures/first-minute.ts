/**
 * Draws the first minute with an image of Debian, as a terminal shows it:
 *
 *     node test/pictures/first-minute.ts dist/debian.flatimage docs/first-minute.svg
 *
 * Every line of output is what was printed. `test/e2e/Manual.test.ts` runs the commands in the picture again.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { outputsOf, scriptOf } from "../support/Console.ts"

const commands = [
  "./app.flatimage fim-exec grep PRETTY /etc/os-release",
  "./app.flatimage fim-exec ls /home",
  `./app.flatimage fim-root sh -c 'echo "echo Hello, \\$1" > /bin/hi; chmod +x /bin/hi'`,
  "./app.flatimage fim-boot set hi",
  "./app.flatimage World",
  "./app.flatimage fim-perms add network,wayland",
  "./app.flatimage fim-perms list",
  "./app.flatimage fim-layer commit binary | tail -n 2",
  "cp app.flatimage hi && ./hi \"you two\""
]

const [image = "", picture = ""] = process.argv.slice(2)
const directory = mkdtempSync(`${tmpdir()}/fim-minute-`)
mkdirSync(`${directory}/home`)
copyFileSync(image, `${directory}/app.flatimage`)
const { stdout } = spawnSync("bash", ["--norc", "-c", scriptOf(commands.map((command) => ({ command })))], {
  cwd: directory,
  env: Object.assign({}, process.env, { HOME: `${directory}/home` }),
  encoding: "utf8"
})
rmSync(directory, { recursive: true, force: true })

const outputs = outputsOf(stdout)
const lines = commands.flatMap((command, index) => `$ ${command}\n${outputs[index] ?? ""}`.trimEnd().split("\n"))

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const [step, left, top] = [19, 18, 58]
const height = top + lines.length * step

const rows = lines.map((line, index) => {
  const y = top + index * step
  const kind = line.startsWith("$ ") ? " class=\"typed\"" : ""
  return `<text x="${left}" y="${y}"${kind}>${escape(line)}</text>`
})

writeFileSync(
  picture,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 ${height}" width="820" height="${height}">
<!-- examples: debian -->
<style>text { font: 14px monospace; fill: #d0d0d0; white-space: pre } .typed { fill: #8ae234 }</style>
<rect width="820" height="${height}" rx="8" fill="#1d1f21"/>
<circle cx="22" cy="20" r="6" fill="#ff5f56"/><circle cx="42" cy="20" r="6" fill="#ffbd2e"/><circle cx="62" cy="20" r="6" fill="#27c93f"/>
${rows.join("\n")}
</svg>
`
)
