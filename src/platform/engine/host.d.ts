/**
 * The host functions of the boot program, which `src/native/engine/src/host` implements. A call that fails throws the
 * kernel's error number. Names, arguments and variables may be any bytes: a byte that is not part of a UTF-8 character is a
 * lone surrogate, U+DC80 for 0x80 to U+DCFF for 0xFF.
 */
declare module "fim:host" {
  /** Version of this set of functions. */
  export const version: number

  // content.rs

  /** Encodes text as UTF-8. A lone surrogate becomes U+FFFD. */
  export const encode: (text: string) => ArrayBuffer
  /** Decodes UTF-8. Invalid bytes: `undefined` if `fatal`, otherwise replacement characters. */
  export const decode: (bytes: Uint8Array, fatal: boolean) => string | undefined
  /** The bytes of a name, an argument or a variable. */
  export const fromName: (name: string) => ArrayBuffer
  /** Converts bytes to a name, an argument or a variable. */
  export const toName: (bytes: Uint8Array) => string
  /** The bytes of a string in which each character stands for one byte. */
  export const fromLatin1: (text: string) => ArrayBuffer
  /** Converts each byte to one character. */
  export const toLatin1: (bytes: Uint8Array) => string
  /** Whether both have the same length and the same bytes. */
  export const equal: (left: Uint8Array, right: Uint8Array) => boolean

  // descriptors.rs

  export const close: (descriptor: number) => void
  /** Reads at `position`, or at the file's own position. Returns the number of bytes. */
  export const read: (descriptor: number, into: Uint8Array, position?: number) => number
  /** Writes at `position`, or at the file's own position. Returns the number of bytes. */
  export const write: (descriptor: number, bytes: Uint8Array, position?: number) => number
  /** Writes all bytes. Waits for a slow reader, also if the descriptor is non-blocking. Returns the error number, or 0. */
  export const writeWhole: (descriptor: number, bytes: Uint8Array) => number
  export const sync: (descriptor: number) => void
  /** Creates a pipe: the descriptor to read from and the one to write to. */
  export const pipe: (readerBlocks: boolean, writerBlocks: boolean) => readonly [reader: number, writer: number]
  /**
   * Waits until descriptors are ready, at most this many milliseconds. A descriptor to write to is given as `-1 -
   * descriptor`. Returns the ready ones, in the same form.
   */
  export const poll: (descriptors: ReadonlyArray<number>, milliseconds?: number) => ReadonlyArray<number>
  export const isTerminal: (descriptor: number) => boolean
  export const windowSize: (descriptor: number) => readonly [columns: number, rows: number]
  /** Switches raw mode of a terminal: each key at once, no echo, no signals. */
  export const setRawMode: (descriptor: number, raw: boolean) => void

  // files.rs

  export const access: (path: string, readable: boolean, writable: boolean) => void
  export const changeMode: (path: string, mode: number) => void
  export const changeOwner: (path: string, user: number, group: number) => void
  /** Copies content and permissions. */
  export const copyFile: (from: string, to: string) => void
  export const link: (from: string, to: string) => void
  export const makeDirectory: (path: string, mode: number) => void
  /** `flags` as in `open(2)`. */
  export const open: (path: string, flags: number, mode: number) => number
  /** The names, sorted by their bytes. With `kinds`, each is followed by the letter of its type, one of `-dlpscb?`. */
  export const readDirectory: (path: string, kinds: boolean) => Array<string>
  export const readFile: (path: string) => ArrayBuffer
  export const readLink: (path: string) => string
  export const realPath: (path: string) => string
  export const rename: (from: string, to: string) => void
  export const removeDirectory: (path: string) => void
  export const removeTree: (path: string) => void
  /** Times in seconds since 1970. */
  export const setTimes: (path: string, accessed: number, modified: number) => void
  /** Fills the buffer of `FileInfo.ts`. */
  export const stat: (path: string, follow: boolean, into: Uint8Array) => void
  export const statDescriptor: (descriptor: number, into: Uint8Array) => void
  export const symlink: (target: string, path: string) => void
  export const truncate: (path: string, length: number) => void
  export const truncateDescriptor: (descriptor: number, length: number) => void
  export const unlink: (path: string) => void

  // fetch.rs

  /** Starts a request. `headers` alternate between names and values. Returns a descriptor to read the response from. */
  export const fetch: (url: string, method: string, headers: ReadonlyArray<string>) => number

  // hash.rs

  /** Starts a digest and returns its number. */
  export const hashStart: (algorithm: "sha1" | "sha256" | "sha512-256") => number
  export const hashUpdate: (hash: number, bytes: Uint8Array) => void
  export const hashEnd: (hash: number) => ArrayBuffer

  // process.rs

  /** The caller's arguments. */
  const callerArguments: () => ReadonlyArray<string>
  export { callerArguments as arguments }
  /** Node's name of the processor: `x64` or `arm64`. */
  export const architecture: () => string
  export const changeDirectory: (path: string) => void
  /** Collects garbage and returns memory to the system. */
  export const collectGarbage: () => void
  export const environment: () => Record<string, string>
  export const exit: (code: number) => never
  export const groupId: () => number
  /** Milliseconds since the start of this process. */
  export const now: () => number
  export const processId: () => number
  /** Fills an array with random bytes. */
  export const random: (into: Uint8Array) => void
  /** Sleeps for this many milliseconds. */
  export const sleep: (milliseconds: number) => void
  export const userId: () => number
  /** `undefined` if it was removed. */
  export const workingDirectory: () => string | undefined

  // signals.rs

  /** From now on these signals only make the returned descriptor readable. */
  export const catchSignals: (numbers: ReadonlyArray<number>) => number
  /**
   * The number of the next signal, or 0 if there is none. Signals that the kernel sends to a process for what it does itself, such as
   * SIGPIPE, count only if another process has sent them.
   */
  export const readSignal: (descriptor: number) => number
  /** Stops this process by a signal. Does nothing where the kernel ignores it because nobody could continue the process. */
  export const stop: (signal: number) => void
  /** Restores the effect of signals. */
  export const releaseSignals: (numbers: ReadonlyArray<number>) => void
  export const kill: (process: number, signal: number) => void
  /** Sends a signal to the process group that the process leads. */
  export const killGroup: (process: number, signal: number) => void

  // spawn.rs

  /**
   * Starts a program. `variables` are `NAME=value`. `descriptors` are ours for its 0, 1, 2 and so on, or -1 for none.
   * Returns its pid, and a descriptor that becomes readable only when it has ended.
   */
  export const spawn: (
    program: string,
    args: ReadonlyArray<string>,
    variables: ReadonlyArray<string>,
    descriptors: ReadonlyArray<number>,
    directory: string | undefined,
    ownSession: boolean
  ) => readonly [process: number, ended: number]
  /** The end of a child: its exit code, and the number of the signal that ended it, or 0. */
  export const reap: (process: number) => readonly [exitCode: number, signal: number]

  // urls.rs

  /** A URL, with the fields of `URL`. */
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

  /** `undefined` for an invalid URL. */
  export const parseUrl: (text: string, base?: string) => UrlParts | undefined
  /** Sets one field. An invalid value leaves the URL unchanged. */
  export const changeUrl: (href: string, part: keyof UrlParts, value: string) => UrlParts
}
