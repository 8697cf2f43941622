/** Services in which the n-th call fails, counted from 1: what a start does then has to be right for each n. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as PlatformError from "effect/PlatformError"

/** Counts calls, and says which one fails. */
export class Fault {
  /** Names of the calls, in their order. */
  readonly calls: Array<string> = []
  readonly n: number

  constructor(n: number) {
    this.n = n
  }

  /** Whether this call fails. */
  isNext(name: string): boolean {
    return this.calls.push(name) === this.n
  }

  /** Whether there was such a call. */
  get isReached(): boolean {
    return this.calls.length >= this.n
  }
}

/** What a full disk says. */
export const fullDisk = PlatformError.systemError({
  _tag: "Unknown",
  module: "FileSystem",
  method: "write",
  cause: new Error("ENOSPC: no space left on device")
})

/** A file system whose n-th call fails. Calls for files that are open are not counted. */
export const faultyFiles = (fs: FileSystem.FileSystem, fault: Fault): FileSystem.FileSystem =>
  new Proxy(fs, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key)
      if (typeof key !== "string" || typeof value !== "function") return value
      return (...args: ReadonlyArray<unknown>) =>
        Effect.suspend(() =>
          fault.isNext(key)
            ? Effect.fail(fullDisk)
            : value.apply(target, args) as Effect.Effect<unknown>
        )
    }
  })
