/** What a platform has to do, on Node. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import { deflateRawSync, zstdDecompressSync } from "node:zlib"
import { Compression } from "../../src/platform/Compression.ts"
import { type Algorithm, digest } from "../../src/platform/NativeBytes.ts"
import { Posix } from "../../src/platform/Posix.ts"
import { RsaSignatures } from "../../src/platform/RsaSignatures.ts"
import * as Utf8 from "../../src/Utf8.ts"
import * as Platform from "../support/Platform.ts"

const Bytes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
const { nativeBytes } = Platform

const ofAbc = (algorithm: Algorithm) => Buffer.from(digest(nativeBytes, algorithm, Utf8.encode("abc"))).toString("hex")

describe("native operations on bytes", () => {
  it.prop("equal", { left: Bytes, right: Bytes }, ({ left, right }) => {
    const same = JSON.stringify(left) === JSON.stringify(right)
    assert.strictEqual(nativeBytes.equal(Uint8Array.from(left), Uint8Array.from(right)), same)
    assert.isTrue(nativeBytes.equal(Uint8Array.from(left), Uint8Array.from(left)))
    // Not from where the memory begins.
    assert.isTrue(nativeBytes.equal(Uint8Array.from([1, ...left]).subarray(1), Uint8Array.from(left)))
  })

  it("digests that are published", () => {
    assert.strictEqual(ofAbc("sha1"), "a9993e364706816aba3e25717850c26c9cd0d89d")
    assert.strictEqual(ofAbc("sha256"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert.strictEqual(ofAbc("sha512-256"), "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23")
    assert.strictEqual(Platform.sha256("ä"), createHash("sha256").update("ä").digest("hex"))
  })

  it.prop("digests of pieces", { pieces: Schema.Array(Bytes) }, ({ pieces }) => {
    const hasher = nativeBytes.hasher("sha256")
    for (const piece of pieces) hasher.update(Uint8Array.from(piece))
    assert.deepStrictEqual(hasher.digest(), digest(nativeBytes, "sha256", Uint8Array.from(pieces.flat())))
  })
})

const content = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251)

it.layer(Platform.layer)("a platform", (it) => {
  it.effect("compresses and unpacks, up to a limit", () =>
    Effect.gen(function*() {
      const { unzstd, zstd } = yield* Compression
      const frame = yield* zstd(content, { level: 3, windowLog: 20 })
      assert.deepStrictEqual(new Uint8Array(zstdDecompressSync(frame)), content)
      assert.deepStrictEqual(new Uint8Array(yield* unzstd(frame, content.length)), content)
      yield* Effect.flip(unzstd(frame, content.length - 1))
      yield* Effect.flip(unzstd(frame, 0))
      yield* Effect.flip(unzstd(frame.subarray(0, -1), content.length))
      const empty = yield* zstd(new Uint8Array(), { level: 3, windowLog: 20 })
      assert.strictEqual((yield* unzstd(empty, 0)).length, 0)
    }))

  it.effect("says where a deflate stream ends", () =>
    Effect.gen(function*() {
      const { inflateRaw } = yield* Compression
      const stream = deflateRawSync(content)
      const inflated = yield* inflateRaw(Buffer.concat([stream, Buffer.from("behind it")]), content.length)
      assert.deepStrictEqual(new Uint8Array(inflated.content), content)
      assert.strictEqual(inflated.consumed, stream.length)
      yield* Effect.flip(inflateRaw(stream, content.length - 1))
      yield* Effect.flip(inflateRaw(Buffer.from("none"), content.length))
    }))

  it.effect("knows right signatures from wrong ones", () =>
    Effect.gen(function*() {
      const { isPublicKey, verify } = yield* RsaSignatures
      const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString()
      const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey
      assert.isTrue(yield* isPublicKey(pem))
      assert.isFalse(yield* isPublicKey(other.export({ type: "spki", format: "pem" }).toString()))
      assert.isFalse(yield* isPublicKey("none"))
      for (const digest of ["sha1", "sha256", "sha512"] as const) {
        const signature = sign(`RSA-${digest.toUpperCase()}`, content, privateKey)
        assert.isTrue(yield* verify(pem, digest, content, signature))
        assert.isFalse(yield* verify(pem, digest, content.subarray(1), signature))
        assert.isFalse(yield* verify(pem, digest, content, signature.subarray(1)))
      }
    }))

  it.effect("removes a directory only when it is empty", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { rmdir } = yield* Posix
      const directory = `${yield* fs.makeTempDirectoryScoped()}/d`
      yield* fs.makeDirectory(directory)
      yield* fs.writeFileString(`${directory}/f`, "")
      yield* Effect.flip(rmdir(directory))
      yield* Effect.flip(rmdir(`${directory}/f`))
      assert.isTrue(yield* fs.exists(`${directory}/f`))
      yield* fs.remove(`${directory}/f`)
      yield* rmdir(directory)
      assert.isFalse(yield* fs.exists(directory))
      yield* Effect.flip(rmdir(directory))
    }).pipe(Effect.scoped))
})
