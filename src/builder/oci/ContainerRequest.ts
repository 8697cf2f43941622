/** Checks a request for a container, before anything is done. */
import * as Effect from "effect/Effect"
import { type BuildError, buildError } from "../BuildError.ts"
import type { ContainerSource } from "./Containers.ts"
import { nameOf, parseReference, withPath } from "./Reference.ts"

/** What is asked for, as text. */
export interface ContainerRequest {
  readonly from: string
  readonly squash?: boolean | undefined
  /** A number of bytes, or one with K, M, G or T behind it. */
  readonly maxSize?: string | undefined
  readonly realms?: ReadonlyArray<string> | undefined
  readonly refresh: boolean
}

const refused = (detail: string) => buildError("Refused", { detail })

/** Largest container by default, in bytes. */
const usualSize = 64 * 2 ** 30

const sizeOf = (text: string): number | undefined => {
  const [, digits, unit] = /^(\d{1,15})([KMGT]?)(?:i?B)?$/i.exec(text) ?? []
  const size = Number(digits) * 1024 ** "_KMGT".indexOf(unit === undefined || unit === "" ? "_" : unit.toUpperCase())
  return Number.isSafeInteger(size) && size > 0 ? size : undefined
}

/**
 * The container that a request names, and a name for its image. Fails with `BuildError`.
 *
 * @param absolute makes a path absolute
 */
export const containerSource = Effect.fnUntraced(function*(
  { from, maxSize, realms, refresh, squash }: ContainerRequest,
  absolute: (path: string) => string
): Effect.fn.Return<{ readonly name: string; readonly source: ContainerSource }, BuildError> {
  const reference = yield* Effect.mapError(Effect.fromResult(parseReference(from)), refused)
  const size = maxSize === undefined ? usualSize : sizeOf(maxSize)
  if (size === undefined) return yield* refused(`the size ${maxSize} is not a number of bytes, as 500M or 20G`)
  const strange = (realms ?? []).find((realm) => !/^[A-Za-z0-9.-]+(?::\d{1,5})?$/.test(realm))
  if (strange !== undefined) return yield* refused(`${strange} is not the name of a host: name it as auth.example.org`)
  return {
    name: nameOf(reference),
    source: {
      reference: withPath(reference, absolute),
      name: from,
      squash: squash ?? false,
      maxSize: size,
      realms: realms ?? [],
      refresh
    }
  }
})
