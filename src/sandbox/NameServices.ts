/** The host's `/etc/nsswitch.conf`, which says where names of hosts, users and groups are looked up. */

/** More than this is not read. */
export const nameServicesLimit = 64 * 1024

/** What a guest cannot do without: modules of glibc itself, which are in each guest that reads this file. */
const needed: Readonly<Record<string, ReadonlyArray<ReadonlyArray<string>>>> = {
  hosts: [["files"], ["dns"]],
  passwd: [["files", "compat"]],
  group: [["files", "compat"]]
}

/**
 * Whether a guest finds names with this file. Modules that it does not have are passed over by its C library, so a host that
 * asks `resolve` or `sss` first is as good; one that asks nothing else is not. A database that is not there is the library's own.
 */
export const servesGuests = (text: string): boolean =>
  text.split("\n").every((line) => {
    const [, database, sources] = line.replace(/#.*/, "").match(/^\s*(\w+)\s*:(.*)$/) ?? []
    if (database === undefined || sources === undefined) return true
    const modules = new Set(sources.replaceAll(/\[[^\]]*\]/g, " ").split(/\s+/))
    return (needed[database] ?? []).every((oneOf) => oneOf.some((module) => modules.has(module)))
  })
