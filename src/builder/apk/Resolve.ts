/** Resolves the dependencies of the requested packages. */
import * as Result from "effect/Result"
import { type BuildError, buildError } from "../BuildError.ts"
import type { Package, Term } from "./Index.ts"
import { compareVersions, satisfies } from "./Version.ts"

/** A package and the version with which it provides a name; no version for a bare name. */
interface Provider {
  readonly package: Package
  readonly version: string | undefined
}

const accepts = (provider: Provider, wanted: Term): boolean =>
  wanted.operator === "" ||
  (provider.version !== undefined && satisfies(provider.version, wanted.operator, wanted.version))

const showTerm = ({ name, operator, version }: Term) => `${name}${operator}${version}`

/** Negative if `left` is the better provider of a name. */
const compareProviders = (name: string) => (left: Provider, right: Provider): number => {
  const named = (provider: Provider) => provider.package.name === name ? 0 : 1
  return named(left) - named(right) || right.package.priority - left.package.priority ||
    compareVersions(right.version ?? "", left.version ?? "") ||
    compareVersions(right.package.version, left.package.version) ||
    (left.package.name < right.package.name ? -1 : 1)
}

/** All providers of each name, the best first. If repositories have the same package twice, the first one counts. */
const providersOf = (packages: ReadonlyArray<Package>): ReadonlyMap<string, ReadonlyArray<Provider>> => {
  const found = new Map<string, Array<Provider>>()
  const add = (name: string, provider: Provider) => {
    const before = found.get(name)
    if (before === undefined) found.set(name, [provider])
    else before.push(provider)
  }
  for (const item of packages) {
    add(item.name, { package: item, version: item.version })
    for (const { name, version } of item.provides) add(name, { package: item, version: version || undefined })
  }
  for (const [name, providers] of found) providers.sort(compareProviders(name))
  return found
}

const fail = (detail: string) => Result.fail(buildError("Unresolved", { detail }))

/**
 * Resolves all packages that the terms need. One version of each; the resolver does not backtrack: on a conflict the error
 * names both packages.
 *
 * @param packages those of all repositories
 * @param wanted names, with or without a version
 * @returns the packages, dependencies first (cycles are cut anywhere); fails with `BuildError`
 */
export const resolve = (
  packages: ReadonlyArray<Package>,
  wanted: ReadonlyArray<Term>
): Result.Result<ReadonlyArray<Package>, BuildError> => {
  const providers = providersOf(packages)
  const chosen = new Map<string, Package>()
  const conflicts: Array<{ readonly of: string; readonly term: Term }> = []
  const ordered: Array<Package> = []

  const servesNow = (term: Term) =>
    providers.get(term.name)?.find((candidate) =>
      chosen.get(candidate.package.name) === candidate.package && accepts(candidate, term)
    )

  const choose = (by: string, term: Term): Result.Result<Package, BuildError> => {
    const there = servesNow(term)
    if (there !== undefined) return Result.succeed(there.package)
    const candidates = (providers.get(term.name) ?? []).filter((candidate) => accepts(candidate, term))
    const free = candidates.find((candidate) => !chosen.has(candidate.package.name))
    if (free !== undefined) return Result.succeed(free.package)
    const taken = candidates[0] === undefined ? undefined : chosen.get(candidates[0].package.name)
    return fail(
      taken === undefined
        ? `${by} needs ${showTerm(term)}, which no repository has`
        : `${by} needs ${showTerm(term)}, but ${taken.name} ${taken.version} is needed by others`
    )
  }

  const visit = (by: string, first: Term): Result.Result<void, BuildError> => {
    // Not recursive: a chain of dependencies may be longer than the stack.
    const stack: Array<{ readonly package: Package | undefined; readonly terms: Array<Term>; readonly by: string }> = [
      { package: undefined, terms: [first], by }
    ]
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const term = top.terms.shift()
      if (term === undefined) {
        if (top.package !== undefined) ordered.push(top.package)
        stack.pop()
        continue
      }
      if (term.negated) {
        conflicts.push({ of: top.by, term })
        continue
      }
      const result = choose(top.by, term)
      if (Result.isFailure(result)) return Result.fail(result.failure)
      const next = result.success
      if (chosen.get(next.name) === next) continue
      chosen.set(next.name, next)
      stack.push({ package: next, terms: [...next.depends], by: next.name })
    }
    return Result.void
  }

  for (const term of wanted) {
    const result = visit("this image", term)
    if (Result.isFailure(result)) return Result.fail(result.failure)
  }
  const conditional = packages.filter((item) => item.installIf.length > 0)
  for (let before = -1; before !== chosen.size;) {
    before = chosen.size
    for (const item of conditional) {
      if (chosen.has(item.name) || !item.installIf.every((term) => (servesNow(term) === undefined) === term.negated)) {
        continue
      }
      const result = visit("this image", { negated: false, name: item.name, operator: "=", version: item.version })
      if (Result.isFailure(result)) return Result.fail(result.failure)
    }
  }
  for (const { of, term } of conflicts) {
    const there = servesNow(term)
    if (there !== undefined && there.package.name !== of) {
      return fail(`${of} cannot be installed beside ${there.package.name} ${there.package.version}`)
    }
  }
  return Result.succeed(ordered)
}
