import * as Effect from "effect/Effect"
import { notice } from "../Log.ts"
import type { Instance } from "../mount/Instance.ts"
import { type Bind, covered, sandboxDirectories } from "./Arguments.ts"
import type { SourceBind } from "./Sources.ts"

/** What is mounted on the guest's tree, and the home and working directory that are made there. */
export interface MountPoints {
  readonly binds: ReadonlyArray<Bind>
  readonly home: string | undefined
  readonly directory: string | undefined
}

/**
 * Finds where the guest's links lead, since bubblewrap mounts on none. The guest may have put anything there: what cannot be mounted
 * on is left out with a warning, so that no guest keeps its image from starting. Directories that every guest needs are made again,
 * and what was in their place is renamed. The lines are fatal ones by name only: a program's start shows no others.
 */
export const mountPoints = Effect.fn("MountPoints.mountPoints")(function*(
  instance: Pick<Instance["Service"], "prepareRoot">,
  { directory, home }: { readonly home: string; readonly directory: string | undefined },
  binds: ReadonlyArray<SourceBind>
) {
  const made = directory === undefined || directory === "/" ? [] : [directory]
  const { points, replaced } = yield* instance.prepareRoot({
    own: sandboxDirectories,
    covered,
    targets: [
      ...[home, ...made].map((path) => ({ path, isDirectory: true, hides: false })),
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
  const placeOfHome = home === "/" ? undefined : yield* placeOf(0, `The home directory '${home}'`)
  const [placeOfDirectory] = yield* Effect.forEach(
    made,
    (path, index) => placeOf(index + 1, `The working directory '${path}'`)
  )
  const placed: Array<Bind> = []
  for (const [index, { isDirectory: _, ...bind }] of binds.entries()) {
    const target = yield* placeOf(index + made.length + 1, `The mount on '${bind.target}'`)
    if (target !== undefined) placed.push({ ...bind, target })
  }
  return { binds: placed, home: placeOfHome, directory: placeOfDirectory } satisfies MountPoints
})
