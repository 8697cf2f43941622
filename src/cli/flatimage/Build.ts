/** `flatimage build`. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { isUrl } from "../../builder/Archives.ts"
import { Builder, type Request } from "../../builder/Builder.ts"
import { type BuildError, buildError } from "../../builder/BuildError.ts"
import { loadDefinition } from "../../builder/definition/Load.ts"
import { findDistribution } from "../../builder/dist/Distributions.ts"
import type { Architecture } from "../../builder/Machine.ts"
import { containerSource } from "../../builder/oci/ContainerRequest.ts"
import { Quiet } from "../../builder/Progress.ts"
import { Revisions } from "../../builder/Revision.ts"
import { archiveRoot, packagesRoot } from "../../builder/RootRequest.ts"
import { Workspace } from "../../builder/Workspace.ts"
import { isIdentity } from "../../image/Identity.ts"

/** The arguments and options that `flatimage build` declares in HostCommands.ts. */
export interface Input {
  readonly definition: string | undefined
  readonly dist: string | undefined
  readonly arch: Architecture["debian"] | undefined
  readonly suite: string | undefined
  readonly mirror: string | undefined
  readonly keyring: string | undefined
  readonly rootfs: string | undefined
  readonly from: string | undefined
  readonly squash: boolean
  readonly "max-size": string | undefined
  readonly "trust-realm": ReadonlyArray<string>
  readonly sha256: string | undefined
  readonly signature: string | undefined
  readonly include: string | undefined
  readonly level: number
  readonly "order-by-run": string | undefined
  readonly output: string | undefined
  readonly identity: string | undefined
  readonly refresh: boolean
  readonly reproducible: boolean
  readonly quiet: boolean
}

const refused = (detail: string) => buildError("Refused", { detail })

interface Choice {
  readonly name: string
  readonly request: Omit<Request, "level" | "output" | "epoch" | "identity">
}

/** The options among `names` that are given. */
const given = <Name extends "mirror" | "keyring" | "suite" | "sha256" | "signature">(
  input: Input,
  ...names: ReadonlyArray<Name>
): { readonly [Key in Name]?: string } =>
  Object.fromEntries(
    names.flatMap((name) => input[name] === undefined ? [] : [[name, input[name]]])
  ) as { readonly [Key in Name]?: string }

const absolute = (path: Path.Path, file: string) => isUrl(file) ? file : path.resolve(file)

const fromArchive = Effect.fnUntraced(function*(path: Path.Path, input: Input, rootfs: string) {
  if ((input.suite ?? input.mirror ?? input.include) !== undefined || input.refresh) {
    return yield* refused("--suite, --mirror, --include and --refresh are of no use with --rootfs")
  }
  const distribution = input.dist === undefined ? undefined : findDistribution(input.dist)
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

const fromContainer = Effect.fnUntraced(function*(path: Path.Path, input: Input, from: string) {
  if (
    (input.suite ?? input.mirror ?? input.include ?? input.keyring ?? input.sha256 ?? input.signature) !== undefined
  ) {
    return yield* refused("--suite, --mirror, --include, --keyring, --sha256 and --signature are of no use with --from")
  }
  const distribution = input.dist === undefined ? undefined : findDistribution(input.dist)
  const { name, source } = yield* containerSource({
    from,
    squash: input.squash,
    maxSize: input["max-size"],
    realms: input["trust-realm"],
    refresh: input.refresh
  }, (file) => path.resolve(file))
  const choice: Choice = {
    name,
    request: { distribution: distribution?.title ?? "CUSTOM", root: { _tag: "Container", source } }
  }
  return choice
})

/** Where packages come from, by the given options. */
const originOf = (path: Path.Path, input: Input) => {
  const { keyring, ...rest } = given(input, "mirror", "keyring")
  return { ...rest, ...(keyring === undefined ? {} : { keyring: path.resolve(keyring) }) }
}

/** The request that the options describe. Fails with `BuildError` if they contradict each other. */
const choose = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  input: Input
): Effect.fn.Return<Choice, BuildError> {
  const about =
    (input.suite ?? input.sha256 ?? input.signature ?? input.include ?? input.dist ?? input.rootfs ?? input.from) !==
      undefined
  if (input.definition !== undefined) {
    if (about || input.squash) {
      return yield* refused(
        "a definition describes its own system: only --mirror, --keyring, --max-size and --trust-realm can be added"
      )
    }
    const origin = originOf(path, input)
    return yield* loadDefinition(fs, path.resolve(input.definition), {
      origin,
      refresh: input.refresh,
      maxSize: input["max-size"],
      realms: input["trust-realm"]
    })
  }
  if (input.rootfs !== undefined && input.from !== undefined) {
    return yield* refused("--rootfs and --from each name a whole system: choose one")
  }
  if (input.from !== undefined) return yield* fromContainer(path, input, input.from)
  if (input.squash || input["max-size"] !== undefined || input["trust-realm"].length > 0) {
    return yield* refused("--squash, --max-size and --trust-realm are of use only with --from")
  }
  if (input.rootfs !== undefined) return yield* fromArchive(path, input, input.rootfs)
  if (input.dist === undefined) {
    return yield* refused(
      "nothing to build: add --dist debian, --dist blueprint, --rootfs DIR|TAR, --from REF or a definition"
    )
  }
  if ((input.sha256 ?? input.signature) !== undefined) {
    return yield* refused("--sha256 and --signature are of use only with --rootfs")
  }
  const distribution = findDistribution(input.dist)
  const include = (input.include ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "")
  if (distribution?.manager._tag === "None" && input.refresh) {
    return yield* refused(`${distribution.name} has nothing to fetch again`)
  }
  return {
    name: input.dist,
    request: {
      distribution: distribution?.title ?? "",
      root: yield* packagesRoot(input.dist, {
        ...given(input, "suite"),
        ...originOf(path, input),
        include,
        refresh: input.refresh
      })
    }
  }
})

export const build = Effect.fn("flatimage.build")(function*(input: Input) {
  const builder = yield* Builder
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const revisions = yield* Revisions
  const workspace = yield* Workspace
  const { arch: architecture, identity, "order-by-run": orderByRun } = input
  if (input.level < 0 || input.level > 9) return yield* refused(`--level is ${input.level}, not from 0 to 9`)
  if (identity !== undefined && !isIdentity(identity)) {
    return yield* refused(`--identity is '${identity}', not 32 hexadecimal digits in lower case`)
  }
  const { name, request } = yield* choose(fs, path, input)
  if ((orderByRun ?? request.orderByRun) !== undefined && input.reproducible) {
    return yield* refused(
      "an image that is ordered by a run cannot be reproducible: leave out --reproducible, or the order"
    )
  }
  yield* builder.build({
    ...request,
    ...(architecture === undefined ? {} : { architecture }),
    ...(input.reproducible ? { epoch: yield* revisions.epoch } : {}),
    ...(identity === undefined ? {} : { identity }),
    ...(orderByRun === undefined ? {} : { orderByRun }),
    level: input.level,
    output: input.output === undefined ? `${workspace.root}/dist/${name}.flatimage` : path.resolve(input.output)
  }).pipe(Effect.provideService(Quiet, input.quiet))
})
