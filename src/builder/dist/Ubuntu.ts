import type { Distribution } from "./Distribution.ts"
import { aptInstall, debPackageName, dpkgFiles, dpkgLeftovers, dpkgSettings } from "./Dpkg.ts"

/** Ubuntu. */
export const ubuntu = {
  name: "ubuntu",
  title: "UBUNTU",
  summary: "the smallest Ubuntu in which apt works",
  suites: ["noble", "jammy"],
  otherSuites: /^[a-z]+$/,
  manager: {
    _tag: "Apt",
    ofMachine: false,
    components: ["main", "universe"],
    keyrings: ["/usr/share/keyrings/ubuntu-archive-keyring.gpg"],
    keyringPackage: "ubuntu-keyring",
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
