/** Programs of the tests on the engine of images. */
import { execFile, execFileSync } from "node:child_process"
import { promisify } from "node:util"
import { projectRoot } from "../support/Project.ts"

const maxBuffer = 1 << 26

/** Bundles a program into a directory and compiles the engine's example that runs it. Returns what runs it with arguments. */
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
  execFileSync("cargo", ["build", ...flags], options)
  return (...words: ReadonlyArray<string>): Promise<string> =>
    promisify(execFile)("cargo", ["run", ...flags, "--", directory, ...words], options).then(({ stdout }) => stdout)
}
