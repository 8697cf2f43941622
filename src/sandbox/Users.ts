/** Which other users a guest has, which decides its user namespace. */
export type Users =
  /** One of its own, in which the caller is the only user. */
  | { readonly kind: "caller" }
  /** One of its own that maps every user to itself: for root, whose packages and services need users of their own. */
  | { readonly kind: "everyone" }
  /** None. */
  | { readonly kind: "host"; readonly because: string }

/** The facts that decide it; nothing here reads the host. */
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
 * The users of a guest. If root is root in the guest and shares the host's network, it keeps the host's users, so that a server
 * that root starts can use ports below 1024: they require CAP_NET_BIND_SERVICE in the user namespace of the network.
 * The settings can override this.
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
