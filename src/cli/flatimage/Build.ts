import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { Builder } from "../../build/Builder.ts"
import { buildError } from "../../build/BuildError.ts"
import { blueprint } from "../../build/dist/Blueprint.ts"
import { debian } from "../../build/dist/Debian.ts"
import { Quiet } from "../../build/Progress.ts"
import type { RootSource } from "../../build/Root.ts"
import { Workspace } from "../../build/Workspace.ts"
import { quiet } from "./Quiet.ts"

const suites: ReadonlyArray<string> = debian.suites

const packageName = /^[a-z0-9][a-z0-9+.-]+$/

const flags = {
  dist: Flag.Literals("dist", [debian.name, blueprint.name]).pipe(
    Flag.withDescription(`System to build: debian (${debian.summary}) or blueprint (${blueprint.summary})`),
    Flag.optional
  ),
  suite: Flag.String("suite").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(`Release of Debian: ${suites.join(" or ")}`),
    Flag.optional
  ),
  rootfs: Flag.Path("rootfs", { mustExist: true }).pipe(
    Flag.withMetavar("DIR|TAR"),
    Flag.withDescription("Use this directory or tar archive (gzip, xz, zstd) as the system instead"),
    Flag.optional
  ),
  include: Flag.String("include").pipe(
    Flag.withMetavar("PKG,PKG"),
    Flag.withDescription("Debian packages to install on top"),
    Flag.optional
  ),
  level: Flag.Int("level").pipe(
    Flag.withMetavar("0-9"),
    Flag.withDescription("Compression of the system: 0 is quickest, 9 smallest"),
    Flag.withDefault(7)
  ),
  output: Flag.Path("output").pipe(
    Flag.withAlias("o"),
    Flag.withMetavar("FILE"),
    Flag.withDescription("Image to write (default: dist/NAME.flatimage of the project)"),
    Flag.optional
  ),
  refresh: Flag.Boolean("refresh").pipe(
    Flag.withDescription("Fetch the packages of the system again instead of using the cached ones"),
    Flag.withDefault(false)
  ),
  quiet
}

type Input = Command.Command.Config.Infer<typeof flags>

const refused = (detail: string) => buildError("Refused", { detail })

interface Choice {
  readonly name: string
  readonly distribution: string
  readonly root: RootSource
}

/** What the words mean. Fails with `BuildError` when they do not go together. */
const choose = Effect.fnUntraced(function*(input: Input): Effect.fn.Return<Choice, ReturnType<typeof refused>> {
  const include = Option.match(input.include, {
    onNone: () => [],
    onSome: (text) => text.split(",").map((name) => name.trim()).filter((name) => name !== "")
  })
  const isDebian = Option.isSome(input.dist) && input.dist.value === debian.name
  if (!isDebian && (Option.isSome(input.suite) || include.length > 0 || input.refresh)) {
    return yield* refused("--suite, --include and --refresh need --dist debian")
  }
  if (Option.isSome(input.rootfs)) {
    if (Option.isSome(input.dist)) return yield* refused("choose either --dist or --rootfs")
    const name = input.rootfs.value.replace(/\/+$/, "").split("/").pop()?.replace(/\.(tar(\.\w+)?|tgz|txz)$/, "")
    return {
      name: name === undefined || name === "" || name.startsWith(".") ? "image" : name,
      distribution: "CUSTOM",
      root: { _tag: "Given", path: input.rootfs.value }
    }
  }
  if (Option.isNone(input.dist)) {
    return yield* refused("what to build is not said: add --dist debian, --dist blueprint or --rootfs DIR|TAR")
  }
  if (!isDebian) return { name: blueprint.name, distribution: blueprint.title, root: { _tag: "Blueprint" } }
  const suite = Option.getOrElse(input.suite, () => debian.suites[0])
  if (!suites.includes(suite)) return yield* refused(`the suite ${suite} is not one of ${suites.join(", ")}`)
  const strange = include.find((name) => !packageName.test(name))
  if (strange !== undefined) return yield* refused(`${JSON.stringify(strange)} is not the name of a package`)
  return {
    name: debian.name,
    distribution: debian.title,
    root: { _tag: "Debian", options: { suite, include, refresh: input.refresh } }
  }
})

export const build = Command.make(
  "build",
  flags,
  Effect.fn(function*(input) {
    const builder = yield* Builder
    const path = yield* Path.Path
    const workspace = yield* Workspace
    if (input.level < 0 || input.level > 9) return yield* refused(`--level is ${input.level}, not from 0 to 9`)
    const choice = yield* choose(input)
    yield* builder.build({
      root: choice.root,
      distribution: choice.distribution,
      level: input.level,
      output: Option.match(input.output, {
        onNone: () => `${workspace.root}/dist/${choice.name}.flatimage`,
        onSome: (output) => path.resolve(output)
      })
    }).pipe(Effect.provideService(Quiet, input.quiet))
  })
).pipe(
  Command.withDescription(
    "Build an image. Downloads and compiled parts are kept in the build directory: a second build is quick and needs " +
      "no network."
  ),
  Command.withShortDescription("Build an image"),
  Command.withExamples([
    { command: "flatimage build --dist debian", description: "dist/debian.flatimage with the stable Debian" },
    {
      command: "flatimage build --dist debian --include python3,git -o tools.flatimage",
      description: "Debian with some packages"
    },
    { command: "flatimage build --rootfs alpine.tar.gz", description: "Any system there is an archive of" }
  ])
)
