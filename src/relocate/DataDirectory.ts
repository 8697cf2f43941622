/**
 * Which data directory an image uses. The table of all cases is in `docs/directories.md`, the reasons are in
 * `docs/decisions/0021-identity.md`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { Identified } from "../image/Identity.ts"
import { notice } from "../Log.ts"
import {
  claim,
  imageFile,
  isOtherName,
  isOthers,
  type Judging,
  type Look,
  look,
  make,
  removeAbandoned,
  siblings
} from "./DataFiles.ts"
import * as Notices from "./DataNotices.ts"
import { dataNames, type DataRecord, type ImageFile, isCurrent, pickSibling } from "./DataRecord.ts"
import { basename, chosenData, dataPlaces, dirname } from "./Directories.ts"
import type { Host } from "./Host.ts"
import { type Claim, type Claimed, explain, registeredHome } from "./TrustedDirectory.ts"

/** What a start does to get its data directory. */
type Decision =
  | { readonly _tag: "Use"; readonly directory: string; readonly look: Look }
  /** To `to`, if nothing runs on it; else it is used where it is. */
  | { readonly _tag: "Rename"; readonly from: string; readonly to: string }
  /** `notices` are functions of the directory that is made. */
  | { readonly _tag: "Make"; readonly parent: string; readonly name: string; readonly notices: ReadonlyArray<Notice> }
  | { readonly _tag: "Refuse"; readonly detail: string }

type Notice = (used: string) => string

interface Facts {
  readonly host: Host["Service"]
  readonly image: ImageFile
  /** Of the file. */
  readonly owner: number
  readonly judging: Judging
  /** Directories in which none can be made, with the reason. */
  readonly closed: Map<string, string>
  /** Of directories that are passed over, what is said at each start. */
  readonly warnings: Set<string>
  /** A place for where no other can be used. */
  readonly resort: string | undefined
}

/** The directory at a path, and what it is to the image. */
const lookAt = ({ host, image, judging }: Facts, directory: string) => look(directory, image, host.uid, judging)

/** How often a start looks again because another one was faster. */
const attempts = 10

const nowhere = (problems: ReadonlyArray<string>): Decision => ({
  _tag: "Refuse",
  detail: `there is no data directory: ${problems.join("; ")}; set FIM_DIR_DATA to a directory of yours`
})

/** Why a directory is passed over. */
const problemOf = (directory: string, claimed: Claimed | undefined): string =>
  claimed === undefined ? `'${directory}' cannot be used` : explain(directory, claimed)

const use = (directory: string, found: Look): Decision => ({ _tag: "Use", directory, look: found })

const chosen = Effect.fnUntraced(function*(facts: Facts, directory: string) {
  const { closed, image } = facts
  const found = yield* lookAt(facts, directory)
  switch (found._tag) {
    case "Foreign":
      return {
        _tag: "Refuse",
        detail: Notices.foreignChosen(directory, found.record as DataRecord, image.identity)
      } satisfies Decision as Decision
    case "Unusable":
      return nowhere([problemOf(directory, found.claimed)])
    case "Absent":
      if (closed.size > 0) return nowhere([...closed.values()])
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
 * Whether a data directory may be made beside an image. Root makes none in the directory of another user: that user could
 * neither use nor remove it, and would have other data than before without a word.
 */
const mayMake = Effect.fnUntraced(function*({ closed, host }: Facts, parent: string, isHome: boolean) {
  if (closed.has(parent)) return false
  if (isHome) return true
  const fs = yield* FileSystem.FileSystem
  const refuse = (reason: string) => {
    closed.set(parent, `'${parent}' is not used: ${reason}`)
    return false
  }
  if (!(yield* Effect.isSuccess(fs.access(parent, { writable: true })))) return refuse("it cannot be written to")
  const isRoots = host.uid !== 0 || (yield* fs.stat(parent).pipe(
    Effect.map(({ uid }) => Option.contains(uid, 0)),
    Effect.orElseSucceed(() => false)
  ))
  return isRoots || refuse("it is the directory of another user, in whose way root's files would be")
})

/**
 * Notes that a directory cannot be used. The caller hears of it at each start where he can do something about it; of that of
 * another user, who has the image too, when one of his own is made.
 */
const passOver = Effect.fnUntraced(function*(
  { host, owner, warnings }: Facts,
  place: string,
  directory: string,
  found: Look & { readonly _tag: "Unusable" }
) {
  if (found.claimed?.notable !== true) return undefined
  const fs = yield* FileSystem.FileSystem
  const parent = yield* Effect.option(fs.stat(place))
  const isCallers = host.uid === 0 || owner === host.uid || found.owner === host.uid
    || Option.exists(parent, ({ uid }) => Option.contains(uid, host.uid))
  const line = Notices.passedOver(problemOf(directory, found.claimed))
  if (isCallers) warnings.add(line)
  return line
})

/** The directory by which an image finds its state under a name that it had before. */
const former = Effect.fnUntraced(function*(facts: Facts, place: string, isFree: boolean) {
  const { host, image } = facts
  if (image.identity === undefined) return { decision: undefined, several: undefined }
  const pick = pickSibling((yield* siblings(place, image, host.uid)).found)
  if (pick._tag === "None") return { decision: undefined, several: undefined }
  if (pick._tag === "Several") return { decision: undefined, several: pick.directories }
  const { directory } = pick.sibling
  const found = yield* lookAt(facts, directory)
  if (found._tag !== "Ours") {
    if (found._tag === "Unusable") yield* passOver(facts, place, directory, found)
    return { decision: undefined, several: undefined }
  }
  const decision: Decision = pick._tag === "Rename" && isFree
    ? { _tag: "Rename", from: directory, to: `${place}/${dataNames(image)[0]}` }
    : use(directory, found)
  return { decision, several: undefined }
})

/** What later places have that is certainly this image's, before one is made in an earlier place. */
const elsewhere = Effect.fnUntraced(function*(facts: Facts, places: ReadonlyArray<string>) {
  const { image } = facts
  if (image.identity === undefined) return undefined
  for (const place of places) {
    let isFree = false
    for (const name of dataNames(image)) {
      const directory = `${place}/${name}`
      const found = yield* lookAt(facts, directory)
      if (name === dataNames(image)[0]) isFree = found._tag === "Absent"
      if (found._tag !== "Ours" || found.record === undefined) continue
      if (!(yield* isOthers(found.record, image))) return use(directory, found)
    }
    const { decision } = yield* former(facts, place, isFree)
    if (decision !== undefined) return decision
  }
  return undefined
})

/** The directory of the last start, where nothing has changed since: all that most starts look at. */
const same = Effect.fnUntraced(function*(facts: Facts, places: ReadonlyArray<string>) {
  const { image } = facts
  for (const place of places) {
    for (const name of dataNames(image)) {
      if (name === undefined) continue
      const directory = `${place}/${name}`
      const found = yield* lookAt(facts, directory)
      if (found._tag === "Ours" && isCurrent(found.record, image)) return use(directory, found)
      if (found._tag === "Ours" || found._tag === "Unclaimed") return undefined
      if (found._tag === "Unusable") yield* passOver(facts, place, directory, found)
    }
  }
  return undefined
})

const decide = Effect.fnUntraced(function*(facts: Facts) {
  const { closed, host, image, resort } = facts
  const directory = chosenData(host)
  if (directory !== undefined) return yield* chosen(facts, directory)
  const usualPlaces = dataPlaces(host, image.path)
  const places = resort === undefined || usualPlaces.includes(resort) ? usualPlaces : [...usualPlaces, resort]
  const last = yield* same(facts, places)
  if (last !== undefined) return last
  const [usual, second] = dataNames(image)
  const notices: Array<Notice> = []
  const taken: Array<string> = []
  const problems: Array<string> = []
  for (const [index, place] of places.entries()) {
    const directory = `${place}/${usual}`
    const found = yield* lookAt(facts, directory)
    if (found._tag === "Ours" || found._tag === "Unclaimed") return use(directory, found)
    if (found._tag === "Unusable") {
      const line = yield* passOver(facts, place, directory, found)
      if (line !== undefined && !facts.warnings.has(line)) notices.push(() => line)
      problems.push(problemOf(directory, found.claimed))
      continue
    }
    if (second !== undefined) {
      const own = yield* lookAt(facts, `${place}/${second}`)
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
  return nowhere([...problems, ...closed.values()])
})

/** Says in the record who uses the directory, unless it says so. False when another image was faster. */
const settle = Effect.fnUntraced(function*(image: ImageFile, directory: string, found: Look) {
  if (found._tag === "Absent" || found._tag === "Unusable" || isCurrent(found.record, image)) return true
  if (found.record !== undefined && (yield* isOtherName(found.record, image))) return true
  if (found.damage !== undefined) yield* notice(Notices.damaged(directory, found.damage))
  return yield* claim(directory, image, found)
})

/** Renames a directory. The answer is what `fim adopt` says. */
export type Adopt = (from: string, to: string) => Effect.Effect<string>

/** Makes the data directory of an image if need be. Fails with a sentence where there is none. */
export const dataDirectory = Effect.fn("DataDirectory.dataDirectory")(function*(
  host: Host["Service"],
  path: string,
  identified: Identified,
  { adopt, claim: judge }: { readonly adopt: Adopt; readonly claim: Claim }
) {
  const closed = new Map<string, string>()
  const warnings = new Set<string>()
  const judging: Judging = { claim: judge, making: true }
  let resort: string | undefined
  const said = (directory: string) =>
    Effect.as(Effect.forEach(warnings, (line) => notice(line), { discard: true }), directory)
  for (let attempt = 0; attempt < attempts; attempt++) {
    const file = yield* imageFile(path, identified).pipe(Effect.mapError(({ message }) => message))
    const { image } = file
    const decision = yield* decide({ host, ...file, judging, closed, warnings, resort })
    if (decision._tag === "Refuse") {
      // HOME may be somebody else's, after `sudo` or `su`. The database of users is read only where nothing else can be used.
      const home = resort === undefined && chosenData(host) === undefined ? yield* registeredHome(host.uid) : undefined
      if (home === undefined) return yield* Effect.fail(decision.detail)
      resort = `${home}/.local/share/flatimage`
      continue
    }
    if (decision._tag === "Use") {
      if (yield* settle(image, decision.directory, decision.look)) return yield* said(decision.directory)
      continue
    }
    if (decision._tag === "Rename") {
      const { from, to } = decision
      const answer = yield* adopt(from, to)
      if (answer === "renamed") yield* notice(Notices.renamed(from, to))
      if (answer === "renamed" || answer === "taken" || answer === "gone") continue
      // An instance runs on it, or its parent directory cannot be written to.
      const found = yield* look(from, image, host.uid, { claim: judge, making: false })
      if (found._tag === "Ours") return yield* said(from)
      continue
    }
    const { name, notices, parent } = decision
    const fs = yield* FileSystem.FileSystem
    const names = yield* Effect.orElseSucceed(fs.readDirectory(parent), () => [])
    yield* removeAbandoned(parent, names, yield* Clock.currentTimeMillis)
    const directory = `${parent}/${name}`
    const made = yield* Effect.result(make(parent, name, image, judge))
    if (made._tag === "Failure") {
      if (closed.has(parent)) return yield* Effect.fail(made.failure.message)
      closed.set(parent, `'${directory}' cannot be made: ${made.failure.message}`)
      continue
    }
    if (made.success === "Taken") continue
    if (made.success !== "Made") {
      const problem = explain(directory, made.success)
      if (made.success.notable) warnings.add(Notices.passedOver(problem))
      if (closed.has(parent)) return yield* Effect.fail(problem)
      closed.set(parent, problem)
      continue
    }
    for (const line of notices) yield* notice(line(directory))
    return yield* said(directory)
  }
  return yield* Effect.fail(`the data directory of '${path}' was changed again and again by others; start again`)
})

/** The data directory of an image as it is: nothing is made, renamed or written. Absent where there is none yet. */
export const presentData = Effect.fn("DataDirectory.presentData")(function*(
  host: Host["Service"],
  path: string,
  identified: Identified,
  judge: Claim
) {
  const file = yield* imageFile(path, identified).pipe(Effect.mapError(({ message }) => message))
  const warnings = new Set<string>()
  const judging: Judging = { claim: judge, making: false }
  const decision = yield* decide({ host, ...file, judging, closed: new Map(), warnings, resort: undefined })
  yield* Effect.forEach(warnings, (line) => notice(line), { discard: true })
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
