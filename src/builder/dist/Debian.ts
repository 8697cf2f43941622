import type { Distribution } from "./Distribution.ts"
import { aptInstall, debPackageName, dpkgFiles, dpkgLeftovers, dpkgSettings } from "./Dpkg.ts"

/** Debian. */
export const debian = {
  name: "debian",
  title: "DEBIAN",
  summary: "the smallest Debian in which apt works",
  suites: ["trixie", "bookworm"],
  manager: {
    _tag: "Apt",
    ofMachine: true,
    components: ["main"],
    keyrings: [
      "/usr/share/keyrings/debian-archive-keyring.pgp",
      "/usr/share/keyrings/debian-archive-keyring.gpg"
    ],
    keyringPackage: "debian-archive-keyring",
    dpkgSettings
  },
  packages: [],
  packageName: debPackageName,
  install: aptInstall,
  archiveStrip: 0,
  files: dpkgFiles,
  leftovers: dpkgLeftovers,
  revision: 2
} as const satisfies Distribution
