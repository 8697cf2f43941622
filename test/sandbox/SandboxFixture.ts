import { below, inGuest } from "../../src/relocate/Directories.ts"
import type { SandboxRequest } from "../../src/sandbox/Arguments.ts"
import type { Identity } from "../../src/sandbox/Identity.ts"

export const root: Identity = {
  uid: 0,
  gid: 0,
  name: "root",
  home: "/root",
  shell: "/tmp/fim/app/c0ffee1_20260102030405/bin/bash",
  prompt: "> "
}

export const ann: Identity = { ...root, uid: 1000, gid: 100, name: "ann", home: "/home/ann" }

export const directories = below("/var/fim", "c0ffee1_20260102030405", "42", "/opt/apps")

/** The sandbox of an ordinary user with nothing granted. */
export const plain: SandboxRequest = {
  root: `${directories.instance}/mount`,
  host: directories,
  guest: inGuest(directories),
  identity: ann,
  ownUsers: true,
  network: false,
  namespaces: new Set(["ipc", "uts", "cgroup"]),
  binds: [],
  environment: { PATH: "/usr/bin:/bin", EMPTY: "" },
  directories: ["/home/ann/work", "/home/ann", "/"]
}
