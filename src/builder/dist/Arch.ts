import { type Distribution, hostNames } from "./Distribution.ts"

/** Arch Linux. */
export const arch = {
  name: "arch",
  title: "ARCH",
  summary: "the smallest Arch Linux in which pacman works",
  suites: [],
  manager: {
    _tag: "Pacman",
    repositories: ["core", "extra"],
    // Other processors have a separate project, whose mirrors have another layout.
    architectures: { amd64: "x86_64", arm64: undefined },
    keyrings: ["/usr/share/keyrings/archlinux.gpg", "/usr/share/pacman/keyrings/archlinux.gpg"],
    keyringPackage: "archlinux-keyring"
  },
  packages: ["base"],
  packageName: /^[a-z0-9@_+][a-z0-9@._+-]*$/,
  install: [
    // pacman would fetch as another user, who does not exist in a sandbox.
    "sed -i 's/^DownloadUser/#&/' /etc/pacman.conf",
    // Keys are generated where they are used: everybody would know a secret key of an image.
    "if [ ! -e /etc/pacman.d/gnupg/pubring.gpg ]; then pacman-key --init && pacman-key --populate; fi",
    "pacman -Syu --noconfirm --needed -- \"$@\"",
    "rm -rf /var/cache/pacman/pkg/* /var/lib/pacman/sync/* /var/log/pacman.log"
  ].join("\n"),
  // The tree of the bootstrap archive is in root.x86_64.
  archiveStrip: 1,
  files: [
    ["etc/hostname", "flatimage\n", 0o644],
    ["etc/hosts", hostNames, 0o644],
    ["etc/resolv.conf", "", 0o644]
  ],
  leftovers: ["var/cache/pacman/pkg", "var/log/pacman.log"],
  revision: 2
} as const satisfies Distribution
