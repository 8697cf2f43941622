import { alpine } from "./Alpine.ts"
import { arch } from "./Arch.ts"
import { blueprint } from "./Blueprint.ts"
import { debian } from "./Debian.ts"
import type { Distribution } from "./Distribution.ts"
import { ubuntu } from "./Ubuntu.ts"

/** All that `--dist` may name. */
export const distributions: ReadonlyArray<Distribution> = [alpine, arch, blueprint, debian, ubuntu]

export const distributionNames = distributions.map(({ name }) => name)

export const findDistribution = (name: string): Distribution | undefined =>
  distributions.find((distribution) => distribution.name === name)

/** The command with which root of the guest installs packages; nothing where nothing can. */
export const installCommand = (
  { install }: Distribution,
  packages: ReadonlyArray<string>
): ReadonlyArray<string> | undefined => install === undefined ? undefined : ["sh", "-euc", install, "sh", ...packages]
