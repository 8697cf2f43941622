import type { Distribution } from "./Distribution.ts"

export const debian = {
  name: "debian",
  title: "DEBIAN",
  summary: "the smallest Debian in which apt works",
  suites: ["trixie", "bookworm"]
} as const satisfies Distribution

/** Part of the key of cached trees: to be raised when a change below must reach trees that are cached. */
export const debianRevision = 1

/**
 * Settings for dpkg, in the image for good: manual pages, translations and documentation have 40 % of a small Debian.
 * Licences stay: the right to pass the programs on depends on them.
 */
export const dpkgSettings = [
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/locale/*",
  "path-include=/usr/share/locale/locale.alias",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright"
]

/** Files that make the tree fit for a sandbox: path, content, permission bits. */
export const debianFiles: ReadonlyArray<readonly [path: string, content: string, mode: number]> = [
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
  // Those of the machine that built the image.
  ["etc/hostname", "flatimage\n", 0o644],
  ["etc/resolv.conf", "", 0o644]
]

/** What the builder leaves behind and an image does not need. */
export const debianLeftovers = [
  // How the machine that built it reaches the network.
  "etc/apt/apt.conf.d/99mmdebstrap",
  "var/cache/apt/pkgcache.bin",
  "var/cache/apt/srcpkgcache.bin",
  "var/log/bootstrap.log",
  "var/log/dpkg.log",
  "var/log/alternatives.log",
  "var/log/apt"
]
