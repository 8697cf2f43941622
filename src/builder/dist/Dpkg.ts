import { hostNames, type RootFile } from "./Distribution.ts"

/** Common parts of the distributions that use dpkg and apt. */

/**
 * Settings of dpkg that stay in the image. Manual pages, translations and documentation take 40 % of a small Debian.
 * Licences stay: the right to pass on the programs depends on them.
 */
export const dpkgSettings = [
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/locale/*",
  "path-include=/usr/share/locale/locale.alias",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright"
]

/** A trailing `-` would make apt remove the package. */
export const debPackageName = /^[a-z0-9][a-z0-9+.-]*[a-z0-9+.]$/

/** Files that prepare the tree for a sandbox. */
export const dpkgFiles: ReadonlyArray<RootFile> = [
  // Packages would start their services at installation, and there is no init to run them.
  ["usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755],
  [
    "etc/apt/apt.conf.d/90flatimage",
    [
      "// The user of apt does not exist outside: only one user is mapped in a sandbox.",
      "APT::Sandbox::User \"root\";",
      "// What is fetched stays in a layer for ever: keep it small.",
      "Acquire::Languages \"none\";",
      "APT::Install-Recommends \"false\";",
      "Binary::apt::APT::Keep-Downloaded-Packages \"false\";",
      ""
    ].join("\n"),
    0o644
  ],
  // Otherwise they would be those of the machine that built the image.
  ["etc/hostname", "flatimage\n", 0o644],
  ["etc/hosts", hostNames, 0o644],
  ["etc/resolv.conf", "", 0o644]
]

/** Files to remove from a finished tree. */
export const dpkgLeftovers = [
  // The network settings of the machine that built it.
  "etc/apt/apt.conf.d/99mmdebstrap",
  "var/cache/apt/pkgcache.bin",
  "var/cache/apt/srcpkgcache.bin",
  "var/log/bootstrap.log",
  "var/log/dpkg.log",
  "var/log/alternatives.log",
  "var/log/apt"
]

/** A later installation fetches lists and packages again: copies in the layer would only become outdated. */
export const aptInstall = [
  "export DEBIAN_FRONTEND=noninteractive",
  "apt-get update --quiet --error-on=any",
  // A name without a package is an error. Otherwise it would be a regular expression, in which a dot matches any letter.
  "apt-get install --yes --quiet --no-install-recommends -o APT::Cmd::Pattern-Only=true -- \"$@\"",
  "apt-get clean",
  "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /var/log/alternatives.log",
  "rm -f /var/cache/ldconfig/aux-cache"
].join("\n")
