/** Integrates an image into the caller's desktop, updates it after a move, and removes it again. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { toJson } from "../image/Json.ts"
import { ReservedSpace } from "../image/ReservedSpace.ts"
import type { ReservedSpaceError } from "../image/ReservedSpaceError.ts"
import type { Desktop } from "../image/Settings.ts"
import { NativeBytes } from "../platform/NativeBytes.ts"
import type { Posix } from "../platform/Posix.ts"
import { sha256 } from "../platform/Sha256.ts"
import type { Host } from "../relocate/Host.ts"
import { examineBy } from "../relocate/TrustedDirectory.ts"
import { type Claim, claimOf } from "./Claim.ts"
import { DesktopError, filesError } from "./DesktopError.ts"
import { DesktopFiles } from "./DesktopFiles.ts"
import { DesktopImage } from "./DesktopImage.ts"
import { isEntryOf } from "./Entry.ts"
import { HostDatabases } from "./HostDatabases.ts"
import { IconConverter } from "./IconConverter.ts"
import { isTypeOf } from "./MimeType.ts"
import { type Identity, identityOf, nameProblem, pathProblem } from "./Names.ts"
import { entryPath, type PlannedFile, planOf, typePath } from "./Plan.ts"
import { type Record, Records } from "./Records.ts"

/** The integration of one image into the caller's desktop. */
export class DesktopIntegration extends Context.Service<DesktopIntegration, {
  /** Creates the files of enabled integrations and removes those of disabled ones. Cheap if nothing has changed. */
  readonly refresh: (desktop: Desktop) => Effect.Effect<Identity, DesktopError | ReservedSpaceError>
  /** Removes all files that this image has created. Fails if there are none and `desktop` is absent. */
  readonly clean: (desktop: Desktop | undefined) => Effect.Effect<boolean, DesktopError>
  /** The names that the image has, or would get. */
  readonly identity: (desktop: Desktop) => Effect.Effect<Identity, DesktopError>
}>()("flatimage/desktop/Integration/DesktopIntegration") {
  static readonly layer: Layer.Layer<
    DesktopIntegration,
    never,
    FileSystem.FileSystem | NativeBytes | Posix | Host | DesktopImage | ReservedSpace | ChildProcessSpawner
  > = Layer.effect(DesktopIntegration, Effect.suspend(() => make())).pipe(
    Layer.provide(Layer.mergeAll(DesktopFiles.layer, HostDatabases.layer, IconConverter.layer)),
    Layer.provide(Records.layer)
  )
}

/** Removes duplicates and keeps the order. */
const distinct = (words: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(words)]

const filesOf = (entries: Claim["own"]): ReadonlyArray<string> =>
  distinct(entries.flatMap(({ record }) => record.files))

/** The paths that no other image has. */
const unique = (paths: ReadonlyArray<string>, others: Claim["others"]): ReadonlyArray<string> => {
  const shared = new Set(filesOf(others))
  return paths.filter((path) => !shared.has(path))
}

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const native = yield* NativeBytes
  const { fim, path: image } = yield* DesktopImage
  const examine = yield* examineBy(fim)
  const space = yield* ReservedSpace
  const records = yield* Records
  const files = yield* DesktopFiles
  const databases = yield* HostDatabases
  const converter = yield* IconConverter

  /** Nothing is written to a data home that others could change: after `sudo` it may be another user's. */
  const checkHome = Effect.gen(function*() {
    const home = yield* records.home
    const { reason, remedy, usable } = yield* examine(home, "place").pipe(Effect.mapError(filesError(home)))
    if (usable) return
    const advice = `${remedy === null ? "" : `${remedy}, or `}set XDG_DATA_HOME to a directory of yours`
    return yield* new DesktopError({ reason: "Files", detail: `${reason ?? `'${home}' cannot be used`}; ${advice}` })
  })

  const stateOf = Effect.fnUntraced(function*(desktop: Desktop) {
    const info = yield* fs.stat(image).pipe(Effect.mapError(filesError(image)))
    const time = info.mtime._tag === "Some" ? info.mtime.value.getTime() : 0
    return `${info.size} ${time} ${sha256(native, toJson(desktop))}`
  })

  /** Whether a file that no image has created uses the plain name of an entry or a type. */
  const isTaken = Effect.fnUntraced(function*(name: string) {
    const identity = identityOf(native, name)
    const [entry, type] = yield* Effect.all([files.read(entryPath(identity)), files.read(typePath(identity))])
    return (entry !== undefined && !isEntryOf(name, entry)) || (type !== undefined && !isTypeOf(identity, type))
  })

  /** The identities that this image has and had, the present one first. */
  const identities = Effect.map(
    space.read("extension"),
    ({ formerly = [], identity }) => identity === undefined ? formerly : [identity, ...formerly]
  ).pipe(
    Effect.orElseSucceed((): ReadonlyArray<string> => [])
  )

  const claim = Effect.fnUntraced(function*(name: string) {
    const all = yield* records.all
    const there = yield* Effect.filter(
      distinct(all.map(({ record }) => record.image)),
      (path) => Effect.orElseSucceed(Effect.map(fs.stat(path), ({ type }) => type === "File"), () => false)
    )
    return claimOf(native, {
      name,
      image,
      records: all,
      isThere: (path) => there.includes(path),
      isTaken: yield* isTaken(name),
      identities: yield* identities
    })
  })

  const updateDatabases = Effect.fnUntraced(function*(changed: ReadonlyArray<string>, tell: boolean) {
    const home = yield* records.home
    const isIn = (prefix: string) => changed.some((path) => path.startsWith(prefix))
    if (isIn("mime/")) {
      if (tell) yield* Effect.logInfo(`Updating mime database '${home}'`)
      yield* databases.updateTypes(home)
    }
    if (isIn("applications/")) yield* databases.updateEntries(home)
    if (isIn("icons/")) yield* databases.updateIcons(home)
  })

  /** The missing resized icons, or all of them if the picture has changed. */
  const convertedIcons = Effect.fnUntraced(function*(
    plan: ReadonlyArray<PlannedFile>,
    icon: NonNullable<Effect.Success<ReturnType<typeof readIcon>>>,
    isNew: boolean
  ) {
    if (icon.extension === "svg" && isNew) yield* converter.check(icon)
    const sizes = new Set<number>()
    for (const { content, path } of plan) {
      if (typeof content === "string" || content.size === undefined) continue
      if (isNew || !(yield* files.exists(path))) sizes.add(content.size)
    }
    return sizes.size === 0 ? new Map<number, Uint8Array>() : yield* converter.convert(icon, [...sizes])
  })

  const readIcon = Effect.fnUntraced(function*(desktop: Desktop) {
    return desktop.integrations.includes("ICON") ? yield* space.read("icon") : undefined
  })

  const integrate = Effect.fnUntraced(function*(desktop: Desktop, state: string) {
    const { apart, identity, others, own } = yield* claim(desktop.name)
    yield* Effect.logDebug(`Integrating '${identity.file}' into the desktop`)
    const icon = yield* readIcon(desktop)
    const digest = icon === undefined ? "" : sha256(native, icon.data)
    const known = own.find(({ key }) => key === identity.file)?.record
    const whole = planOf({ desktop, identity, image, icon: icon?.extension })
    const isNew = known?.icon !== digest
    const icons = icon === undefined ? new Map<number, Uint8Array>() : yield* convertedIcons(whole, icon, isNew).pipe(
      // Everything else works without icons.
      Effect.catchTag("DesktopError", (error) => Effect.as(Effect.logWarning(error.message), undefined))
    )
    // A shared file that no image has created is left alone.
    const foreign = yield* Effect.filter(
      whole.filter(({ shared }) => shared),
      ({ path }) => Effect.map(files.exists(path), (exists) => exists && !filesOf([...own, ...others]).includes(path))
    )
    const plan = whole.filter((file) =>
      !foreign.includes(file) && (typeof file.content === "string" || icons !== undefined)
    )
    const before = filesOf(own)
    const paths = plan.map(({ path }) => path)
    yield* checkHome
    const created = yield* files.makeDirectories(["flatimage/desktop/.", ...paths])
    const [present] = yield* identities
    const record: Record = {
      format: 1,
      image,
      ...(present === undefined ? {} : { identity: present }),
      state: "",
      desktop,
      icon: digest,
      apart,
      files: distinct([...before, ...paths]),
      directories: distinct([...own.flatMap((entry) => entry.record.directories), ...created])
    }
    // Written before any file is created, so that the files of a killed start are known.
    yield* records.write(identity.file, record)
    const changed: Array<string> = []
    for (const { content, path, shared } of plan) {
      const bytes = typeof content === "string"
        ? content
        : content.size === undefined
        ? icon?.data
        : icons?.get(content.size)
      if (bytes === undefined || (shared && (yield* files.exists(path)))) continue
      if (yield* files.put(path, bytes)) changed.push(path)
    }
    const obsolete = unique(before.filter((path) => !paths.includes(path)), others)
    changed.push(...yield* files.remove(obsolete))
    yield* Effect.forEach(
      own.filter(({ key }) => key !== identity.file),
      ({ key }) => records.remove(key),
      { discard: true }
    )
    yield* updateDatabases(changed, false)
    yield* records.write(identity.file, { ...record, files: paths, state })
    return identity
  })

  const refresh = Effect.fn("Integration.refresh")(function*(desktop: Desktop) {
    const problem = nameProblem(desktop.name) ?? pathProblem(image)
    if (problem !== undefined) return yield* new DesktopError({ reason: "Name", detail: problem })
    const state = yield* stateOf(desktop)
    for (const identity of [identityOf(native, desktop.name), identityOf(native, desktop.name, image)]) {
      const record = yield* records.read(identity.file)
      if (record === undefined || record.image !== image || record.state !== state) continue
      const there = yield* Effect.forEach(record.files, files.exists, { concurrency: "unbounded" })
      if (there.every((exists) => exists)) return identity
    }
    return yield* integrate(desktop, state)
  })

  const clean = Effect.fn("Integration.clean")(function*(desktop: Desktop | undefined) {
    const all = yield* records.all
    const { others, own } = desktop === undefined
      ? {
        own: all.filter(({ record }) => record.image === image),
        others: all.filter(({ record }) => record.image !== image)
      }
      : yield* claim(desktop.name)
    if (own.length === 0) return false
    yield* checkHome
    const home = yield* records.home
    const removed = yield* files.remove(unique(filesOf(own), others))
    yield* Effect.forEach(removed, (path) => Effect.logInfo(`Removed file '${home}/${path}'`), { discard: true })
    yield* updateDatabases(removed, true)
    const directories = distinct(own.flatMap(({ record }) => record.directories))
    yield* databases.removeCaches(home, directories)
    yield* Effect.forEach(own, ({ key }) => records.remove(key), { discard: true })
    const left = yield* files.removeDirectories(directories)
    // Another image still uses these directories: its record gets them, so that it removes them.
    const heir = others[0]
    if (heir !== undefined && left.length > 0) {
      yield* records.write(heir.key, {
        ...heir.record,
        directories: distinct([...left, ...heir.record.directories])
      })
    }
    return true
  })

  return DesktopIntegration.of({
    refresh,
    clean,
    identity: Effect.fn("Integration.identity")(function*(desktop) {
      return (yield* claim(desktop.name)).identity
    })
  })
})
