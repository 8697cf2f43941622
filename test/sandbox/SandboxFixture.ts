import { below, inGuest } from "../../src/relocate/Directories.ts"
import type { Facts } from "../../src/relocate/OwnVariables.ts"
import type { SandboxRequest } from "../../src/sandbox/Arguments.ts"
import { type Found, noLooks } from "../../src/sandbox/HostParts.ts"
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
  kernel: [],
  home: ann.home,
  directory: undefined,
  user: undefined,
  binds: [],
  hidden: [],
  own: [],
  environment: { PATH: "/usr/bin:/bin", EMPTY: "" },
  directories: ["/home/ann/work", "/home/ann", "/"]
}

/** A host with a driver of NVIDIA, two optical drives, and names that a guest can find. */
export const found: Found = {
  nvidia: ["nvidia0", "nvidia1", "nvidia-caps", "nvidiactl"],
  driver: {
    binds: [
      ["ro", "/usr/lib/libcuda.so.1.2", "/tmp/fim/run/host/usr/lib/libcuda.so.1"],
      ["ro", "/usr/share/vulkan/icd.d/nvidia.json", "/tmp/fim/run/host/usr/share/vulkan/icd.d/nvidia.json"]
    ],
    search: {
      LD_LIBRARY_PATH: { usual: "", more: ["/tmp/fim/run/host/usr/lib"] },
      XDG_DATA_DIRS: { usual: "/usr/share", more: ["/tmp/fim/run/host/usr/share"] }
    },
    files: []
  },
  optical: ["sr0", "sr10", "sg2"],
  nameServices: true,
  hidraw: ["hidraw0"],
  cookies: undefined,
  looks: noLooks,
  authorities: []
}

export const facts: Facts = {
  version: "1.2.3",
  commit: "c0ffee1",
  timestamp: "20260102030405",
  distribution: "DEBIAN",
  pid: 42,
  image: "/opt/apps/x",
  reservedOffset: 4711,
  data: "/opt/apps/.x.data",
  directories
}
