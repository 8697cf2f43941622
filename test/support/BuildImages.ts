/** Builds the images that the tests run, once, and removes them with all that was unpacked from them. */
import { execFileSync } from "node:child_process"
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import type { TestProject } from "vitest/node"
import { projectRoot } from "./Project.ts"

/** Directories that all tests share, and the images in them. */
export interface Images {
  /** Holds everything else; ordinary users may look into it. */
  readonly directory: string
  /** The smallest image: busybox and bash. */
  readonly blueprint: string
  /** A Debian; absent where nobody has built one, because that takes minutes and a network. */
  readonly debian: string | undefined
}

declare module "vitest" {
  export interface ProvidedContext {
    readonly images: Images
  }
}

/** Builds an image, or takes the one that was built before in the directory that TEST_IMAGES names. */
const build = (distribution: string, path: string): void => {
  const ready = process.env["TEST_IMAGES"]
  if (ready !== undefined) return copyFileSync(`${ready}/${distribution}.flatimage`, path)
  const started = Date.now()
  process.stderr.write(`building the ${distribution} image for the tests …\n`)
  execFileSync(`${projectRoot}/bin/flatimage`, ["build", "--dist", distribution, "-o", path], {
    stdio: ["ignore", "ignore", "pipe"]
  })
  process.stderr.write(
    `building the ${distribution} image for the tests: ${((Date.now() - started) / 1000).toFixed(1)} s\n`
  )
}

const hasDebianRoot = (): boolean => {
  const roots = `${projectRoot}/build/cache/roots`
  return existsSync(roots) && readdirSync(roots).some((name) => name.startsWith("debian-"))
}

export default (project: TestProject): () => void => {
  const directory = mkdtempSync(`${tmpdir()}/fim-images-`)
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    chmodSync(directory, 0o755)
    const blueprint = `${directory}/blueprint.flatimage`
    build("blueprint", blueprint)
    const wantsDebian = hasDebianRoot() || process.env["MUST_WORK"] === "1" || process.env["CI"] === "true"
    const debian = wantsDebian ? `${directory}/debian.flatimage` : undefined
    if (debian !== undefined) build("debian", debian)
    project.provide("images", { directory, blueprint, debian })
  } catch (error) {
    remove()
    throw error
  }
  return remove
}
