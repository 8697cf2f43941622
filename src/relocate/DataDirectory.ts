/**
 * Decides which data directory an image uses. `docs/directories.md` has the table of all cases,
 * `docs/decisions/0021-identity.md` the reasons.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { Identified } from "../image/Identity.ts"
import { notice } from "../Log.ts"
import {
  claim,
  type DirectoryState,
  imageFile,
  inspectDirectory,
  isOtherName,
  isOthers,
  make,
  removeAbandoned,
  siblings
} from "./DataFiles.ts"
import * as Notices from "./DataNotices.ts"
import { dataNames, type DataRecord, type ImageFile, isCurrent, pickSibling } from "./DataRecord.ts"
import { basename, chosenData, dataPlaces, dirname } from "./Directories.ts"
import type { Host } from "./Host.ts"
import { type Examine, problemOf, registeredHome } from "./TrustedDirectory.ts"

/** How a start gets its data directory. */
type Decision =
  | { readonly _tag: "Use"; readonly directory: string; readonly state: DirectoryState }
  /** Rename it to `to`, unless an instance runs on it; then it is used where it is. */
  | { readonly _tag: "Rename"; readonly from: string; readonly to: string }
  /** Make a new one. `notices` are functions of its path. */
  | { readonly _tag: "Make"; readonly parent: string; readonly name: string; readonly notices: ReadonlyArray<Notice> }
  | { readonly _tag: "Refuse"; readonly detail: string }

type Notice = (used: string) => string

interface Facts {
  readonly host: Host["Service"]
  readonly image: ImageFile
  /** Owner of the image file. */
  readonly owner: number
  /** Whether missing directories may be created. */
  readonly making: boolean
  readonly examine: Examine
  /** Directories in which none could be created. */
  readonly closed: ReadonlySet<string>
  /** The reasons why directories cannot be used. Each start prints a warning for the notable ones. */
  readonly problems: Map<string, Problem>
}

interface Problem {
  readonly text: string
  readonly notable: boolean
}

/** How often a start tries again because another start was faster. */
const attempts = 10

const nowhere = ({ problems }: Facts, tried: ReadonlyArray<string>): Decision => ({
  _tag: "Refuse",
  detail: Notices.nowhere(tried.map((path) => [path, (problems.get(path) ?? problems.get(dirname(path)))?.text]))
})

/** Reads the state of a directory, and records the reason if it cannot be used. */
const stateOf = Effect.fnUntraced(function*({ examine, host, image, making, problems }: Facts, directory: string) {
  const found = yield* inspectDirectory(directory, image, { examine, making, uid: host.uid })
  if (found._tag === "Unusable") problems.set(directory, { text: found.problem, notable: found.notable })
  return found
})

/** Whether something can be created in a directory, or at its future path. */
const isPlace = Effect.fnUntraced(function*({ examine, problems }: Facts, parent: string) {
  const judged = yield* examine(parent, "place")
  if (!judged.usable) problems.set(parent, { text: problemOf(judged), notable: judged.notable })
  return judged.usable
})

const use = (directory: string, found: DirectoryState): Decision => ({ _tag: "Use", directory, state: found })

const chosen = Effect.fnUntraced(function*(facts: Facts, directory: string) {
  const { image } = facts
  const found = yield* stateOf(facts, directory)
  switch (found._tag) {
    case "Foreign":
      return {
        _tag: "Refuse",
        detail: Notices.foreignChosen(directory, found.record as DataRecord, image.identity)
      } satisfies Decision as Decision
    case "Unusable":
      return nowhere(facts, [directory])
    case "Absent":
      if (!(yield* isPlace(facts, dirname(directory)))) return nowhere(facts, [directory])
      return {
        _tag: "Make",
        parent: dirname(directory),
        name: basename(directory),
        notices: []
      } satisfies Decision as Decision
    default:
      return use(directory, found)
  }
})

/**
 * Whether a data directory may be created in a directory. Others must not be able to change it. So root creates none in the
 * directory of another user, who could neither use nor remove it.
 */
const mayMake = Effect.fnUntraced(function*(facts: Facts, parent: string, isHome: boolean) {
  if (facts.closed.has(parent)) return false
  const fs = yield* FileSystem.FileSystem
  if (!isHome && !(yield* Effect.isSuccess(fs.access(parent, { writable: true })))) return false
  return yield* isPlace(facts, parent)
})

/** The image's data directory under a former name. */
const former = Effect.fnUntraced(function*(facts: Facts, place: string, isFree: boolean) {
  const { host, image } = facts
  if (image.identity === undefined) return { decision: undefined, several: undefined }
  const pick = pickSibling((yield* siblings(place, image, host.uid)).found)
  if (pick._tag === "None") return { decision: undefined, several: undefined }
  if (pick._tag === "Several") return { decision: undefined, several: pick.directories }
  const { directory } = pick.sibling
  if (pick._tag === "Rename" && isFree) {
    const decision: Decision = { _tag: "Rename", from: directory, to: `${place}/${dataNames(image)[0]}` }
    return { decision, several: undefined }
  }
  const found = yield* stateOf(facts, directory)
  return { decision: found._tag === "Ours" ? use(directory, found) : undefined, several: undefined }
})

/**
 * A directory in a later place that certainly belongs to this image. It is used before one is created in an earlier place.
 */
const elsewhere = Effect.fnUntraced(function*(facts: Facts, places: ReadonlyArray<string>) {
  const { image } = facts
  if (image.identity === undefined) return undefined
  for (const place of places) {
    let isFree = false
    for (const name of dataNames(image)) {
      const directory = `${place}/${name}`
      const found = yield* stateOf(facts, directory)
      if (name === dataNames(image)[0]) isFree = found._tag === "Absent"
      if (found._tag !== "Ours" || found.record === undefined) continue
      if (!(yield* isOthers(found.record, image))) return use(directory, found)
    }
    const { decision } = yield* former(facts, place, isFree)
    if (decision !== undefined) return decision
  }
  return undefined
})

/** The directory of the last start, if nothing has changed since. Most starts check nothing else. */
const same = Effect.fnUntraced(function*(facts: Facts, places: ReadonlyArray<string>) {
  const { image } = facts
  for (const place of places) {
    for (const name of dataNames(image)) {
      if (name === undefined) continue
      const directory = `${place}/${name}`
      const found = yield* stateOf(facts, directory)
      if (found._tag === "Ours" && isCurrent(found.record, image)) return use(directory, found)
      if (found._tag === "Ours" || found._tag === "Unclaimed") return undefined
    }
  }
  return undefined
})

const decide = Effect.fnUntraced(function*(facts: Facts) {
  const { host, image } = facts
  const directory = chosenData(host)
  if (directory !== undefined) return yield* chosen(facts, directory)
  const places = dataPlaces(host, image.path)
  const decision = yield* search(facts, places)
  if (decision._tag !== "Refuse") return decision
  // HOME may be another user's. The caller's real home costs a file to read, which happens only now.
  const home = yield* registeredHome(host.uid)
  const registered = `${home}/.local/share/flatimage`
  if (home === undefined || places.includes(registered)) return decision
  return yield* search(facts, [...places, registered])
})

/** Searches these places, best first. */
const search = Effect.fnUntraced(function*(facts: Facts, places: ReadonlyArray<string>) {
  const { host, image, owner } = facts
  const last = yield* same(facts, places)
  if (last !== undefined) return last
  const [usual, second] = dataNames(image)
  const notices: Array<Notice> = []
  const taken: Array<string> = []
  for (const [index, place] of places.entries()) {
    const directory = `${place}/${usual}`
    const found = yield* stateOf(facts, directory)
    if (found._tag === "Ours" || found._tag === "Unclaimed") return use(directory, found)
    if (found._tag === "Unusable") {
      const fs = yield* FileSystem.FileSystem
      const parent = yield* Effect.option(fs.stat(place))
      const isCallers = owner === host.uid || Option.exists(parent, ({ uid }) => Option.contains(uid, host.uid))
      if (isCallers && found.owner !== host.uid && !found.notable) {
        notices.push((used) => Notices.unusable(directory, found.problem, used))
      }
      continue
    }
    if (second !== undefined) {
      const own = yield* stateOf(facts, `${place}/${second}`)
      if (own._tag === "Ours") return use(`${place}/${second}`, own)
    }
    const { decision, several } = yield* former(facts, place, found._tag === "Absent")
    if (decision !== undefined) return decision
    if (several !== undefined) notices.push((used) => Notices.several(several, used))
    if (found._tag === "Foreign") {
      const record = found.record as DataRecord
      notices.push((used) => Notices.foreign(directory, record, image.identity, used))
      taken.unshift(place)
      continue
    }
    if (!(yield* mayMake(facts, place, index > 0))) continue
    const other = yield* elsewhere(facts, places.slice(index + 1))
    return other ?? ({ _tag: "Make", parent: place, name: usual, notices } satisfies Decision as Decision)
  }
  for (const place of taken) {
    if (second !== undefined && (yield* mayMake(facts, place, place !== dirname(image.path)))) {
      return { _tag: "Make", parent: place, name: second, notices } satisfies Decision as Decision
    }
  }
  return nowhere(facts, places.map((place) => `${place}/${usual}`))
})

/**
 * Records the image as the owner of the directory, unless that is recorded already. Returns false if another image was
 * faster.
 */
const settle = Effect.fnUntraced(function*(image: ImageFile, directory: string, found: DirectoryState) {
  if (found._tag === "Absent" || found._tag === "Unusable" || isCurrent(found.record, image)) return true
  if (found.record !== undefined && (yield* isOtherName(found.record, image))) return true
  if (found.damage !== undefined) yield* notice(Notices.damaged(directory, found.damage))
  return yield* claim(directory, image, found)
})

/** Renames a directory. Returns the reply of `fim adopt`. */
export type Adopt = (from: string, to: string) => Effect.Effect<string>

/** Warns that another directory is used instead of those that others could change. */
const warn = Effect.fnUntraced(function*(problems: Facts["problems"], used?: string) {
  for (const [directory, { notable, text }] of problems) {
    if (notable) yield* notice(Notices.unusable(directory, text, used))
  }
})

/**
 * Finds the data directory of an image, and creates it if necessary.
 *
 * @returns its absolute path; fails with a message if there is none
 */
export const dataDirectory = Effect.fn("DataDirectory.dataDirectory")(function*(
  host: Host["Service"],
  path: string,
  identified: Identified,
  { adopt, examine }: { readonly adopt: Adopt; readonly examine: Examine }
) {
  const closed = new Set<string>()
  for (let attempt = 0; attempt < attempts; attempt++) {
    const file = yield* imageFile(path, identified).pipe(Effect.mapError(({ message }) => message))
    const { image } = file
    const problems: Facts["problems"] = new Map()
    const facts = { host, ...file, making: true, examine, closed, problems }
    const decision = yield* Effect.mapError(decide(facts), ({ message }) => message)
    if (decision._tag === "Refuse") return yield* Effect.fail(decision.detail)
    if (decision._tag === "Use") {
      if (!(yield* settle(image, decision.directory, decision.state))) continue
      yield* warn(problems, decision.directory)
      return decision.directory
    }
    if (decision._tag === "Rename") {
      const { from, to } = decision
      const reply = yield* adopt(from, to)
      if (reply === "renamed") yield* notice(Notices.renamed(from, to))
      if (reply === "renamed" || reply === "taken" || reply === "gone") continue
      // An instance runs on it, or its parent directory is read-only.
      const found = yield* Effect.option(stateOf({ ...facts, making: false }, from))
      if (Option.exists(found, ({ _tag }) => _tag === "Ours")) return from
      continue
    }
    const { name, notices, parent } = decision
    const fs = yield* FileSystem.FileSystem
    const names = yield* Effect.orElseSucceed(fs.readDirectory(parent), () => [])
    yield* removeAbandoned(parent, names, yield* Clock.currentTimeMillis)
    const created = yield* Effect.result(make(parent, name, image, examine))
    if (created._tag === "Failure") {
      if (closed.has(parent)) return yield* Effect.fail(created.failure.message)
      closed.add(parent)
      if (chosenData(host) !== undefined) {
        problems.set(`${parent}/${name}`, { text: created.failure.message, notable: false })
        const refused = nowhere(facts, [`${parent}/${name}`])
        return yield* Effect.fail(refused._tag === "Refuse" ? refused.detail : "")
      }
      continue
    }
    if (!created.success) continue
    const directory = `${parent}/${name}`
    for (const line of notices) yield* notice(line(directory))
    yield* warn(problems, directory)
    return directory
  }
  return yield* Effect.fail(`the data directory of '${path}' was changed again and again by others; start again`)
})

/**
 * Finds the data directory of an image without creating, renaming or writing anything.
 *
 * @returns its absolute path; `undefined` if there is none yet
 */
export const presentData = Effect.fn("DataDirectory.presentData")(function*(
  host: Host["Service"],
  path: string,
  identified: Identified,
  examine: Examine
) {
  const file = yield* imageFile(path, identified).pipe(Effect.mapError(({ message }) => message))
  const problems: Facts["problems"] = new Map()
  const facts = { host, ...file, making: false, examine, closed: new Set<string>(), problems }
  const decision = yield* Effect.mapError(decide(facts), ({ message }) => message)
  yield* warn(problems, decision._tag === "Use" ? decision.directory : undefined)
  switch (decision._tag) {
    case "Use":
      return decision.directory
    case "Rename":
      return decision.from
    case "Make":
      return undefined
    case "Refuse":
      return chosenData(host) === undefined ? undefined : yield* Effect.fail(decision.detail)
  }
})
