import { alpine } from "./Alpine.ts"
import { arch } from "./Arch.ts"
import { blueprint } from "./Blueprint.ts"
import { debian } from "./Debian.ts"
import type { Distribution } from "./Distribution.ts"
import { ubuntu } from "./Ubuntu.ts"

/** All values of `--dist`. */
export const distributions: ReadonlyArray<Distribution> = [alpine, arch, blueprint, debian, ubuntu]

/** Their names, for `--dist`. */
export const distributionNames = distributions.map(({ name }) => name)

/** The distribution with this name; `undefined` if there is none. */
export const findDistribution = (name: string): Distribution | undefined =>
  distributions.find((distribution) => distribution.name === name)

/**
 * The command with which root of the guest installs packages.
 *
 * @returns program and arguments; `undefined` if the distribution cannot install packages
 */
export const installCommand = (
  { install }: Distribution,
  packages: ReadonlyArray<string>
): ReadonlyArray<string> | undefined => install === undefined ? undefined : ["sh", "-euc", install, "sh", ...packages]
