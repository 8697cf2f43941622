/** Streams and sinks of Effect on descriptors. */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as host from "fim:host"
import { whenReadable, whenWritable } from "./Loop.ts"
import { attempt, errno, type Failing } from "./SystemError.ts"

const isFor = (error: PlatformError.PlatformError, number: number): boolean => {
  const { cause } = error.reason
  return cause instanceof Error && "errno" in cause && cause.errno === -number
}

const when = (watch: typeof whenReadable, descriptor: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const cancel = watch(descriptor, () => {
      cancel()
      resume(Effect.void)
    })
    return Effect.sync(cancel)
  })

/** Waits until a descriptor is readable or at its end. */
const readable = (descriptor: number): Effect.Effect<void> => when(whenReadable, descriptor)

/** Retries calls that were interrupted or would block. */
const again = <A>(wait: Effect.Effect<void>, retry: () => Failing<A>) => (error: PlatformError.PlatformError) => {
  if (isFor(error, errno.EAGAIN)) return Effect.flatMap(wait, retry)
  return isFor(error, errno.EINTR) ? retry() : Effect.fail(error)
}

const chunkSize = 64 * 1024

/** A stream from a descriptor, which may be blocking: it is read only when data is available. */
export const stream = (module: string, descriptor: number): Stream.Stream<Uint8Array, PlatformError.PlatformError> => {
  const space = new Uint8Array(chunkSize)
  const chunk = (): Failing<Uint8Array> =>
    Effect.andThen(
      readable(descriptor),
      attempt(module, "read", descriptor, () => space.slice(0, host.read(descriptor, space)))
    ).pipe(Effect.catch(again(Effect.void, chunk)))
  const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, PlatformError.PlatformError> = Effect.flatMap(
    Effect.suspend(chunk),
    (bytes) => bytes.length === 0 ? Cause.done() : Effect.succeed(Arr.of(bytes))
  )
  return Stream.fromPull(Effect.succeed(pull))
}

/** Writes all bytes to a non-blocking descriptor, as its reader takes them. */
export const writeAll = (module: string, descriptor: number, bytes: Uint8Array): Failing<void> => {
  let written = 0
  const rest = (): Failing<void> =>
    Effect.suspend(() =>
      written === bytes.length
        ? Effect.void
        : Effect.flatMap(
          attempt(module, "write", descriptor, () => {
            written += host.write(descriptor, written === 0 ? bytes : bytes.subarray(written))
          }),
          rest
        )
    ).pipe(Effect.catch(again(when(whenWritable, descriptor), rest)))
  return rest()
}
