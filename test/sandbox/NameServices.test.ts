import { assert, describe, it } from "@effect/vitest"
import { servesGuests } from "../../src/sandbox/NameServices.ts"

describe("the host's name services do in a guest", () => {
  it.each([
    "",
    "hosts: files dns\n",
    "passwd: compat systemd\ngroup:compat\nhosts:\tdns files # and no more",
    "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns",
    "passwd: files sss [SUCCESS=merge] ldap\nhosts: files mdns4_minimal [NOTFOUND=return] dns",
    "networks: db\n# hosts: resolve\nhosts: files dns",
    "shadow: sss"
  ])("with %j", (text) => assert.isTrue(servesGuests(text)))

  it.each([
    "hosts: files resolve",
    "hosts: files [dns] resolve",
    "hosts: dns",
    "hosts:",
    "hosts: files # dns",
    "hosts: files dns\npasswd: sss",
    "hosts: files dns\ngroup: ldap systemd",
    "hosts: filesdns"
  ])("not with %j", (text) => assert.isFalse(servesGuests(text)))
})
