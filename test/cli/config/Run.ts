/** Runs commands as an image does, on settings in memory, and gives what they print. */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import { withoutGuest } from "../../../src/cli/Cli.ts"
import { BuildInfo } from "../../../src/cli/config/BuildInfo.ts"
import { DesktopImage } from "../../../src/desktop/DesktopImage.ts"
import { ReservedSpace } from "../../../src/image/ReservedSpace.ts"
import type { Fields } from "../../../src/image/Settings.ts"
import { defaults } from "../../../src/image/SettingsDefaults.ts"
import type { Host } from "../../../src/relocate/Host.ts"
import { Relocate } from "../../../src/relocate/Relocate.ts"
import { patcher } from "../../image/ReservedSpaceFixture.ts"
import { hostWith } from "../../support/Host.ts"
import * as Platform from "../../support/Platform.ts"

export const build = {
  version: "0.1.0",
  commit: "66831bd",
  distribution: "DEBIAN",
  timestamp: "20250102030405",
  dependencies: { bash: { version: "5.2", source: "bash_5.2", sha: "00", licenses: [{ type: "GPL-3.0", url: "gpl" }] } }
}

export interface Image {
  settings: Fields
  /** How often something was written. */
  writes: number
}

export const newImage = (settings: Partial<Fields> = {}): Image => ({
  settings: { ...defaults, ...settings },
  writes: 0
})

const spaceOf = (image: Image): ReservedSpace["Service"] => {
  const writeAll = (values: Partial<Fields>) =>
    Effect.sync(() => {
      image.settings = { ...image.settings, ...values }
      image.writes++
    })
  const modify: ReservedSpace["Service"]["modify"] = (field, f) =>
    Effect.suspend(() => {
      const [result, value] = f(image.settings[field])
      return Effect.as(writeAll({ [field]: value }), result)
    })
  return ReservedSpace.of({
    read: (field) => Effect.sync(() => image.settings[field]),
    snapshot: Effect.sync(() => ({ settings: image.settings, warnings: [] })),
    everything: Effect.sync(() => ({ settings: image.settings, warnings: [] })),
    write: (field, value) => writeAll({ [field]: value }),
    writeAll,
    update: (field, f) => modify(field, (value) => [f(value), f(value)]),
    modify,
    append: () => Effect.void,
    rewrite: () => Effect.die("no file is behind these settings"),
    exclusively: (use) => use
  })
}

export interface Outcome {
  /** Data, and what was said with D or I. */
  readonly stdout: string
  readonly stderr: ReadonlyArray<string>
  readonly code: number
}

type Services = ReservedSpace | BuildInfo | Host | Layer.Success<typeof Platform.layer>

/** What a command prints, and its exit code: the number that it gives, or 0. */
export const outcomeOf = <E>(
  image: Image,
  command: Effect.Effect<number | void, E, Services>,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<Outcome> => {
  const stdout: Array<string> = []
  const stderr: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    const target = logLevel === "Info" || logLevel === "Debug" ? stdout : stderr
    target.push(`${logLevel.charAt(0)}::${String(message)}`)
  })
  return command.pipe(
    Effect.provide(Layer.mergeAll(
      Layer.succeed(ReservedSpace, spaceOf(image)),
      Layer.succeed(BuildInfo, {
        ...build,
        distribution: Effect.succeed(build.distribution),
        dependencies: Effect.succeed(build.dependencies)
      }),
      hostWith(environment),
      Logger.layer([logger]),
      Platform.layer
    )),
    Effect.provideService(Console.Console, {
      ...globalThis.console,
      log: (text: string) => void stdout.push(text),
      error: (text: string) => void stderr.push(text)
    }),
    Effect.exit,
    Effect.map((exit) => {
      if (Exit.isSuccess(exit)) return { stdout: stdout.join("\n"), stderr, code: exit.value ?? 0 }
      const error = Cause.squash(exit.cause)
      const lines = error instanceof Error && "lines" in error ? error.lines as ReadonlyArray<string> : [String(error)]
      return {
        stdout: stdout.join("\n"),
        stderr: [...stderr, ...lines],
        code: error instanceof Error ? error[Runtime.errorExitCode] ?? -1 : -1
      }
    })
  )
}

/** Commands that ask for it fail. */
const noImage = new Proxy({} as Relocate["Service"], { get: () => assert.fail("no image runs") })

/** A command of ours by its words. It is not about an image that runs. */
export const run = (
  image: Image,
  words: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<Outcome> =>
  outcomeOf(
    image,
    withoutGuest(words).pipe(
      Effect.provideService(DesktopImage, { path: "/opt/app.flatimage", fim: patcher() }),
      Effect.provideService(Relocate, noImage)
    ),
    environment
  )
