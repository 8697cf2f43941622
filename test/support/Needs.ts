/**
 * What a test needs of the machine. Where it is missing the test is skipped and says why; with MUST_WORK=1, as in
 * continuous integration, it fails instead, so that no check is lost unnoticed.
 */
import { assert, it, type TestContext } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import { accessSync, constants, readFileSync } from "node:fs"

/** Something that may be missing. `missing` is the reason to skip, and is asked once. */
export interface Need {
  readonly missing: string | undefined
}

const works = (command: string, words: ReadonlyArray<string>): boolean =>
  spawnSync(command, words, { stdio: "ignore" }).status === 0

const need = (isThere: () => boolean, reason: string): Need => {
  let missing: { readonly reason: string | undefined } | undefined
  return {
    get missing() {
      missing ??= { reason: isThere() ? undefined : reason }
      return missing.reason
    }
  }
}

/** For a driver that may keep as much as it ever does. */
export const memory: Need = need(() => {
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]
  return Number(available) >= 1536 * 1024
}, "needs 1.5 GiB of free memory")

export const isRoot = process.geteuid?.() === 0

export const root: Need = need(() => isRoot, "needs root")

const fuse: Need = need(() => {
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}, "needs /dev/fuse")

const namespaces: Need = need(
  () => works("unshare", isRoot ? ["--mount", "true"] : ["--user", "--map-root-user", "--mount", "true"]),
  "needs namespaces"
)

/** All that running an image takes. */
export const images: ReadonlyArray<Need> = [fuse, namespaces]

/** A program of the machine. */
export const program = (name: string): Need =>
  need(() => works("sh", ["-c", `command -v ${name}`]), `needs the program ${name}`)

/** A test on the real clock, with a scope of its own, that runs where everything it needs is there. */
export const scenario = <A, E>(
  name: string,
  needs: ReadonlyArray<Need>,
  body: (context: TestContext) => Effect.Effect<A, E, Scope.Scope>,
  milliseconds?: number
): void => {
  const missing = needs.flatMap((need) => (need.missing === undefined ? [] : [need.missing]))
  if (missing.length === 0) return it.live(name, body, milliseconds)
  const reason = missing.join(", ")
  if (process.env["MUST_WORK"] === "1") return it(name, () => assert.fail(`skipped although it must work: ${reason}`))
  it.skip(`${name} (skipped: ${reason})`, () => {})
}
