import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { compilerVariables } from "../../../src/builder/cross/CrossToolchain.ts"
import { Machine } from "../../../src/builder/Machine.ts"

it.effect("cargo and build scripts are told of a compiler for the machine and one for the image", () =>
  Effect.gen(function*() {
    const { architecture, targetOf } = yield* Machine
    const target = yield* targetOf("arm64")
    assert.deepStrictEqual(target && compilerVariables(architecture, target), {
      CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER: "gcc",
      CC_x86_64_unknown_linux_gnu: "gcc",
      AR_x86_64_unknown_linux_gnu: "ar",
      CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: "aarch64-linux-gnu-gcc",
      CC_aarch64_unknown_linux_gnu: "aarch64-linux-gnu-gcc",
      AR_aarch64_unknown_linux_gnu: "aarch64-linux-gnu-ar"
    })
  }).pipe(Effect.provide(Machine.layer({ arch: "x64", uid: 0 }))))
