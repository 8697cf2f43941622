import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { compiler } from "../support/Attacker.ts"
import { succeeds } from "../support/Commands.ts"
import { runOnHost } from "../support/HostNamespace.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { debian, type Place, place } from "../support/Place.ts"
import { projectRoot } from "../support/Project.ts"
import { users } from "../support/Users.ts"

const needs = [...images, root, debian, compiler, program("unshare"), program("ldconfig")]

const replaced = ["/etc", "/usr/share", "/usr/local/bin"]

const announces = (library: string) => JSON.stringify({ file_format_version: "1.0.0", ICD: { library_path: library } })

/** A host whose loader knows a driver in a directory of its own, with a C library beside it that must not be taken. */
const hostWithDriver = (app: Place): { readonly host: string; readonly driver: string } => {
  const host = `${app.directory}/host`
  const driver = `${host}/opt/driver`
  const places = [
    "/etc/vulkan/implicit_layer.d",
    "/usr/share/vulkan/icd.d",
    "/usr/share/glvnd/egl_vendor.d",
    "/usr/local/bin"
  ]
  for (const path of ["/opt/driver", ...places]) mkdirSync(`${host}${path}`, { recursive: true })
  const compile = (file: string, soname: string) =>
    execFileSync("cc", [
      "-shared",
      "-fPIC",
      `-DNAME="${soname}"`,
      `-Wl,-soname,${soname}`,
      "-o",
      `${driver}/${file}`,
      `${projectRoot}/test/support/driver.c`
    ])
  compile("libcuda.so.1.2", "libcuda.so.1")
  compile("libGLX_nvidia.so.1.2", "libGLX_nvidia.so.0")
  compile("libEGL_nvidia.so.1.2", "libEGL_nvidia.so.0")
  symlinkSync("libcuda.so.1.2", `${driver}/libcuda.so.1`)
  symlinkSync("libcuda.so.1", `${driver}/libcuda.so`)
  symlinkSync("libGLX_nvidia.so.1.2", `${driver}/libGLX_nvidia.so.0`)
  symlinkSync("libEGL_nvidia.so.1.2", `${driver}/libEGL_nvidia.so.0`)
  writeFileSync(`${host}/libraries`, `${driver}\n`)
  execFileSync("ldconfig", ["-X", "-C", `${host}/etc/ld.so.cache`, "-f", `${host}/libraries`], { stdio: "ignore" })
  // Not in the list, so that programs of this machine do not load them; only who takes all of a directory does.
  for (const name of ["libc.so.6", "libGL.so.1", "libEGL.so.1"]) compile(name, name)
  writeFileSync(`${host}/usr/share/vulkan/icd.d/nvidia_icd.json`, announces(`${driver}/libGLX_nvidia.so.0`))
  writeFileSync(`${host}/usr/share/glvnd/egl_vendor.d/10_nvidia.json`, announces("libEGL_nvidia.so.0"))
  writeFileSync(
    `${host}/etc/vulkan/implicit_layer.d/nvidia_layers.json`,
    JSON.stringify({ layers: [{ library_path: "libGLX_nvidia.so.0" }] })
  )
  writeFileSync(`${host}/usr/local/bin/nvidia-smi`, "#!/bin/sh\necho a card\n")
  chmodSync(`${host}/usr/local/bin/nvidia-smi`, 0o755)
  return { host, driver }
}

/** Loads libraries by name as programs do, then what each manifest in a list of directories announces. */
const loads = `
use DynaLoader;
$| = 1;
sub load { my $name = shift; DynaLoader::dl_load_file($name) or print "not loaded $name\\n" }
load($_) for qw(libcuda.so libcuda.so.1);
for my $directory ((map "$_/vulkan/icd.d", split /:/, $ENV{XDG_DATA_DIRS}), (map "$_/vulkan/implicit_layer.d", split /:/, $ENV{XDG_DATA_DIRS}), split /:/, $ENV{__EGL_VENDOR_LIBRARY_DIRS}) {
  for my $path (glob "$directory/*nvidia*.json") {
    open(my $file, '<', $path) or die $path;
    my ($library) = <$file> =~ /"library_path":"([^"]+)"/;
    print "announced $library\\n";
    load($library);
  }
}`

describe.each(users)("as $name, with the permission of the graphics card", (user) => {
  scenario("a guest loads the host's driver, and nothing else of the host", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { image: "debian", copy: true })
      const { driver, host } = hostWithDriver(app)
      const run = (words: ReadonlyArray<string>, environment = {}) =>
        runOnHost(app, host, words, { replaced, nodes: ["dri/card0", "nvidia0", "nvidiactl"], environment })
      yield* succeeds(app, ["fim-perms", "set", "gpu"])
      const loaded = yield* run(["fim-exec", "perl", "-e", loads])
      assert.deepStrictEqual([loaded.code, loaded.stdout.split("\n"), loaded.stderr], [0, [
        "loaded libcuda.so.1",
        "announced libGLX_nvidia.so.0",
        "loaded libGLX_nvidia.so.0",
        "announced libGLX_nvidia.so.0",
        "announced libEGL_nvidia.so.0",
        "loaded libEGL_nvidia.so.0",
        ""
      ], ""])
      const given = yield* run([
        "fim-exec",
        "sh",
        "-c",
        `nvidia-smi; cd "$FIM_DIR_RUNTIME_HOST"; find . -type f | sort`
      ])
      const below = `.${driver}`
      assert.deepStrictEqual([given.stdout.split("\n"), given.stderr], [
        [
          "a card",
          "./etc/vulkan/implicit_layer.d/nvidia_layers.json",
          `${below}/libEGL_nvidia.so.0`,
          `${below}/libEGL_nvidia.so.1.2`,
          `${below}/libGLX_nvidia.so.0`,
          `${below}/libGLX_nvidia.so.1.2`,
          `${below}/libcuda.so`,
          `${below}/libcuda.so.1`,
          `${below}/libcuda.so.1.2`,
          "./usr/local/bin/nvidia-smi",
          "./usr/share/glvnd/egl_vendor.d/10_nvidia.json",
          "./usr/share/vulkan/icd.d/nvidia_icd.json",
          ""
        ].sort((left, right) => (left === "" ? 1 : right === "" ? -1 : 0)),
        ""
      ])
      // An image's own list of directories comes first and is kept.
      yield* succeeds(app, ["fim-env", "set", "LD_LIBRARY_PATH=/own"])
      const list = yield* run(["fim-exec", "sh", "-c", "echo $LD_LIBRARY_PATH; nvidia-smi"])
      assert.strictEqual(list.stdout, `/own:/tmp/fim/run/host${driver}\na card\n`)
      // Nothing can be written to what is bound.
      const written = yield* run(["fim-root", "sh", "-c", `echo x > "$FIM_DIR_RUNTIME_HOST${driver}/libcuda.so.1"`])
      assert.notStrictEqual(written.code, 0)

      yield* succeeds(app, ["fim-perms", "clear"])
      const without = yield* run([
        "fim-exec",
        "sh",
        "-c",
        "ls /tmp/fim/run /dev/dri /dev/nvidia0; echo $XDG_DATA_DIRS; nvidia-smi"
      ])
      assert.deepStrictEqual([without.code, without.stdout], [127, "\n"])
      yield* app.isClean
    }))

  scenario(
    "a guest is told nothing of a driver that the host does not have, and starts",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { image: "debian", copy: true })
        const host = `${app.directory}/host`
        yield* succeeds(app, ["fim-perms", "set", "gpu"])
        const words = [
          "fim-exec",
          "sh",
          "-c",
          "echo \"$LD_LIBRARY_PATH$XDG_DATA_DIRS$__EGL_VENDOR_LIBRARY_DIRS\"; ls /dev/dri"
        ]
        const outcome = yield* runOnHost(app, host, words, { replaced, nodes: ["dri/card0"] })
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "\ncard0\n", ""])
        const debug = yield* runOnHost(app, host, words, {
          replaced,
          nodes: ["dri/card0"],
          environment: { FIM_DEBUG: "1" }
        })
        assert.match(debug.stderr, /^D::.*Permission gpu: the host has no driver of NVIDIA$/m)
        yield* app.isClean
      })
  )
})
