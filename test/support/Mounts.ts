/** Mounts that only one command sees. */

/**
 * A command in a mount namespace of its own in which a script of the shell has made the mounts. Only root can do this. The
 * script gets `variables` of the command's environment; it is over before the command starts.
 */
export const inMounts = (script: string, command: ReadonlyArray<string>): ReadonlyArray<string> => [
  "unshare",
  "--mount",
  "--propagation",
  "private",
  "sh",
  "-euc",
  `${script}\nexec "$@"`,
  "sh",
  ...command
]
