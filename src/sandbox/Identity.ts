import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { ContainerUser } from "../image/Settings.ts"

/** The user of the program in the guest. */
export interface Identity {
  readonly uid: number
  readonly gid: number
  readonly name: string
  readonly home: string
  readonly shell: string
  readonly prompt: string
}

/** An unsigned number of at most 32 bits, the last of which the kernel keeps for "nobody". */
const numeric = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  const value = Number(text)
  return value < 4_294_967_295 ? value : undefined
}

/** A field of `/etc/passwd` can hold neither colons nor newlines. */
const field = (text: string | undefined): string | undefined =>
  text === undefined || text === "" || /[:\n]/.test(text) ? undefined : text

/** An absolute path, without needless slashes and dots. */
const path = (text: string | undefined): string | undefined => {
  if (text?.startsWith("/") !== true) return undefined
  const plain = field(text)?.replaceAll(/\/(?:\.?\/)+/g, "/").replace(/(?<=.)\/\.?$/, "")
  return plain === "/." ? "/" : plain
}

/** What a user is called whom nobody names. */
export const unnamed = (uid: number): string => `user${uid}`

/**
 * The user of the container that an image was made from, where a run is to have it: not where root is asked for, or where the image's
 * variables say another one.
 */
export const containerUser = (
  root: boolean,
  image: Readonly<Record<string, string>>,
  user: ContainerUser | undefined
): ContainerUser | undefined => root || numeric(image["UID"]) !== undefined ? undefined : user

/**
 * The identity of a run. In: whether root was asked for, the host's ids and environment, the image's variables (expanded), the user of
 * the container that the image was made from, and the path of the bundled bash in the guest. The image's variables UID, GID, USER,
 * HOME and SHELL come before the container's user, and that before the host's; what is not usable is passed over. UID 0 asks for root as
 * well, whose group is 0.
 */
export const identityOf = (options: {
  readonly root: boolean
  readonly uid: number
  readonly gid: number
  readonly host: Readonly<Record<string, string | undefined>>
  readonly image: Readonly<Record<string, string>>
  readonly user?: ContainerUser | undefined
  readonly bash: string
  /** The user's name in the host's database. */
  readonly registered?: string | undefined
}): Identity => {
  const { host, image } = options
  const user = containerUser(options.root, image, options.user)
  const asked = options.root ? 0 : user?.uid ?? numeric(image["UID"])
  const uid = asked ?? options.uid
  const gid = asked === 0 ? 0 : numeric(image["GID"]) ?? user?.gid ?? options.gid
  const isRoot = uid === 0
  // cron sets LOGNAME alone. Only root is called root: after `su` the variables may still be those of the user before.
  const ofHost = user === undefined ? [host["USER"], host["LOGNAME"], options.registered] : [user.name]
  const given = [image["USER"], ...ofHost].map(field).find((name) => name !== undefined && name !== "root")
  const name = isRoot ? "root" : given ?? unnamed(uid)
  const home = isRoot && user === undefined
    ? "/root"
    : path(image["HOME"]) ?? path(user === undefined ? host["HOME"] : user.home) ?? (isRoot ? "/root" : `/home/${name}`)
  return {
    uid,
    gid,
    name,
    home,
    shell: path(image["SHELL"]) ?? options.bash,
    prompt: image["PS1"] ?? "[flatimage-${FIM_DIST,,}] \\W > "
  }
}

/** The largest database of users that is searched. */
const databaseLimit = 4 * 1024 * 1024

/**
 * The name of a user in the host's database, for callers without variables that name them.
 *
 * @returns `undefined` if the file does not name the user
 */
export const registeredName = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, uid: number) {
  const info = yield* Effect.option(fs.stat("/etc/passwd"))
  if (info._tag === "None" || info.value.size > databaseLimit) return undefined
  const text = yield* Effect.orElseSucceed(fs.readFileString("/etc/passwd"), () => "")
  return text.split("\n").find((line) => line.split(":")[2] === String(uid))?.split(":")[0]
})

/**
 * The guest's `/etc/passwd` with a line for the identity in front, in place of other lines with its name or uid.
 */
export const passwdOf = (identity: Identity, guest: string): string => {
  const line = `${identity.name}:x:${identity.uid}:${identity.gid}:${identity.name}:${identity.home}:${identity.shell}`
  const others = guest.split("\n").filter((other) => {
    const [name, , uid] = other.split(":")
    return other !== "" && name !== identity.name && uid !== String(identity.uid)
  })
  return [line, ...others, ""].join("\n")
}

/** What the kernel shows where a user namespace has no number for a group: those of the caller beside his own. */
const overflowGid = 65_534

/**
 * The guest's `/etc/group` with a line for each group of the identity that has none there, so that their numbers have names.
 * `undefined` if all have one: then the guest's own file will do.
 */
export const groupOf = (identity: Identity, guest: string): string | undefined => {
  const lines = guest.split("\n").filter((line) => line !== "")
  const fields = lines.map((line) => line.split(":"))
  const missing = [identity.gid, overflowGid].filter((gid, index, all) =>
    all.indexOf(gid) === index && !fields.some(([, , known]) => known === String(gid))
  )
  if (missing.length === 0) return undefined
  const taken = new Set(fields.map(([name]) => name))
  const added = missing.map((gid) => {
    const preferred = gid === overflowGid ? "nogroup" : gid === 0 ? "root" : identity.name
    return `${taken.has(preferred) ? `group${gid}` : preferred}:x:${gid}:`
  })
  return [...lines, ...added, ""].join("\n")
}

/** Quotes a text for a shell, so that the shell does not interpret it. */
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** What bash reads at its start in the guest: the distribution's own file, then our prompt, expanded whenever it is shown. */
export const bashrcOf = (identity: Identity): string =>
  `[ -r /etc/bash.bashrc ] && . /etc/bash.bashrc\nPS1=${quoted(identity.prompt)}\n`
