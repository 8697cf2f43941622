/**
 * The AppArmor profile that lets images make user namespaces where the host keeps those to programs with a profile. It takes
 * nothing from them and gives nothing else.
 */

/** Where the launcher puts the programs of images, for all users; see `docs/directories.md`. */
const applications = "/tmp/{fim,fim-[0-9]*}"
const isUsual = (directory: string): boolean => /^\/tmp\/fim(?:-\d+)?$/.test(directory)

/** The profile, and how to install it. In: the caller's global directory if it is another. */
export const appArmorProfile = (globalDirectory: string | undefined): string => {
  const other = globalDirectory === undefined || isUsual(globalDirectory) ? undefined : globalDirectory
  // A path in a profile has to begin with a slash.
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

/** Whether a directory can stand in a profile as it is: nothing in it means something else there. */
export const isPlainPath = (path: string): boolean => /^\/[A-Za-z0-9/._+-]+$/.test(path)
