/** The handlers of `fim-override`. */
import * as Effect from "effect/Effect"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Permission } from "../../image/SettingsDefaults.ts"
import { overrideDirectory } from "../../override/OverrideDirectory.ts"
import { digestOf, type Override, readOverride, writeOverride } from "../../override/OverrideFile.ts"
import { NativeBytes } from "../../platform/NativeBytes.ts"
import type { overrideOptions } from "../commands/Override.ts"
import { CommandError, usageError } from "../config/CommandError.ts"
import { printJson, printLines } from "../config/Output.ts"
import type { Input } from "../grammar/Command.ts"
import { bindingOf, permissionsIn, variableOf } from "../run/RunOptions.ts"

const failed = (text: string, hint?: string) =>
  new CommandError({ text, ...(hint === undefined ? {} : { hint }), context: "Could not use the overrides" })

/** The image, the user's overrides of it, and whether its settings are still those that they were made for. */
const current = Effect.gen(function*() {
  const { settings } = yield* Effect.mapError((yield* ReservedSpace).snapshot, (error) => failed(error.message))
  const { identity } = settings.extension
  if (identity === undefined) {
    return yield* failed(
      "the image has no identity, which overrides belong to",
      "It gets one with its next change of a setting, by somebody who may write to it"
    )
  }
  const directory = yield* overrideDirectory
  if (directory === undefined) return yield* failed("there is no home directory: HOME is not set")
  const digest = digestOf(yield* NativeBytes, settings)
  const stored = yield* readOverride(directory, identity).pipe(Effect.mapError((error) => failed(error.message)))
  return { directory, identity, digest, stored, isConfirmed: stored === undefined || stored.settings === digest }
})

type Current = Effect.Success<typeof current>

const write = ({ directory, identity }: Current, override: Override | undefined) =>
  writeOverride(directory, identity, override).pipe(Effect.mapError((error) => failed(error.message)))

/** Writes what is left; without any override there is no file. */
const store = Effect.fnUntraced(function*(at: Current, override: Override) {
  const { allow, bindings, deny, environment } = override
  const isEmpty = allow.length + deny.length + bindings.length + Object.keys(environment).length === 0
  yield* write(at, isEmpty ? undefined : override)
})

/** Overrides that were made for other settings are not extended unseen. */
const confirmed = Effect.gen(function*() {
  const at = yield* current
  if (at.isConfirmed) return at
  return yield* failed(
    "the settings of the image have changed since your overrides were made",
    "Look at them with fim-override list, then: fim-override confirm, or fim-override clear"
  )
})

const none = (digest: string): Override => ({
  format: 1,
  settings: digest,
  allow: [],
  deny: [],
  bindings: [],
  environment: {}
})

const union = (some: ReadonlyArray<Permission>, more: ReadonlyArray<Permission>) =>
  [...new Set([...some, ...more])].sort()

const without = <A>(all: ReadonlyArray<A>, some: ReadonlyArray<A>) => all.filter((one) => !some.includes(one))

export const set = Effect.fn("fim-override.set")(function*(options: Input<readonly [], typeof overrideOptions>) {
  const allow = yield* permissionsIn(options.allow, "--allow")
  const deny = yield* permissionsIn(options.deny, "--deny")
  const bindings = yield* Effect.forEach(options.bind, bindingOf)
  const environment = Object.fromEntries(yield* Effect.forEach(options.env, variableOf))
  const both = allow.find((name) => deny.includes(name))
  if (both !== undefined) return yield* usageError(`'${both}' is both in --allow and in --deny`)
  if (allow.length + deny.length + bindings.length + options.env.length === 0) {
    return yield* usageError("Nothing to set", "add --allow, --deny, --bind or --env; fim-override --help has examples")
  }
  const at = yield* confirmed
  const before = at.stored ?? none(at.digest)
  const destinations = new Set(bindings.map(({ dst }) => dst))
  yield* store(at, {
    ...before,
    allow: union(without(before.allow, deny), allow),
    deny: union(without(before.deny, allow), deny),
    bindings: [...before.bindings.filter(({ dst }) => !destinations.has(dst)), ...bindings],
    environment: { ...before.environment, ...environment }
  })
})

export const unset = Effect.fn("fim-override.unset")(function*({ names }: { readonly names: ReadonlyArray<string> }) {
  const at = yield* confirmed
  const before = at.stored ?? none(at.digest)
  const known = new Set<string>([
    ...before.allow,
    ...before.deny,
    ...before.bindings.map(({ dst }) => dst),
    ...Object.keys(before.environment)
  ])
  const unknown = names.find((name) => !known.has(name))
  if (unknown !== undefined) {
    return yield* usageError(`There is no override of '${unknown}'`, "fim-override list prints those that there are")
  }
  yield* store(at, {
    ...before,
    allow: before.allow.filter((name) => !names.includes(name)),
    deny: before.deny.filter((name) => !names.includes(name)),
    bindings: before.bindings.filter(({ dst }) => !names.includes(dst)),
    environment: Object.fromEntries(Object.entries(before.environment).filter(([name]) => !names.includes(name)))
  })
})

/** The overrides, a line each. */
const linesOf = ({ allow, bindings, deny, environment }: Override): ReadonlyArray<string> => [
  ...allow.map((name) => `allow ${name}`),
  ...deny.map((name) => `deny ${name}`),
  ...bindings.map(({ dst, src, type }) => `bind ${src} at ${dst}, ${type}`),
  ...Object.entries(environment).sort().map(([name, value]) => `env ${name}=${value}`)
]

/** The caller's overrides for `fim-info`, a line each; none if there are none, or if they cannot be read, which a start reports. */
export const described = current.pipe(
  Effect.map(({ isConfirmed, stored }) =>
    stored === undefined ? [] : [
      ...linesOf(stored),
      ...(isConfirmed ? [] : ["not applied, because the settings of the image have changed: fim-override confirm"])
    ]
  ),
  Effect.orElseSucceed((): ReadonlyArray<string> => [])
)

export const list = Effect.fn("fim-override.list")(function*({ json }: { readonly json: boolean }) {
  const { digest, isConfirmed, stored } = yield* current
  const override = stored ?? none(digest)
  if (!isConfirmed) {
    yield* Effect.logWarning(
      "They are not applied: the settings of the image have changed. To apply them: fim-override confirm"
    )
  }
  const { allow, bindings, deny, environment } = override
  yield* json
    ? printJson({ allow, deny, bindings, environment, applied: isConfirmed })
    : printLines(linesOf(override))
})

export const confirm = Effect.fn("fim-override.confirm")(function*() {
  const at = yield* current
  if (at.stored !== undefined) yield* write(at, { ...at.stored, settings: at.digest })
})

/** Also removes overrides that cannot be read. */
export const clear = Effect.fn("fim-override.clear")(function*() {
  const { settings } = yield* Effect.mapError((yield* ReservedSpace).snapshot, (error) => failed(error.message))
  const { identity } = settings.extension
  const directory = yield* overrideDirectory
  if (identity === undefined || directory === undefined) return
  yield* writeOverride(directory, identity, undefined).pipe(Effect.mapError((error) => failed(error.message)))
})
