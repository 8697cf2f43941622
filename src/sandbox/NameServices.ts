/** The host's `/etc/nsswitch.conf`, which configures how names of hosts, users and groups are resolved. */

/** More than this is not read. */
export const nameServicesLimit = 64 * 1024

/** What a guest cannot do without: modules of glibc itself, which are in each guest that reads this file. */
const needed: Readonly<Record<string, ReadonlyArray<ReadonlyArray<string>>>> = {
  hosts: [["files"], ["dns"]],
  passwd: [["files", "compat"]],
  group: [["files", "compat"]]
}

/**
 * Whether a guest can resolve names with this file. Its C library skips modules that it does not have, so a host that
 * lists `resolve` or `sss` first is accepted; one that lists nothing else is not. A missing database has the library's default.
 */
export const servesGuests = (text: string): boolean =>
  text.split("\n").every((line) => {
    const [, database, sources] = line.replace(/#.*/, "").match(/^\s*(\w+)\s*:(.*)$/) ?? []
    if (database === undefined || sources === undefined) return true
    const modules = new Set(sources.replaceAll(/\[[^\]]*\]/g, " ").split(/\s+/))
    return (needed[database] ?? []).every((oneOf) => oneOf.some((module) => modules.has(module)))
  })
