import { type Distribution, hostNames } from "./Distribution.ts"

/** An empty system with busybox and bash. */
export const blueprint = {
  name: "blueprint",
  title: "BLUEPRINT",
  summary: "an empty system with nothing but busybox and bash, to be filled with layers",
  suites: [],
  manager: { _tag: "None" },
  packages: [],
  // Recipes may name packages, but nothing here installs them.
  packageName: /^[A-Za-z0-9@_+][A-Za-z0-9@._+-]*$/,
  archiveStrip: 0,
  files: [],
  leftovers: [],
  revision: 2
} as const satisfies Distribution

/** Directories of the tree and their permission bits, parents first. */
export const blueprintDirectories: ReadonlyArray<readonly [path: string, mode: number]> = [
  ...[
    "dev",
    "etc",
    "home",
    "media",
    "mnt",
    "opt",
    "proc",
    "run",
    "srv",
    "sys",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/local",
    "usr/local/bin",
    "usr/share",
    "var",
    "var/cache",
    "var/lib",
    "var/log"
  ].map((path) => [path, 0o755] as const),
  ["root", 0o700],
  ["tmp", 0o1777],
  ["var/tmp", 0o1777]
]

/** Symbolic links of the tree: path and target. */
export const blueprintLinks: ReadonlyArray<readonly [path: string, target: string]> = [
  ["bin", "usr/bin"],
  ["sbin", "usr/bin"],
  ["lib", "usr/lib"],
  ["lib64", "usr/lib64"],
  ["usr/sbin", "bin"],
  ["var/run", "../run"],
  ["etc/mtab", "../proc/self/mounts"]
]

/** Files of the tree. */
export const blueprintFiles: ReadonlyArray<readonly [path: string, content: string]> = [
  [
    "etc/os-release",
    "NAME=\"Blueprint\"\nID=blueprint\nPRETTY_NAME=\"FlatImage Blueprint\"\n"
  ],
  ["etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"],
  ["etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"],
  ["etc/hosts", hostNames],
  ["etc/hostname", "flatimage\n"],
  ["etc/resolv.conf", ""],
  ["etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"],
  ["etc/profile", "export PATH=\"${PATH:-/usr/local/bin:/usr/bin:/bin}\"\n"],
  ["etc/shells", "/bin/sh\n/bin/bash\n"]
]
