/**
 * The host functions of the boot program, which `src/native/engine/src/host` implements. A call that fails throws the number of
 * the error as the kernel gives it. Names, arguments and variables may be any bytes: a byte that is not part of a UTF-8 character
 * is a lone surrogate, U+DC80 for 0x80 to U+DCFF for 0xFF.
 */
declare module "fim:host" {
  /** Which set of functions this is. */
  export const version: number

  // content.rs

  /** Text as UTF-8. A lone surrogate becomes U+FFFD. */
  export const encode: (text: string) => ArrayBuffer
  /** UTF-8 as text. If it is not valid: `undefined` if `fatal`, otherwise text with replacement characters. */
  export const decode: (bytes: Uint8Array, fatal: boolean) => string | undefined
  /** The bytes of a name, an argument or a variable. */
  export const fromName: (name: string) => ArrayBuffer
  /** Bytes as a name, an argument or a variable. */
  export const toName: (bytes: Uint8Array) => string
  /** The bytes of a string of which each character stands for one. */
  export const fromLatin1: (text: string) => ArrayBuffer
  /** Each byte as one character. */
  export const toLatin1: (bytes: Uint8Array) => string
  /** Whether both have the same length and the same bytes. */
  export const equal: (left: Uint8Array, right: Uint8Array) => boolean

  // descriptors.rs

  export const close: (descriptor: number) => void
  /** Reads at `position`, or from where the file stands. Returns the number of bytes. */
  export const read: (descriptor: number, into: Uint8Array, position?: number) => number
  /** Writes at `position`, or to where the file stands. Returns the number of bytes. */
  export const write: (descriptor: number, bytes: Uint8Array, position?: number) => number
  /**
   * Writes all of it, and waits where the reader does not take it, also if the descriptor was told not to block. Returns the number of
   * the error that it was refused with, or 0.
   */
  export const writeWhole: (descriptor: number, bytes: Uint8Array) => number
  export const sync: (descriptor: number) => void
  /** The end to read from and the end to write to. */
  export const pipe: (readerBlocks: boolean, writerBlocks: boolean) => readonly [reader: number, writer: number]
  /**
   * Waits at most so many milliseconds until descriptors can be read, or written where they are given as `-1 - descriptor`.
   * Returns those that can be, as they were given.
   */
  export const poll: (descriptors: ReadonlyArray<number>, milliseconds?: number) => ReadonlyArray<number>
  export const isTerminal: (descriptor: number) => boolean
  export const windowSize: (descriptor: number) => readonly [columns: number, rows: number]
  /** Whether a terminal gives each key at once, without an echo and without signals. */
  export const setRawMode: (descriptor: number, raw: boolean) => void

  // files.rs

  export const access: (path: string, readable: boolean, writable: boolean) => void
  export const changeMode: (path: string, mode: number) => void
  export const changeOwner: (path: string, user: number, group: number) => void
  /** Content and permissions. */
  export const copyFile: (from: string, to: string) => void
  export const link: (from: string, to: string) => void
  export const makeDirectory: (path: string, mode: number) => void
  /** `flags` as in `open(2)`. */
  export const open: (path: string, flags: number, mode: number) => number
  /** The names in the order of their bytes, or each followed by the letter of its kind, one of `-dlpscb?`. */
  export const readDirectory: (path: string, kinds: boolean) => Array<string>
  export const readFile: (path: string) => ArrayBuffer
  export const readLink: (path: string) => string
  export const realPath: (path: string) => string
  export const rename: (from: string, to: string) => void
  export const removeDirectory: (path: string) => void
  export const removeTree: (path: string) => void
  /** In seconds since 1970. */
  export const setTimes: (path: string, accessed: number, modified: number) => void
  /** Fills the space of `FileInfo.ts`. */
  export const stat: (path: string, follow: boolean, into: Uint8Array) => void
  export const statDescriptor: (descriptor: number, into: Uint8Array) => void
  export const symlink: (target: string, path: string) => void
  export const truncate: (path: string, length: number) => void
  export const truncateDescriptor: (descriptor: number, length: number) => void
  export const unlink: (path: string) => void

  // fetch.rs

  /** Starts a request, its headers as names and values in turn. Returns a descriptor to read its answer from. */
  export const fetch: (url: string, method: string, headers: ReadonlyArray<string>) => number

  // hash.rs

  /** Begins a digest and returns the number by which it is continued and ended. */
  export const hashStart: (algorithm: "sha1" | "sha256" | "sha512-256") => number
  export const hashUpdate: (hash: number, bytes: Uint8Array) => void
  export const hashEnd: (hash: number) => ArrayBuffer

  // process.rs

  /** The caller's arguments. */
  const callerArguments: () => ReadonlyArray<string>
  export { callerArguments as arguments }
  /** As Node names it: `x64` or `arm64`. */
  export const architecture: () => string
  /** Frees what nobody uses, and gives the memory back. */
  export const collectGarbage: () => void
  export const environment: () => Record<string, string>
  export const exit: (code: number) => never
  export const groupId: () => number
  /** Milliseconds since the start of this process. */
  export const now: () => number
  export const processId: () => number
  /** Fills an array with random bytes. */
  export const random: (into: Uint8Array) => void
  /** Does nothing, for so many milliseconds. */
  export const sleep: (milliseconds: number) => void
  export const userId: () => number
  /** `undefined` where it was removed. */
  export const workingDirectory: () => string | undefined

  // signals.rs

  /** From now on these signals do nothing but make the descriptor readable that is returned. */
  export const catchSignals: (numbers: ReadonlyArray<number>) => number
  /** The number of the next signal, 0 if there is none. */
  export const readSignal: (descriptor: number) => number
  /** Gives signals their effect again. */
  export const releaseSignals: (numbers: ReadonlyArray<number>) => void
  export const kill: (process: number, signal: number) => void
  /** Sends a signal to the whole group that the process leads. */
  export const killGroup: (process: number, signal: number) => void

  // spawn.rs

  /**
   * Starts a program. `variables` are as `NAME=value`, `descriptors` are ours for its 0, 1, 2 and so on, or -1. Returns its number,
   * and a descriptor that becomes readable when it has ended and not before.
   */
  export const spawn: (
    program: string,
    args: ReadonlyArray<string>,
    variables: ReadonlyArray<string>,
    descriptors: ReadonlyArray<number>,
    directory: string | undefined,
    ownSession: boolean
  ) => readonly [process: number, ended: number]
  /** How a child ended: its exit code, and the number of the signal that ended it, or 0. */
  export const reap: (process: number) => readonly [exitCode: number, signal: number]

  // urls.rs

  /** An address, part by part, as `URL` names them. */
  export interface UrlParts {
    readonly hash: string
    readonly host: string
    readonly hostname: string
    readonly href: string
    readonly origin: string
    readonly password: string
    readonly pathname: string
    readonly port: string
    readonly protocol: string
    readonly search: string
    readonly username: string
  }

  /** `undefined` if it is not a valid address. */
  export const parseUrl: (text: string, base?: string) => UrlParts | undefined
  /** Sets one part. A value that the part cannot have leaves it as it is. */
  export const changeUrl: (href: string, part: keyof UrlParts, value: string) => UrlParts
}
