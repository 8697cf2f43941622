import { assert, describe, it } from "@effect/vitest"
import { type NamespaceFacts, refusalOf } from "../../src/mount/NamespaceRefusal.ts"

const none: NamespaceFacts = {
  restrictedByAppArmor: undefined,
  clone: undefined,
  most: "126000\n",
  status: "Seccomp:\t0\n"
}

describe("a host that forbids namespaces", () => {
  it.each<readonly [Partial<NamespaceFacts>, RegExp]>([
    [{ restrictedByAppArmor: "1\n" }, /AppArmor.*'fim-help apparmor'/],
    [{ clone: "0\n" }, /'kernel.unprivileged_userns_clone' is 0/],
    [{ most: "0\n" }, /'user.max_user_namespaces' is 0.*fusermount3 and bwrap/],
    [{ most: "0\n", clone: "0\n", restrictedByAppArmor: "1\n", status: "Seccomp:\t2\n" }, /max_user_namespaces/],
    [{ status: "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n" }, /a filter of system calls around us/],
    [{ restrictedByAppArmor: "0\n", clone: "1\n" }, /^what the kernel said$/],
    [{ most: undefined, status: undefined }, /^what the kernel said$/]
  ])("with %j is told so", (facts, expected) => {
    assert.match(refusalOf({ ...none, ...facts }, "what the kernel said"), expected)
  })
})
