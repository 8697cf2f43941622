/** The driver of layers as a program of its own: the example `dwarfs` of its crate. No image has it. */
import { execFileSync } from "node:child_process"

const maxBuffer = 1 << 26

/** Compiles it for a checkout. Returns its path. */
export const driver = (project: string) => {
  const flags = ["--quiet", "--release", "--locked", "-p", "dwarfs-fuse", "--example", "dwarfs"]
  const printed = execFileSync("cargo", ["build", ...flags, "--message-format=json"], {
    cwd: `${project}/src/native`,
    env: { ...process.env, CARGO_TARGET_DIR: `${project}/build/cargo` },
    encoding: "utf8",
    maxBuffer
  })
  const executable = printed.trimEnd().split("\n")
    .map((line) => JSON.parse(line) as { readonly executable?: string | null })
    .find(({ executable }) => typeof executable === "string")?.executable
  if (typeof executable !== "string") throw new Error("cargo tells of no program")
  return executable
}
