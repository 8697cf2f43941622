import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseChallenge, trustedRealm } from "../../../src/builder/oci/Challenge.ts"

const trusts = (registry: string, realm: string, ...listed: ReadonlyArray<string>) =>
  Result.isSuccess(trustedRealm(new URL(registry), realm, listed))

describe("a challenge", () => {
  it("is parsed", () => {
    assert.deepStrictEqual(
      parseChallenge("Bearer realm=\"https://auth.example.org/token\",service=\"reg, \\\"istry\", scope=x"),
      { _tag: "Bearer", realm: "https://auth.example.org/token", service: "reg, \"istry", scope: "x" }
    )
    assert.deepStrictEqual(parseChallenge("basic realm=x"), { _tag: "Basic" })
    for (const header of ["", "Bearer", "Bearer service=x", "Negotiate abc", "Bearer realm"]) {
      assert.isUndefined(parseChallenge(header), header)
    }
  })

  it("sends credentials to its own domain alone, and only by https", () => {
    const yes = [
      ["https://registry.example.org", "https://registry.example.org/token"],
      ["https://registry.example.org", "https://auth.example.org/token"],
      ["https://example.org", "https://auth.example.org/token"],
      ["https://registry.gitlab.com", "https://gitlab.com/jwt/auth"],
      ["https://registry-1.docker.io", "https://auth.docker.io/token"],
      ["https://a.example.co.uk", "https://b.example.co.uk/"],
      ["http://127.0.0.1:5000", "http://127.0.0.1:5001/token"]
    ]
    const no = [
      ["https://registry.example.org", "http://registry.example.org/token"],
      ["https://registry.example.org", "https://example.com/token"],
      ["https://registry.example.org", "https://evilexample.org/token"],
      ["https://registry.example.org", "https://example.org.evil.net/"],
      ["https://registry.example.org", "http://127.0.0.1/token"],
      ["https://registry.example.org", "https://user:x@registry.example.org/"],
      ["https://a.co.uk", "https://b.co.uk/"],
      ["https://a.azurecr.io", "https://b.azurecr.io/"],
      ["https://10.0.0.1", "https://10.0.0.2/"],
      ["https://registry.example.org", "file:///etc/passwd"],
      ["https://registry.example.org", "x"]
    ]
    for (const [registry = "", realm = ""] of yes) assert.isTrue(trusts(registry, realm), realm)
    for (const [registry = "", realm = ""] of no) assert.isFalse(trusts(registry, realm), realm)
    assert.isTrue(trusts("https://a.example", "https://auth.other.example:8443/x", "auth.other.example:8443"))
    assert.isFalse(trusts("https://a.example", "http://auth.other.example/x", "auth.other.example"))
  })
})
