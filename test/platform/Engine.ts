/** Programs of the tests on the engine of images. */
import { execFile, execFileSync } from "node:child_process"
import { promisify } from "node:util"
import { projectRoot } from "../support/Project.ts"

const maxBuffer = 1 << 26

/**
 * Bundles a program into a directory and compiles the engine's example that runs it. Returns what runs it with arguments, and with
 * variables beside ours; `command` is what to put in front of the arguments.
 */
export const prepare = (program: string, directory: string) => {
  const options = {
    cwd: `${projectRoot}/src/native`,
    env: { ...process.env, CARGO_TARGET_DIR: `${projectRoot}/build/cargo` },
    encoding: "utf8",
    maxBuffer
  } as const
  const bundle = [`${projectRoot}/bin/bundle.mjs`, directory, program]
  execFileSync(`${projectRoot}/node_modules/.bin/node`, bundle, { stdio: "inherit" })
  const flags = ["--quiet", "--release", "--locked", "-p", "engine", "--features", "sources", "--example", "sources"]
  const messages = execFileSync("cargo", ["build", ...flags, "--message-format=json"], options).trimEnd().split("\n")
  // Not by "cargo run", which changes variables about certificates.
  const executable = messages.map((line) => JSON.parse(line) as { readonly executable?: string | null })
    .find(({ executable }) => typeof executable === "string")?.executable
  if (typeof executable !== "string") throw new Error("cargo tells of no program")
  const command = [executable, directory] as const
  const run = (words: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}): Promise<string> =>
    promisify(execFile)(executable, [directory, ...words], {
      encoding: "utf8",
      maxBuffer,
      env: { ...process.env, ...environment }
    }).then(({ stdout }) => stdout)
  return Object.assign(run, { command })
}
