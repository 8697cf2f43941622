/** Names that are not UTF-8, given to `bin/flatimage` by a shell: Node can give no program such a name. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { afterAll } from "vitest"
import { projectRoot } from "../../support/Project.ts"

const directory = mkdtempSync(`${tmpdir()}/fim-names-`)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A name of the bytes `a`, 0xFF, `ä`, 0x80. */
const strange = Buffer.concat([Buffer.from("a\xff", "latin1"), Buffer.from("ä"), Buffer.of(0x80)])
const shown = "a\\xffä\\x80"

/** Runs a script in which `$bad` is that name and `$flatimage` the command line. */
const run = (script: string) => {
  const { status, stderr, stdout } = spawnSync("sh", ["-c", `bad=$(printf 'a\\377ä\\200'); ${script}`], {
    cwd: directory,
    env: { ...process.env, flatimage: `${projectRoot}/bin/flatimage` },
    encoding: "utf8"
  })
  return { status, stderr, stdout }
}

const refuses = (script: string, message: string) =>
  assert.deepStrictEqual(run(script), { status: 125, stderr: `flatimage: ${message}\n`, stdout: "" })

const inDirectory = (name: string) => Buffer.concat([Buffer.from(`${directory}/${name}/`), strange])

const define = (name: string, copy: string) =>
  writeFileSync(
    `${directory}/${name}`,
    JSON.stringify({ format: 1, base: { dist: "blueprint" }, steps: [{ copy, to: "/srv/" }] })
  )

describe("a name that is not UTF-8", () => {
  it("is refused as an argument, before another file is taken for it", () => {
    // What Node would take it for.
    writeFileSync(`${directory}/a\ufffdä\ufffd`, "")
    refuses(
      "$flatimage inspect \"$bad\"",
      `this name is not UTF-8: the argument '${shown}': change it; a file can be reached by another name: ln -s FILE NAME`
    )
    // That one is looked at, and is no image.
    assert.strictEqual(run("$flatimage inspect 'a\ufffdä\ufffd'").status, 1)
  })

  it("is refused in a variable that we read, by whatever case, and in no other", () => {
    for (const name of ["FLATIMAGE_MIRROR_DEBIAN", "HOME", "https_proxy", "SSL_CERT_FILE"]) {
      refuses(
        `env "${name}=$bad" $flatimage inspect nothing`,
        `this name is not UTF-8: the variable ${name} '${shown}': give it another value, or remove it: unset ${name}`
      )
    }
    refuses("env \"OTHER=$bad\" $flatimage inspect nothing", `${directory}/nothing: no such file or directory`)
  })

  it("is refused as the working directory", () => {
    refuses(
      "mkdir \"$bad\"; cd \"$bad\"; $flatimage inspect nothing",
      `this name is not UTF-8: the working directory '${directory}/${shown}': run flatimage in another directory, ` +
        "with the whole paths of files: cd /"
    )
  })

  it("is refused as the directory of the project", () => {
    const copy = `${directory}/copy`
    const out = run(
      `mkdir -p ${copy}/"$bad"; cd ${copy}/"$bad"; ln -s ${projectRoot}/node_modules .; cp -R ${projectRoot}/bin .; ` +
        "sh bin/flatimage inspect x"
    )
    assert.strictEqual(
      out.stderr,
      `flatimage: this name is not UTF-8: the directory of the project '${copy}/a\\xff\\xc3\\xa4\\x80': rename it\n`
    )
    assert.strictEqual(out.status, 125)
  })

  it("is refused below a directory that a definition copies, before anything is made", () => {
    mkdirSync(`${directory}/files/below`, { recursive: true })
    writeFileSync(inDirectory("files/below"), "")
    define("files.flatimage.json", "files")
    refuses(
      "$flatimage build files.flatimage.json -o image",
      `${directory}/files.flatimage.json: ${directory}/files/below: this name is not UTF-8: the file '${shown}': rename it`
    )
    assert.notInclude(readdirSync(directory), "image")
  })

  it("is refused as what a link says that a definition copies", () => {
    symlinkSync(strange, `${directory}/link`)
    define("link.flatimage.json", "link")
    refuses(
      "$flatimage build link.flatimage.json -o image",
      `${directory}/link.flatimage.json: ${directory}/link: this name is not UTF-8: the target of the link '${shown}': rename it`
    )
  })

  it("is refused above a definition", () => {
    mkdirSync(inDirectory("."), { recursive: true })
    run(`cp link.flatimage.json "$bad"; ln -s "$bad" way`)
    const { status, stderr } = run("$flatimage build way/link.flatimage.json -o image")
    assert.strictEqual(status, 125)
    assert.include(stderr, `this name is not UTF-8: the real path '${directory}/${shown}': rename it\n`)
  })
})

describe("the character that stands for what is lost", () => {
  it("is a character like others in a name that has it", () => {
    mkdirSync(`${directory}/good`)
    writeFileSync(`${directory}/good/\ufffd`, "")
    symlinkSync("\ufffd", `${directory}/good/link`)
    writeFileSync(
      `${directory}/good.flatimage.json`,
      JSON.stringify({
        format: 1,
        base: { dist: "blueprint" },
        steps: [{ copy: "good", to: "/srv/" }, { copy: "nothing", to: "/srv/" }]
      })
    )
    refuses(
      "$flatimage build good.flatimage.json -o image",
      `${directory}/good.flatimage.json: ${directory}/nothing: no such file or directory`
    )
  })
})
