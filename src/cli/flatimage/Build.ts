import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { isUrl } from "../../build/Archives.ts"
import { Builder, type Request } from "../../build/Builder.ts"
import { type BuildError, buildError } from "../../build/BuildError.ts"
import { loadDefinition } from "../../build/definition/Load.ts"
import { distributionNames, distributions, findDistribution } from "../../build/dist/Distributions.ts"
import { architectureNames } from "../../build/Machine.ts"
import { Quiet } from "../../build/Progress.ts"
import { Revisions } from "../../build/Revision.ts"
import { archiveRoot, packagesRoot } from "../../build/RootRequest.ts"
import { Workspace } from "../../build/Workspace.ts"
import { isIdentity } from "../../image/Identity.ts"
import { quiet } from "./Quiet.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

const suites = distributions.flatMap(({ name, suites }) =>
  suites.length === 0 ? [] : [`${suites.join(", ")} (${name})`]
)

const flags = {
  definition: Argument.Path("definition").pipe(
    Argument.withMetavar("FILE"),
    Argument.withDescription("Definition of the image, NAME.flatimage.json, in place of the flags about its system"),
    Argument.optional
  ),
  dist: Flag.Literals("dist", distributionNames).pipe(
    Flag.withDescription(
      `System to build: ${distributions.map(({ name, summary }) => `${name} (${summary})`).join(", ")}`
    ),
    Flag.optional
  ),
  arch: Flag.Literals("arch", architectureNames).pipe(
    Flag.withDescription(
      "Architecture of the image (default: that of the machine). arm64 on amd64: the compilers are fetched from Debian once, and " +
        "programs of arm64 run in an emulator meanwhile"
    ),
    Flag.optional
  ),
  suite: text("suite", "NAME", `Release of the distribution: ${suites.join("; ")}`),
  mirror: text(
    "mirror",
    "URL",
    "Where its packages are: http, https or file; Debian's is known to apt of this machine"
  ),
  keyring: text("keyring", "PATH", "Keys that sign its packages, or the archive: those of this machine otherwise"),
  rootfs: text("rootfs", "DIR|TAR|URL", "Use this directory or tar archive (gzip, xz, zstd) as the system"),
  sha256: text("sha256", "DIGITS", "Checksum that the archive has to have"),
  signature: text("signature", "FILE|URL", "Detached OpenPGP signature that the archive has to have"),
  include: text("include", "PKG,PKG", "Packages of the distribution to install on top"),
  level: Flag.Int("level").pipe(
    Flag.withMetavar("0-9"),
    Flag.withDescription("Compression of the layers: 0 is quickest, 9 smallest"),
    Flag.withDefault(6)
  ),
  output: Flag.Path("output").pipe(
    Flag.withAlias("o"),
    Flag.withMetavar("FILE"),
    Flag.withDescription("Image to write (default: dist/NAME.flatimage of the project)"),
    Flag.optional
  ),
  identity: text(
    "identity",
    "DIGITS",
    "Identity of the image that this is a new version of, as 'flatimage inspect' prints it: it finds that image's data"
  ),
  refresh: Flag.Boolean("refresh").pipe(
    Flag.withDescription("Make the system, and all steps of a definition, again instead of using the cached ones"),
    Flag.withDefault(false)
  ),
  reproducible: Flag.Boolean("reproducible").pipe(
    Flag.withDescription(
      "Equal inputs give equal bytes: no file is younger than SOURCE_DATE_EPOCH, or the last commit"
    ),
    Flag.withDefault(false)
  ),
  quiet
}

type Input = Command.Command.Config.Infer<typeof flags>

const refused = (detail: string) => buildError("Refused", { detail })

interface Choice {
  readonly name: string
  readonly request: Omit<Request, "level" | "output" | "epoch" | "identity">
}

/** The flags among `names` that are given, without those that are not. */
const given = <Name extends "mirror" | "keyring" | "suite" | "sha256" | "signature">(
  input: Input,
  ...names: ReadonlyArray<Name>
): { readonly [Key in Name]?: string } =>
  Object.fromEntries(
    names.flatMap((name) => Option.match(input[name], { onNone: () => [], onSome: (value) => [[name, value]] }))
  ) as { readonly [Key in Name]?: string }

const absolute = (path: Path.Path, file: string) => isUrl(file) ? file : path.resolve(file)

const fromArchive = Effect.fnUntraced(function*(path: Path.Path, input: Input, rootfs: string) {
  if (Option.isSome(input.suite) || Option.isSome(input.mirror) || Option.isSome(input.include) || input.refresh) {
    return yield* refused("--suite, --mirror, --include and --refresh are of no use with --rootfs")
  }
  const distribution = Option.isSome(input.dist) ? findDistribution(input.dist.value) : undefined
  const name = rootfs.replace(/\/+$/, "").split("/").pop()?.replace(/\.(tar(\.\w+)?|tgz|txz)$/, "")
  const { keyring, sha256, signature } = given(input, "keyring", "sha256", "signature")
  const choice: Choice = {
    name: distribution?.name ?? (name === undefined || name === "" || name.startsWith(".") ? "image" : name),
    request: {
      distribution: distribution?.title ?? "CUSTOM",
      root: yield* archiveRoot(distribution, {
        path: absolute(path, rootfs),
        ...(sha256 === undefined ? {} : { sha256 }),
        ...(signature === undefined ? {} : { signature: absolute(path, signature) }),
        ...(keyring === undefined ? {} : { keyring: path.resolve(keyring) })
      })
    }
  }
  return choice
})

/** Where packages come from, as the flags say. */
const originOf = (path: Path.Path, input: Input) => {
  const { keyring, ...rest } = given(input, "mirror", "keyring")
  return { ...rest, ...(keyring === undefined ? {} : { keyring: path.resolve(keyring) }) }
}

/** What the words mean. Fails with `BuildError` when they do not go together. */
const choose = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  input: Input
): Effect.fn.Return<Choice, BuildError> {
  const about = Object.keys(given(input, "suite", "sha256", "signature")).length > 0 ||
    Option.isSome(input.include) || Option.isSome(input.dist) || Option.isSome(input.rootfs)
  if (Option.isSome(input.definition)) {
    if (about) {
      return yield* refused("a definition says itself what its system is: only --mirror and --keyring go with it")
    }
    const origin = originOf(path, input)
    return yield* loadDefinition(fs, path.resolve(input.definition.value), { origin, refresh: input.refresh })
  }
  if (Option.isSome(input.rootfs)) return yield* fromArchive(path, input, input.rootfs.value)
  if (Option.isNone(input.dist)) {
    return yield* refused(
      "what to build is not said: add --dist debian, --dist blueprint, --rootfs DIR|TAR or a definition"
    )
  }
  if (Option.isSome(input.sha256) || Option.isSome(input.signature)) {
    return yield* refused("--sha256 and --signature are of use only with --rootfs")
  }
  const distribution = findDistribution(input.dist.value)
  const include = Option.match(input.include, {
    onNone: () => [],
    onSome: (text) => text.split(",").map((name) => name.trim()).filter((name) => name !== "")
  })
  if (distribution?.manager._tag === "None" && input.refresh) {
    return yield* refused(`${distribution.name} has nothing to fetch again`)
  }
  const suite = Option.getOrUndefined(input.suite)
  return {
    name: input.dist.value,
    request: {
      distribution: distribution?.title ?? "",
      root: yield* packagesRoot(input.dist.value, {
        ...(suite === undefined ? {} : { suite }),
        ...originOf(path, input),
        include,
        refresh: input.refresh
      })
    }
  }
})

export const build = Command.make(
  "build",
  flags,
  Effect.fn(function*(input) {
    const builder = yield* Builder
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const revisions = yield* Revisions
    const workspace = yield* Workspace
    if (input.level < 0 || input.level > 9) return yield* refused(`--level is ${input.level}, not from 0 to 9`)
    const identity = Option.getOrUndefined(input.identity)
    if (identity !== undefined && !isIdentity(identity)) {
      return yield* refused(`--identity is '${identity}', not 32 hexadecimal digits in lower case`)
    }
    const { name, request } = yield* choose(fs, path, input)
    const architecture = Option.getOrUndefined(input.arch)
    yield* builder.build({
      ...request,
      ...(architecture === undefined ? {} : { architecture }),
      ...(input.reproducible ? { epoch: yield* revisions.epoch } : {}),
      ...(identity === undefined ? {} : { identity }),
      level: input.level,
      output: Option.match(input.output, {
        onNone: () => `${workspace.root}/dist/${name}.flatimage`,
        onSome: (output) => path.resolve(output)
      })
    }).pipe(Effect.provideService(Quiet, input.quiet))
  })
).pipe(
  Command.withDescription(
    "Build an image. Downloads, layers and compiled parts are kept in the build directory: a second build is quick and " +
      "needs no network."
  ),
  Command.withShortDescription("Build an image"),
  Command.withExamples([
    { command: "flatimage build --dist debian", description: "dist/debian.flatimage with the stable Debian" },
    {
      command: "flatimage build --dist debian --include python3,git -o tools.flatimage",
      description: "Debian with some packages"
    },
    {
      command: "flatimage build --dist debian --arch arm64 -o debian-arm64.flatimage",
      description: "Debian for arm64, also on amd64"
    },
    { command: "flatimage build --dist alpine --mirror URL", description: "Alpine from a mirror of it" },
    { command: "flatimage build --rootfs root.tar.gz", description: "Any system there is an archive of" },
    {
      command: "flatimage build --dist arch --rootfs URL --signature URL.sig",
      description: "Arch from its bootstrap archive"
    },
    { command: "flatimage build editor.flatimage.json", description: "What a definition file says" }
  ])
)
