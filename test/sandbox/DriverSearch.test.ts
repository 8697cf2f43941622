import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { mkdirSync } from "node:fs"
import { driverParts } from "../../src/sandbox/Driver.ts"
import { fileLimit, findDriver } from "../../src/sandbox/DriverSearch.ts"
import { search } from "../../src/sandbox/HostSearch.ts"
import { type Entry, madeUpHost } from "../support/MadeUpHost.ts"

const icd = (library: string) => JSON.stringify({ file_format_version: "1.0.0", ICD: { library_path: library } })

const lib = "/usr/lib/x86_64-linux-gnu"

/** As Debian and its relatives have it: links through a directory of alternatives, and what must never be taken. */
const debian: Readonly<Record<string, Entry>> = {
  [`${lib}/nvidia/current/libcuda.so.535.1`]: "cuda",
  [`${lib}/nvidia/current/libcuda.so.1`]: { link: "libcuda.so.535.1" },
  "/etc/alternatives/libcuda.so.1": { link: `../..${lib}/nvidia/current/libcuda.so.1` },
  [`${lib}/libcuda.so.1`]: { link: "../../../etc/alternatives/libcuda.so.1" },
  [`${lib}/libnvidia-ml.so.1`]: "ml",
  [`${lib}/libGLX_nvidia.so.0`]: "glx",
  [`${lib}/libEGL_nvidia.so.0`]: "egl",
  [`${lib}/libnvidia-allocator.so.1`]: "allocator",
  [`${lib}/gbm/nvidia-drm_gbm.so`]: { link: "../libnvidia-allocator.so.1" },
  [`${lib}/vdpau/libvdpau_nvidia.so.1`]: "vdpau",
  [`${lib}/nvidia/wine/nvngx.dll`]: "dll",
  "/usr/lib/i386-linux-gnu/libcuda.so.1": "cuda, 32 bits",
  [`${lib}/libc.so.6`]: "libc",
  [`${lib}/ld-linux-x86-64.so.2`]: "ld",
  [`${lib}/libGL.so.1`]: "glvnd",
  [`${lib}/libGLX.so.0`]: "glvnd",
  [`${lib}/libEGL.so.1`]: "glvnd",
  [`${lib}/libEGL_mesa.so.0`]: "mesa",
  [`${lib}/libvulkan.so.1`]: "vulkan",
  [`${lib}/libnvidia-false.so.1`]: { link: "libc.so.6" },
  [`${lib}/libnvidia-lost.so.1`]: { link: "nowhere" },
  [`${lib}/libnvidia-ring.so.1`]: { link: "libnvidia-ring.so.1" },
  [`${lib}/libnvidia-text.so.1.conf`]: "no library",
  "/usr/share/vulkan/icd.d/nvidia_icd.json": icd("libGLX_nvidia.so.0"),
  "/usr/share/vulkan/icd.d/lvp_icd.json": icd("libvulkan_lvp.so"),
  "/usr/share/vulkan/icd.d/nvidia_broken.json": "{",
  "/usr/share/vulkan/icd.d/nvidia_mesa.json": icd(`${lib}/libEGL_mesa.so.0`),
  "/usr/share/vulkan/icd.d/nvidia_large.json": " ".repeat(100_000),
  "/etc/vulkan/implicit_layer.d/nvidia_layers.json": JSON.stringify({
    layers: [{ name: "one", library_path: "libGLX_nvidia.so.0", disable_environment: { X: "1" } }]
  }),
  "/usr/share/glvnd/egl_vendor.d/10_nvidia.json": icd("libEGL_nvidia.so.0"),
  "/usr/share/glvnd/egl_vendor.d/50_mesa.json": icd("libEGL_mesa.so.0"),
  "/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json": icd("libnvidia-allocator.so.1"),
  "/usr/lib/nvidia/current/nvidia-smi": "smi",
  "/usr/bin/nvidia-smi": { link: "../lib/nvidia/current/nvidia-smi" }
}

const found = Effect.fnUntraced(function*(entries: Readonly<Record<string, Entry>>) {
  const root = yield* madeUpHost(entries)
  mkdirSync(`${root}${lib}/libnvidia-directory.so.1`, { recursive: true })
  const driver = yield* findDriver(yield* FileSystem.FileSystem, root)
  const parts = driverParts(driver, "/instance", "/host")
  return {
    driver,
    parts,
    binds: parts.binds.map(([type, source, target]) => `${type} ${source.replace(root, "")} ${target}`)
  }
}, Effect.provide(NodeFileSystem.layer))

describe("the driver of a host", () => {
  it.live("is its libraries and what announces them, each at its path, as the file behind all links", () =>
    Effect.gen(function*() {
      const { binds } = yield* found(debian)
      assert.deepStrictEqual([...binds].sort(), [
        "ro /etc/vulkan/implicit_layer.d/nvidia_layers.json /host/etc/vulkan/implicit_layer.d/nvidia_layers.json",
        "ro /usr/lib/i386-linux-gnu/libcuda.so.1 /host/usr/lib/i386-linux-gnu/libcuda.so.1",
        "ro /usr/lib/nvidia/current/nvidia-smi /host/usr/bin/nvidia-smi",
        `ro ${lib}/libEGL_nvidia.so.0 /host${lib}/libEGL_nvidia.so.0`,
        `ro ${lib}/libGLX_nvidia.so.0 /host${lib}/libGLX_nvidia.so.0`,
        `ro ${lib}/libnvidia-allocator.so.1 /host${lib}/gbm/nvidia-drm_gbm.so`,
        `ro ${lib}/libnvidia-allocator.so.1 /host${lib}/libnvidia-allocator.so.1`,
        `ro ${lib}/libnvidia-ml.so.1 /host${lib}/libnvidia-ml.so.1`,
        `ro ${lib}/nvidia/current/libcuda.so.535.1 /host${lib}/libcuda.so.1`,
        `ro ${lib}/nvidia/wine/nvngx.dll /host${lib}/nvidia/wine/nvngx.dll`,
        `ro ${lib}/vdpau/libvdpau_nvidia.so.1 /host${lib}/vdpau/libvdpau_nvidia.so.1`,
        "ro /usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json /host/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json",
        "ro /usr/share/glvnd/egl_vendor.d/10_nvidia.json /host/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
        "ro /usr/share/vulkan/icd.d/nvidia_icd.json /host/usr/share/vulkan/icd.d/nvidia_icd.json"
      ])
    }))

  it.live("is found by variables that keep what the guest has of its own", () =>
    Effect.gen(function*() {
      const { parts } = yield* found(debian)
      assert.deepStrictEqual(parts.files, [])
      assert.deepStrictEqual(parts.search, {
        LD_LIBRARY_PATH: { usual: "", more: [`/host${lib}`, `/host${lib}/vdpau`, "/host/usr/lib/i386-linux-gnu"] },
        GBM_BACKENDS_PATH: {
          usual: "/usr/lib/x86_64-linux-gnu/gbm:/usr/lib/aarch64-linux-gnu/gbm:/usr/lib64/gbm:/usr/lib/gbm",
          more: [`/host${lib}/gbm`]
        },
        PATH: { usual: "", more: ["/host/usr/bin"] },
        XDG_DATA_DIRS: { usual: "/usr/local/share:/usr/share", more: ["/host/usr/share", "/host/etc"] },
        __EGL_VENDOR_LIBRARY_DIRS: {
          usual: "/etc/glvnd/egl_vendor.d:/usr/share/glvnd/egl_vendor.d",
          more: ["/host/usr/share/glvnd/egl_vendor.d"]
        },
        __EGL_EXTERNAL_PLATFORM_CONFIG_DIRS: {
          usual: "/etc/egl/egl_external_platform.d:/usr/share/egl/egl_external_platform.d",
          more: ["/host/usr/share/egl/egl_external_platform.d"]
        }
      })
    }))

  it.live("is where a manifest says, which reads by name in the guest", () =>
    Effect.gen(function*() {
      const manifest = { ...JSON.parse(icd("/opt/driver/libGLX_nvidia.so.0")), kept: [1] }
      const { binds, parts } = yield* found({
        "/opt/driver/libGLX_nvidia.so.0": "glx",
        "/opt/driver/libnvidia-glcore.so.1": "core",
        "/usr/share/vulkan/icd.d/nvidia_icd.json": JSON.stringify(manifest),
        "/usr/share/own/libEGL_nvidia.so.0": "egl",
        "/usr/share/vulkan/icd.d/nvidia_relative.json": icd("../../own/libEGL_nvidia.so.0")
      })
      assert.includeMembers(binds, [
        "ro /opt/driver/libGLX_nvidia.so.0 /host/opt/driver/libGLX_nvidia.so.0",
        "ro /opt/driver/libnvidia-glcore.so.1 /host/opt/driver/libnvidia-glcore.so.1",
        "ro /usr/share/own/libEGL_nvidia.so.0 /host/usr/share/own/libEGL_nvidia.so.0",
        "ro /instance/driver/0.json /host/usr/share/vulkan/icd.d/nvidia_icd.json"
      ])
      assert.deepStrictEqual(parts.files.map(({ content, name }) => [name, JSON.parse(content)]), [
        ["0.json", { ...manifest, ICD: { library_path: "libGLX_nvidia.so.0" } }],
        ["1.json", JSON.parse(icd("libEGL_nvidia.so.0"))]
      ])
      assert.deepStrictEqual(parts.search["LD_LIBRARY_PATH"]?.more, ["/host/opt/driver", "/host/usr/share/own"])
    }))

  it.live("is nothing where there is no library of it", () =>
    Effect.gen(function*() {
      const only = Object.fromEntries(
        Object.entries(debian).filter(([path]) => !/nvidia|cuda/.test(path.replace(/.*\//, "")))
      )
      const announced = { ...only, "/usr/share/vulkan/icd.d/nvidia_icd.json": icd("libGLX_nvidia.so.0") }
      for (const entries of [{}, only, announced]) {
        assert.deepStrictEqual((yield* found(entries)).parts, { binds: [], search: {}, files: [] })
      }
    }))

  it.live("has a bearable number of files, however many there are", () =>
    Effect.gen(function*() {
      const many = Object.fromEntries(
        Array.from({ length: fileLimit + 50 }, (_, n) => [`${lib}/libnvidia-${n}.so`, ""])
      )
      assert.strictEqual((yield* found(many)).driver.libraries.length, fileLimit)
    }))
})

describe("what is looked for on a host", () => {
  const looked = Effect.fnUntraced(function*(permissions: ReadonlyArray<"gpu" | "network" | "optical">) {
    const root = yield* madeUpHost({
      ...debian,
      ...Object.fromEntries(
        [
          "nvidia0",
          "nvidia10",
          "nvidia2",
          "nvidiactl",
          "nvidia-uvm",
          "sr1",
          "sr0",
          "sg0",
          "sg1",
          "sg11",
          "sda",
          "srx",
          "xnvidia"
        ]
          .map((name) => [`/dev/${name}`, ""])
      ),
      "/sys/class/scsi_generic/sg0/device/type": "0\n",
      "/sys/class/scsi_generic/sg1/device/type": "5\n",
      "/etc/nsswitch.conf": "hosts: files dns\n"
    })
    const options = {
      permissions: new Set(permissions),
      environment: {},
      instance: "/instance",
      runtimeHost: "/host",
      root
    }
    return yield* search(yield* FileSystem.FileSystem, options)
  }, Effect.provide(NodeFileSystem.layer))

  it.live("are all nodes of NVIDIA", () =>
    Effect.gen(function*() {
      const { driver, nameServices, nvidia, optical } = yield* looked(["gpu"])
      assert.deepStrictEqual([...nvidia].sort(), ["nvidia-uvm", "nvidia0", "nvidia10", "nvidia2", "nvidiactl"])
      assert.isAbove(driver.binds.length, 10)
      assert.deepStrictEqual([optical, nameServices], [[], false])
    }))

  it.live("are all optical drives, and generic nodes of nothing that the kernel calls something else", () =>
    Effect.gen(function*() {
      const { driver, nvidia, optical } = yield* looked(["optical"])
      assert.deepStrictEqual(optical, ["sr0", "sr1", "sg1", "sg11"])
      assert.deepStrictEqual([nvidia, driver.binds], [[], []])
    }))

  it.live("is how the host finds names", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual([(yield* looked(["network"])).nameServices, (yield* looked(["gpu"])).nameServices], [
        true,
        false
      ])
    }))
})
