/** Converts kernel errors to Effect's, with the classification of Effect's layers for Node. */
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"

/** An effect that may fail with a `PlatformError`. */
export type Failing<A> = Effect.Effect<A, PlatformError.PlatformError>

const tags: Readonly<Record<number, PlatformError.SystemErrorTag>> = {
  1: "PermissionDenied",
  2: "NotFound",
  13: "PermissionDenied",
  16: "Busy",
  17: "AlreadyExists",
  20: "BadResource",
  21: "BadResource",
  40: "BadResource"
}

/** Texts of the errors that a user may see. */
const names: Readonly<Record<number, string>> = {
  1: "EPERM: operation not permitted",
  2: "ENOENT: no such file or directory",
  3: "ESRCH: no such process",
  4: "EINTR: interrupted system call",
  5: "EIO: i/o error",
  7: "E2BIG: argument list too long",
  8: "ENOEXEC: exec format error",
  9: "EBADF: bad file descriptor",
  10: "ECHILD: no child process",
  11: "EAGAIN: resource temporarily unavailable",
  12: "ENOMEM: not enough memory",
  13: "EACCES: permission denied",
  16: "EBUSY: resource busy or locked",
  17: "EEXIST: file already exists",
  18: "EXDEV: cross-device link not permitted",
  19: "ENODEV: no such device",
  20: "ENOTDIR: not a directory",
  21: "EISDIR: illegal operation on a directory",
  22: "EINVAL: invalid argument",
  23: "ENFILE: file table overflow",
  24: "EMFILE: too many open files",
  25: "ENOTTY: inappropriate ioctl for device",
  26: "ETXTBSY: text file is busy",
  27: "EFBIG: file too large",
  28: "ENOSPC: no space left on device",
  29: "ESPIPE: invalid seek",
  30: "EROFS: read-only file system",
  31: "EMLINK: too many links",
  32: "EPIPE: broken pipe",
  36: "ENAMETOOLONG: name too long",
  38: "ENOSYS: function not implemented",
  39: "ENOTEMPTY: directory not empty",
  40: "ELOOP: too many symbolic links encountered",
  75: "EOVERFLOW: value too large for defined data type",
  95: "EOPNOTSUPP: operation not supported",
  107: "ENOTCONN: socket is not connected",
  116: "ESTALE: stale file handle",
  117: "EUCLEAN: structure needs cleaning",
  122: "EDQUOT: disk quota exceeded"
}

/** Error numbers that callers compare. */
export const errno = { EINTR: 4, EAGAIN: 11, ENOTDIR: 20, EINVAL: 22, EPIPE: 32 } as const

/** The text of an error as in Node, such as `ENOSPC: no space left on device`. */
const describe = (number: number): string => names[number] ?? `error ${number}`

/** The short name of an error, such as `ENOSPC`. */
export const codeOf = (number: number): string => describe(number).split(":", 1)[0] ?? ""

/** The error of a method. `thrown` is the error number that a host function threw. */
export const failure = (
  module: string,
  method: string,
  place: string | number | undefined,
  thrown: unknown
): PlatformError.PlatformError => {
  if (typeof thrown !== "number") return PlatformError.badArgument({ module, method, description: String(thrown) })
  if (thrown === errno.EINVAL && typeof place === "string" && place.includes("\0")) {
    return PlatformError.badArgument({ module, method, description: "the path has a zero byte in it" })
  }
  return PlatformError.systemError({
    _tag: tags[thrown] ?? "Unknown",
    module,
    method,
    pathOrDescriptor: place,
    // The tag alone would not explain the error.
    ...(tags[thrown] === undefined ? { description: describe(thrown) } : {}),
    cause: Object.assign(new Error(describe(thrown)), { code: codeOf(thrown), errno: -thrown })
  })
}

/** Calls host functions synchronously. Fails with what they throw. */
export const attempt = <A>(
  module: string,
  method: string,
  place: string | number | undefined,
  call: () => A
): Failing<A> => Effect.try({ try: call, catch: (thrown) => failure(module, method, place, thrown) })
