/**
 * The AppArmor profile that lets images create user namespaces on hosts that allow those only to programs with a profile.
 * It removes no rights and grants no others.
 */

/** The directories in which the launcher puts the programs of images, for all users; see `docs/directories.md`. */
const applications = "/tmp/{fim,fim-[0-9]*}"
const isUsual = (directory: string): boolean => /^\/tmp\/fim(?:-\d+)?$/.test(directory)

/**
 * The profile, with a comment that shows how to install it.
 *
 * @param globalDirectory the caller's global directory, if it is not the default one
 * @returns the text of the profile
 */
export const appArmorProfile = (globalDirectory: string | undefined): string => {
  const other = globalDirectory === undefined || isUsual(globalDirectory) ? undefined : globalDirectory
  // A path in a profile must begin with a slash.
  const roots = other === undefined ? applications : `/{${applications.slice(1)},${other.replace(/^\/+/, "")}}`
  const install = "sh -c 'cat > /etc/apparmor.d/flatimage && apparmor_parser -r /etc/apparmor.d/flatimage'"
  return [
    "# Lets flatimage make user namespaces, which its sandbox is made of. To install it, one of:",
    `#   app fim-help apparmor | sudo ${install}`,
    `#   app fim-help apparmor | pkexec ${install}`,
    "abi <abi/4.0>,",
    "include <tunables/global>",
    "",
    `profile flatimage ${roots}/app/*/{bin/fim,lib/ld-linux-*.so.*} flags=(unconfined) {`,
    "  userns,",
    "",
    "  include if exists <local/flatimage>",
    "}"
  ].join("\n")
}

/** Whether a path can be part of a profile unchanged: it contains no character with a special meaning. */
export const isPlainPath = (path: string): boolean => /^\/[A-Za-z0-9/._+-]+$/.test(path)
