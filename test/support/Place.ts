/** A directory of a test's own with an image in it, and the ways to run that image there. */
import { inject } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import { chmodSync, chownSync, copyFileSync, linkSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { Failure } from "./Failure.ts"
import { disappears, processesIn } from "./Leftovers.ts"
import { isRoot, type Need } from "./Needs.ts"
import * as Process from "./Process.ts"
import type { User } from "./Users.ts"

export interface Place {
  /** Holds everything of this test, and is removed with it. */
  readonly directory: string
  readonly image: string
  readonly data: string
  readonly global: string
  readonly home: string
  readonly environment: Readonly<Record<string, string>>
  readonly user: User
  /** The command that runs the image, or another program, with these words as this user. */
  readonly command: (words: ReadonlyArray<string>, program?: string) => ReadonlyArray<string>
  /** Runs the image to its end. `environment` is added to that of the place. */
  readonly run: (words: ReadonlyArray<string>, options?: Process.Options) => Effect.Effect<Process.Outcome, Failure>
  /** Runs a script of the host's shell, in which the image is `"$app"`. */
  readonly shell: (script: string, options?: Process.Options) => Effect.Effect<Process.Outcome, Failure>
  readonly start: (
    words: ReadonlyArray<string>,
    options?: Process.Options
  ) => Effect.Effect<Process.Running, Failure, Scope.Scope>
  /** Fails unless everything of the runs here is gone within a second. */
  readonly isClean: Effect.Effect<number, Failure>
}

export interface PlaceOptions {
  readonly image?: "blueprint" | "debian"
  /** Name of the image file. */
  readonly name?: string
  /** A global directory for this test alone, in which nothing is unpacked yet. */
  readonly fresh?: boolean
  /** A copy of the image, which the test may change. */
  readonly copy?: boolean
}

const own = (path: string, user: User): void => {
  if (isRoot) chownSync(path, user.uid, user.gid)
}

const makeDirectory = (path: string, user: User): string => {
  mkdirSync(path, { recursive: true, mode: 0o755 })
  own(path, user)
  return path
}

/** Ends by pid what is left of a test, and removes its directory. */
const remove = (directory: string, global: string): void => {
  for (const { pid } of processesIn([directory, global])) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      continue
    }
  }
  // Overlays leave directories that their owner has to open first.
  if (!isRoot) spawnSync("chmod", ["-R", "u+rwx", directory])
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

/** A directory of its own in the directory for temporary files. */
export const temporary = (user: User): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mkdtempSync(`${tmpdir()}/fim-test-`)
      chmodSync(directory, 0o755)
      own(directory, user)
      return directory
    }),
    (directory) => Effect.sync(() => remove(directory, directory))
  )

/** Makes a place. With a shared global directory what the image brings is unpacked already. */
export const place = (user: User, options: PlaceOptions = {}): Effect.Effect<Place, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const images = inject("images")
    const source = options.image === "debian" ? images.debian : images.blueprint
    if (source === undefined) return yield* new Failure({ detail: "the Debian image was not built" })
    const directory = yield* temporary(user)
    const name = options.name ?? "app.flatimage"
    const image = `${directory}/${name}`
    if (options.copy === true) copyFileSync(source, image)
    else linkSync(source, image)
    if (options.copy === true) own(image, user)
    const global = options.fresh === true ? `${directory}/global` : `${images.directory}/global-${user.uid}`
    const data = `${directory}/.${name}.data`
    const isClean = disappears({ directory, global, data })
    if (options.fresh !== true) {
      makeDirectory(global, user)
      // A janitor that is killed while it still removes its directory leaves that to the next test.
      yield* Effect.addFinalizer(() =>
        Effect.andThen(Effect.ignore(isClean), Effect.sync(() => remove(directory, global)))
      )
    }
    const home = makeDirectory(`${directory}/home`, user)
    const environment = {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: home,
      TERM: "xterm",
      FIM_DIR_GLOBAL: global,
      FIM_HOT: "0",
      // What stays mounted would count as left behind.
      FIM_LINGER: "0"
    }
    const command = (words: ReadonlyArray<string>, program = image) => user.command([program, ...words], directory)
    const withDefaults = (given: Process.Options = {}): Process.Options => ({
      directory: home,
      ...given,
      environment: { ...environment, ...given.environment }
    })
    return {
      directory,
      image,
      data,
      global,
      home,
      environment,
      user,
      command,
      run: (words, given) => Process.run(command(words, given?.program), withDefaults(given)),
      shell: (script, given) =>
        Process.run(
          command(["-c", script], "/bin/sh"),
          withDefaults({ ...given, environment: { app: image, ...given?.environment } })
        ),
      start: (words, given) => Process.start(command(words, given?.program), withDefaults(given)),
      isClean
    }
  })

/** The Debian image, which takes minutes and a network to build for the first time. */
export const debian: Need = {
  get missing() {
    return inject("images").debian === undefined ? "needs a Debian root, as bin/quickstart makes it" : undefined
  }
}
