import { type Distribution, hostNames } from "./Distribution.ts"

/** Alpine Linux. */
export const alpine = {
  name: "alpine",
  title: "ALPINE",
  summary: "the smallest Alpine in which apk works",
  suites: ["latest-stable", "edge"],
  otherSuites: /^v\d+\.\d+$/,
  manager: {
    _tag: "Apk",
    repositories: ["main", "community"],
    architectures: { amd64: "x86_64", arm64: "aarch64" },
    keyrings: ["/etc/apk/keys", "/usr/share/apk/keys"],
    keyringPackage: "alpine-keys"
  },
  packages: ["alpine-base"],
  packageName: /^[a-z0-9][a-z0-9+._-]*$/i,
  install: "apk add --no-cache --update-cache --no-progress -- \"$@\"",
  archiveStrip: 0,
  files: [
    ["etc/hostname", "flatimage\n", 0o644],
    ["etc/hosts", hostNames, 0o644],
    ["etc/resolv.conf", "", 0o644]
  ],
  leftovers: [],
  revision: 2
} as const satisfies Distribution
