/** The temporary directory in which everything that is compared is made, and how programs are started there. */
import { execFileSync } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"

export class Place {
  readonly directory = mkdtempSync(`${tmpdir()}/fim-comparison-`)

  /** The system that each of them starts, as files. */
  readonly tree = this.path("tree")

  readonly environment: NodeJS.ProcessEnv = Object.assign({}, process.env, {
    APPTAINER_CACHEDIR: this.path("apptainer-cache"),
    APPTAINER_CONFIGDIR: this.path("apptainer"),
    APPTAINER_TMPDIR: this.directory,
    FLATPAK_USER_DIR: this.path("flatpak")
  })

  path(name: string): string {
    return `${this.directory}/${name}`
  }

  /** Runs a program to its end; its standard output. An error if its exit code is not 0. */
  run(words: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}): string {
    const [program = "", ...rest] = words
    return execFileSync(program, rest, {
      cwd: this.directory,
      env: Object.assign({}, this.environment, environment),
      encoding: "utf8",
      maxBuffer: 1 << 30,
      stdio: ["ignore", "pipe", "pipe"]
    })
  }

  /** Like `run`, but undefined where the program is missing or fails. */
  tried(words: ReadonlyArray<string>): string | undefined {
    try {
      return this.run(words)
    } catch {
      return undefined
    }
  }

  shell(script: string, ...words: ReadonlyArray<string>): string {
    return this.run(["sh", "-c", script, ...words])
  }
}
