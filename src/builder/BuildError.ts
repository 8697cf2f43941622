import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import * as Runtime from "effect/Runtime"

/** The reasons why a build fails. */
type Reason = Data.TaggedEnum<{
  /** A program of the machine is not installed. */
  ProgramMissing: { readonly program: string; readonly remedy: string }
  /** A program failed; `output` is the end of its standard error. */
  ProgramFailed: { readonly command: string; readonly exitCode: number; readonly output: string }
  /** A file cannot be read or written. */
  File: { readonly path: string; readonly detail: string }
  /** Debian's packages cannot be fetched. */
  NoMirror: { readonly detail: string }
  /** The mirror no longer has the locked version. */
  PackageGone: { readonly name: string; readonly version: string; readonly detail: string }
  /** A file does not match the lock. */
  Tampered: { readonly path: string; readonly expected: string; readonly actual: string }
  /** A file cannot be fetched. */
  Unreachable: { readonly url: string; readonly detail: string }
  /** A signature is missing or wrong, or its key is not trusted. */
  Untrusted: { readonly path: string; readonly detail: string }
  /** The requested packages do not exist, or cannot be installed together. */
  Unresolved: { readonly detail: string }
  /** A definition file requests something impossible. */
  Definition: { readonly path: string; readonly detail: string }
  /** The lock file cannot be read. */
  LockInvalid: { readonly path: string; readonly detail: string }
  /** No locked package contains a library that a tool needs. */
  LibraryMissing: { readonly library: string; readonly neededBy: string }
  /** A program or library is not valid. */
  BadBinary: { readonly path: string; readonly detail: string }
  /** An archive would write outside its directory. */
  UnsafeArchive: { readonly archive: string; readonly member: string; readonly detail: string }
  /** A part of the project has not been built yet. */
  NotMade: { readonly path: string; readonly remedy: string }
  /** The request cannot be fulfilled. */
  Refused: { readonly detail: string }
}>
const Reason = Data.taggedEnum<Reason>()

const text = Reason.$match({
  ProgramMissing: (r) => `${r.program} is not installed: ${r.remedy}`,
  ProgramFailed: (r) => `${r.command} failed with ${r.exitCode}${r.output === "" ? "" : `: ${r.output}`}`,
  File: (r) => `${r.path}: ${r.detail}`,
  NoMirror: (r) => `Debian's packages cannot be fetched: ${r.detail}`,
  PackageGone: (r) =>
    `the mirror does not have ${r.name} ${r.version} (${r.detail}): run "flatimage tools lock" to lock the versions it has`,
  Tampered: (r) => `${r.path} is not the locked file: its SHA-256 is ${r.actual}, not ${r.expected}`,
  Unreachable: (r) => `${r.url} cannot be fetched: ${r.detail}`,
  Untrusted: (r) => `${r.path} is not trusted: ${r.detail}`,
  Unresolved: (r) => r.detail,
  Definition: (r) => `${r.path}: ${r.detail}`,
  LockInvalid: (r) => `${r.path} is not valid: ${r.detail}`,
  LibraryMissing: (r) =>
    `no locked package has ${r.library}, which ${r.neededBy} needs: run "flatimage tools lock" to lock it`,
  BadBinary: (r) => `${r.path}: ${r.detail}`,
  UnsafeArchive: (r) => `${r.archive} is refused: ${r.member} ${r.detail}`,
  NotMade: (r) => `${r.path} does not exist: run ${r.remedy}`,
  Refused: (r) => r.detail
})

/** The error of a build. Its message is one sentence that says what to do. */
export class BuildError extends Data.TaggedError("BuildError")<{ readonly reason: Reason; readonly cause?: unknown }> {
  override readonly [Runtime.errorExitCode] = 125

  override get message(): string {
    return text(this.reason)
  }
}

/** Makes a `BuildError` with the given reason. */
export const buildError = <Tag extends Reason["_tag"]>(
  _tag: Tag,
  fields: Omit<Extract<Reason, { readonly _tag: Tag }>, "_tag">,
  cause?: unknown
): BuildError => {
  // Both parts together are a member of the union, which the compiler cannot derive from the type parameter.
  const reason = { _tag, ...fields } as unknown as Reason
  return new BuildError({ reason, cause })
}

const systemText = (error: PlatformError): string => {
  const reason = error.reason
  switch (reason._tag) {
    case "NotFound":
      return "no such file or directory"
    case "PermissionDenied":
      return "permission denied"
    case "AlreadyExists":
      return "exists already"
    default: {
      // The system's message contains details that the classification lacks, such as a full disk.
      const cause = "cause" in reason ? reason.cause : undefined
      return cause instanceof Error ? cause.message : error.message
    }
  }
}

/** Converts a file system failure at `path` to a `BuildError`. */
export const atPath = (path: string) =>
  Effect.mapError((error: PlatformError) => buildError("File", { path, detail: systemText(error) }))
