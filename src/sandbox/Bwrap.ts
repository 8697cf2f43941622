import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ByteString from "../ByteString.ts"
import { expand } from "../image/Expand.ts"
import { inForce } from "../image/Namespaces.ts"
import { RunChanges } from "../image/RunChanges.ts"
import { Snapshot } from "../image/Snapshot.ts"
import { FilesystemController } from "../mount/FilesystemController.ts"
import { Instance } from "../mount/Instance.ts"
import { Portal } from "../portal/Portal.ts"
import { absolute, inGuest } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { factsOf, variablesOf } from "../relocate/OwnVariables.ts"
import { Relocate } from "../relocate/Relocate.ts"
import * as Utf8 from "../Utf8.ts"
import { type Bind, commandLine, optionLimit, sandboxArguments, sharesNetwork } from "./Arguments.ts"
import { tooMany } from "./BindLimit.ts"
import { CallFilter, type Filters } from "./CallFilter.ts"
import type { SearchPath } from "./Driver.ts"
import { environmentOf } from "./Environment.ts"
import { hideOwn, isWithin, ownDirectories } from "./Hidden.ts"
import { getsHome, workingDirectories } from "./Home.ts"
import { HostParts } from "./HostParts.ts"
import { bashrcOf, containerUser, groupOf, identityOf, passwdOf, registeredName, unnamed } from "./Identity.ts"
import { energyCounters, hideKernel } from "./KernelFiles.ts"
import { mountPoints } from "./MountPoints.ts"
import { permissionsOf } from "./Permissions.ts"
import { reachable, type SourceBind } from "./Sources.ts"
import { openToGuest, surroundings } from "./Surroundings.ts"
import { usersOf } from "./Users.ts"

export class BwrapError extends Data.TaggedError("BwrapError")<{
  /**
   * `Files`: the files of the sandbox could not be written. `Options`: more than bubblewrap accepts. `Sandbox`: bubblewrap could not
   * create it.
   */
  readonly reason: "Files" | "Options" | "Sandbox"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

/** A program to run. `root` asks for uid 0; the words are the program's name and its arguments, byte for byte. */
export interface Program {
  readonly root: boolean
  readonly args: ReadonlyArray<Uint8Array>
}

/** More of a guest's `/etc/passwd` and `/etc/group` than this is not read. */
const accountsLimit = 1024 * 1024

/**
 * The sandbox: turns settings, identity and permissions into one bubblewrap command line and runs it on the caller's
 * standard input, output and error.
 */
export class Bwrap extends Context.Service<Bwrap, {
  /** Runs a program and returns its exit code, 128 + n if signal n ended it. */
  readonly run: (program: Program) => Effect.Effect<number, BwrapError>
}>()("flatimage/sandbox/Bwrap") {
  static readonly layer: Layer.Layer<
    Bwrap,
    never,
    | FileSystem.FileSystem
    | Host
    | Relocate
    | Snapshot
    | Instance
    | FilesystemController
    | Portal
    | CallFilter
    | HostParts
  > = Layer.effect(Bwrap, Effect.suspend(() => make()))
}

/** Directories to search from two parts of the host. */
const joined = (
  one: Readonly<Record<string, SearchPath>>,
  other: Readonly<Record<string, SearchPath>>
): Readonly<Record<string, SearchPath>> => ({
  ...one,
  ...Object.fromEntries(
    Object.entries(other).map((
      [name, { more, usual }]
    ) => [name, { usual, more: [...(one[name]?.more ?? []), ...more] }])
  )
})

/** Most guests get nothing beyond the settings. */
const nothing = { binds: [], environment: {} }

const failing = (reason: BwrapError["reason"]) => (error: { readonly message: string }) =>
  new BwrapError({ reason, detail: error.message, cause: error })

const make = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const host = yield* Host
  const relocate = yield* Relocate
  const settings = yield* Snapshot
  const instance = yield* Instance
  const filesystem = yield* FilesystemController
  yield* Portal
  const filters = yield* CallFilter
  const changes = yield* RunChanges
  const found = yield* HostParts
  const { directories } = relocate
  const guest = inGuest(directories)

  const guestText = (path: string) =>
    instance.readRoot(path, accountsLimit).pipe(
      Effect.map((bytes) => bytes === undefined ? "" : Utf8.decode(bytes))
    )

  /** Writes a file into the instance. The answer binds it on the guest's. */
  const write = (name: string, target: string, text: string) => {
    const source = `${directories.instance}/${name}`
    return Effect.as(Effect.andThen(fs.writeFileString(source, text), openToGuest(fs, host.uid, source)), [
      { type: "ro", source, target, optional: false, isDirectory: false } satisfies SourceBind
    ])
  }

  /**
   * What a guest gets whose root is an ordinary user outside: a filter that answers for the kernel, and settings for apt
   * where the guest has it. They are named by a variable, because a file of its own would stay in the image's tree.
   */
  const emulated = Effect.fnUntraced(function*(filters: Filters) {
    const emulating = yield* filters.emulating
    if (emulating === undefined) return { calls: filters.plain, ...nothing }
    const calls = emulating.program
    if ((yield* instance.readRoot("/usr/bin/apt-get", 0)) === undefined) return { calls, ...nothing }
    const target = `${guest.instance}/apt.conf`
    const binds = yield* write("apt.conf", target, emulating.aptSettings)
    return { calls, binds, environment: { APT_CONFIG: target } }
  }, Effect.mapError(failing("Files")))

  /**
   * Writes what the guest reads about itself. Root is in the guest's own files already, which stay as they are, so that packages can
   * add users to them; unless the image chooses a shell.
   */
  const writeFiles = Effect.fnUntraced(function*(identity: ReturnType<typeof identityOf>, choosesShell: boolean) {
    const bashrc = fs.writeFileString(`${directories.instance}/bashrc`, bashrcOf(identity))
    const passwd = identity.uid === 0 && !choosesShell
      ? Effect.as(write("passwd", "/etc/passwd", passwdOf(identity, "")), [])
      : Effect.flatMap(guestText("/etc/passwd"), (known) => write("passwd", "/etc/passwd", passwdOf(identity, known)))
    const group = identity.gid === 0
      ? Effect.succeed([])
      : Effect.flatMap(guestText("/etc/group"), (known) => {
        const groups = groupOf(identity, known)
        return groups === undefined ? Effect.succeed([]) : write("group", "/etc/group", groups)
      })
    const [own, groups] = yield* Effect.all([passwd, group, bashrc], { concurrency: "unbounded" })
    const { files } = found.driver
    if (files.length > 0) yield* fs.makeDirectory(`${directories.instance}/driver`)
    const { stopSignal } = settings.extension.container ?? {}
    // For `fim-instance stop`.
    if (stopSignal !== undefined) yield* fs.writeFileString(`${directories.instance}/stop`, String(stopSignal))
    for (const { content, name } of files) yield* fs.writeFileString(`${directories.instance}/driver/${name}`, content)
    return [...own, ...groups]
  }, Effect.mapError(failing("Files")))

  const run = Effect.fn("Bwrap.run")(function*(program: Program) {
    yield* Effect.logDebug("Phase: sandbox")
    const facts = { host, relocate, distribution: settings.extension.distribution, data: filesystem.data }
    const ofGuest = variablesOf(facts, guest)
    const ofHost = variablesOf(facts, directories)
    const image: Readonly<Record<string, string>> = {
      ...Object.fromEntries(
        Object.entries(settings.environment).map(([name, value]) => [name, expand(value, ofGuest)])
      ),
      ...changes.environment
    }
    const { container } = settings.extension
    const known = {
      root: program.root,
      uid: host.uid,
      gid: host.gid,
      host: host.environment,
      image,
      user: container?.user,
      bash: `${guest.bin}/bash`
    }
    const first = identityOf(known)
    const identity = first.name === unnamed(first.uid)
      ? identityOf({ ...known, registered: yield* registeredName(fs, first.uid) })
      : first
    const { hostBwrap } = filesystem
    if (hostBwrap !== undefined && (identity.uid !== host.uid || identity.gid !== host.gid)) {
      return yield* new BwrapError({
        reason: "Sandbox",
        detail: "without user namespaces, which this host does not allow, the guest can be nobody but the caller"
      })
    }
    const namespaces = new Set(inForce(settings.unshare))
    const mayNetwork = settings.permissions.includes("network")
    const isConnected = sharesNetwork({ network: mayNetwork, namespaces })
    const permissions = permissionsOf(settings.permissions, identity, host.environment, found, isConnected)
    const { network } = permissions
    // Root can have the container's user, with its groups and files. For others it is another name of the caller.
    const user = host.uid === 0 && identity.uid !== 0
      ? containerUser(program.root, image, container?.user)
      : undefined
    const users = usersOf({
      caller: host.uid,
      guest: user === undefined ? identity.uid : 0,
      outside: hostBwrap !== undefined,
      alone: filesystem.ownUsers,
      refusal: filesystem.sharedUsers,
      network: sharesNetwork({ network, namespaces }),
      wanted: namespaces.has("user")
    })
    const ownUsers = users.kind === "caller"
    const [own, around, { binds, calls, environment: emulationVariables }] = yield* Effect.all([
      writeFiles(identity, image["SHELL"] === identity.shell),
      surroundings({
        fs,
        instance,
        directories,
        guest,
        environment: host.environment,
        found,
        network: isConnected,
        ownName: namespaces.has("uts"),
        root: identity.uid === 0,
        uid: host.uid
      }).pipe(Effect.mapError(failing("Files"))),
      ownUsers && identity.uid === 0 ? emulated(filters) : Effect.succeed({ calls: filters.plain, ...nothing })
    ], { concurrency: "unbounded" })
    const stored = settings.bindings.map((binding): Bind => ({
      type: binding.type,
      // bubblewrap leaves the caller's directory.
      source: absolute(host, expand(binding.src, ofHost)),
      target: expand(binding.dst, ofGuest),
      optional: true
    }))
    const bindings = [
      ...stored,
      ...changes.bindings.map(({ dst, optional = false, src, type }): Bind => ({
        type,
        source: src,
        target: dst,
        optional
      }))
    ]
    const environment = environmentOf({
      host: { ...host.environment, ...around.replaced },
      identity,
      facts: factsOf(facts, guest),
      permissions: { ...emulationVariables, ...permissions.environment, ...around.environment },
      search: joined(permissions.search, found.looks.search),
      image
    })
    const sources = yield* reachable(fs, permissions, bindings, around.files.map(({ target }) => target))
    const isDriver = (bind: Bind) => "permission" in bind && isWithin(bind.target, guest.runtimeHost)
    const written = [...own, ...around.files]
    const home = (yield* getsHome(fs, identity.home, host.environment)) ? identity.home : "/"
    const directory = changes.directory ?? container?.directory
    const points = yield* mountPoints(instance, {
      home,
      // That of a container is made, as its engines do.
      directory: changes.directory === undefined ? container?.directory : undefined
    }, [
      ...written,
      ...sources.filter((bind) => !isDriver(bind))
    ]).pipe(Effect.mapError(failing("Files")))
    const isFile = ({ source }: Bind) => written.some((file) => file.source === source)
    const shown = yield* hideOwn(fs, {
      binds: points.binds.filter((bind) => !isFile(bind)),
      ours: ownDirectories(host, relocate.image, directories, filesystem.data),
      guest: guest.global
    })
    const argv = commandLine(hostBwrap ?? `${directories.bin}/bwrap`, guest)
    const isHostRoot = !ownUsers && host.uid === 0
    const kernel = isHostRoot ? yield* hideKernel(fs).pipe(Effect.mapError(failing("Files"))) : []
    const counters = isHostRoot ? yield* energyCounters(fs, shown.binds.map(({ target }) => target)) : []
    const sandbox = sandboxArguments({
      root: filesystem.root,
      host: directories,
      guest,
      identity,
      ownUsers,
      network,
      namespaces,
      kernel,
      home: points.home,
      directory: points.directory,
      user: ownUsers ? undefined : user,
      binds: [...points.binds.filter(isFile), ...shown.binds],
      hidden: [...shown.hidden, ...counters],
      own: [...binds, ...sources.filter(isDriver), ...around.own],
      environment,
      directories: directory === undefined
        ? [
          ...(host.directory === undefined
            ? []
            : yield* workingDirectories(fs, host.directory, host.environment, sources)),
          identity.home,
          "/"
        ]
        : [directory]
    })
    const count = argv.length - 1 + sandbox.options.length
    if (count > optionLimit) return yield* new BwrapError({ reason: "Options", detail: tooMany(count) })
    if (users.kind === "host") yield* Effect.logDebug(`The guest has no user namespace: ${users.because}`)
    yield* Effect.logDebug(`bwrap ${sandbox.options.join(" ")}`)
    const ended = yield* instance.run({
      argv: argv.map(ByteString.ofText),
      options: sandbox.options.map(ByteString.ofText),
      guest: [...sandbox.guest.map(ByteString.ofText), ...program.args.map(ByteString.ofBytes)],
      filter: calls,
      about: { user: identity.name, command: program.args.map(ByteString.ofBytes) },
      privateUsers: users.kind === "everyone"
    }).pipe(Effect.mapError(failing("Sandbox")))
    yield* Effect.logDebug("Phase: end")
    if (ended.damage !== null) yield* Effect.logFatal(ended.damage)
    if (ended.stays) {
      yield* Effect.logDebug("The program has ended, and what it has left running goes on: see fim-instance list")
      // Without it they end with us, and the program's own exit code is still what counts.
      yield* Effect.ignore(instance.leave, { log: true })
    }
    if (ended.started) return ended.code
    return yield* new BwrapError({
      reason: "Sandbox",
      detail: "bubblewrap could not make the sandbox; its own words are above"
    })
  })
  return Bwrap.of({ run })
})
