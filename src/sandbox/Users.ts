/** Whom a guest has beside itself, which decides its user namespace. */
export type Users =
  /** One of its own, in which the caller is the only user. */
  | { readonly kind: "caller" }
  /** One of its own, in which everybody is who he is outside: for root, whose packages and services have users of their own. */
  | { readonly kind: "everyone" }
  /** None. */
  | { readonly kind: "host"; readonly because: string }

/** What decides it; nothing is looked up. */
export interface Circumstances {
  /** The caller's effective uid. */
  readonly caller: number
  /** The uid in the guest. */
  readonly guest: number
  /** Whether the host's own bubblewrap makes the sandbox, because the host refuses namespaces. */
  readonly outside: boolean
  /** Whether the caller is alone in the namespaces of the mounts already. */
  readonly alone: boolean
  /** Why the janitor has no namespace with everybody in it; absent where it has. */
  readonly refusal: string | undefined
  /** Whether the guest is in the host's network. */
  readonly network: boolean
  /** Whether the settings want a namespace (`fim-unshare add user`), whatever it costs. */
  readonly wanted: boolean
}

/**
 * The users of a guest. Root that is root in the guest and shares the host's network keeps the host's users: ports below
 * 1024 are for whoever has CAP_NET_BIND_SERVICE where the network belongs to, and a server that root starts is to get them;
 * unless the settings say otherwise.
 */
export const usersOf = (circumstances: Circumstances): Users => {
  const { alone, caller, guest, network, outside, refusal, wanted } = circumstances
  if (outside) return { kind: "host", because: "this host refuses namespaces" }
  if (caller !== 0 || guest !== 0 || alone) return { kind: "caller" }
  if (network && !wanted) {
    return { kind: "host", because: "ports below 1024 of the host's network are for its own root" }
  }
  return refusal === undefined ? { kind: "everyone" } : { kind: "host", because: refusal }
}
