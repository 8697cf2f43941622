import * as Effect from "effect/Effect"
import { notice } from "../Log.ts"
import type { Instance } from "../mount/Instance.ts"
import { type Bind, covered, sandboxDirectories } from "./Arguments.ts"
import type { SourceBind } from "./Sources.ts"

/** What is mounted on the guest's tree, and the home that is made there. */
export interface MountPoints {
  readonly binds: ReadonlyArray<Bind>
  readonly home: string | undefined
}

/**
 * Finds where the guest's links lead, since bubblewrap mounts on none. The guest may have put anything there: what cannot be mounted
 * on is left out with a warning, so that no guest keeps its image from starting. Directories that every guest needs are made again,
 * and what was in their place is renamed. The lines are fatal ones by name only: a program's start shows no others.
 */
export const mountPoints = Effect.fn("MountPoints.mountPoints")(function*(
  instance: Pick<Instance["Service"], "prepareRoot">,
  home: string,
  binds: ReadonlyArray<SourceBind>
) {
  const { points, replaced } = yield* instance.prepareRoot({
    own: sandboxDirectories,
    covered,
    targets: [
      { path: home, isDirectory: true, hides: false },
      ...binds.map(({ isDirectory, target }) => ({ path: target, isDirectory, hides: true }))
    ]
  })
  for (const { from, to } of replaced) {
    yield* notice(`The guest had no directory at '${from}'; what was there is now '${to}'`)
  }
  const placeOf = Effect.fnUntraced(function*(index: number, what: string) {
    const point = points[index]
    if (point !== undefined && "place" in point) return point.place
    yield* notice(`${what} is left out: in the guest ${point?.refused ?? "it has no place"}`)
    return undefined
  })
  const made = home === "/" ? undefined : yield* placeOf(0, `The home directory '${home}'`)
  const placed: Array<Bind> = []
  for (const [index, { isDirectory: _, ...bind }] of binds.entries()) {
    const target = yield* placeOf(index + 1, `The mount on '${bind.target}'`)
    if (target !== undefined) placed.push({ ...bind, target })
  }
  return { binds: placed, home: made } satisfies MountPoints
})
