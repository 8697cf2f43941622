/** The names of container images: where one is, and which one of those there. */
import * as Result from "effect/Result"

/** A container image, as `--from` names it. */
export type Reference =
  /** A directory in the OCI layout. */
  | { readonly _tag: "Layout"; readonly path: string; readonly tag: string | undefined }
  /** Such a directory in a tar archive. */
  | { readonly _tag: "OciArchive"; readonly path: string; readonly tag: string | undefined }
  /** What `docker save` and `podman save` write. */
  | { readonly _tag: "DockerArchive"; readonly path: string; readonly tag: string | undefined }
  | RegistryReference
  /** An image of podman's or buildah's storage on this machine, as skopeo names it. */
  | { readonly _tag: "Storage"; readonly name: string }

/** An image of a registry. */
export interface RegistryReference {
  readonly _tag: "Registry"
  /** Name and port, as they are given. */
  readonly host: string
  readonly name: string
  /** A tag, or `sha256:` and 64 digits. */
  readonly version: string
}

export const digestPattern = /^sha256:[0-9a-f]{64}$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const namePattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/

/** How references begin, for messages. */
const transports = ["oci:", "oci-archive:", "docker-archive:", "docker://", "containers-storage:"] as const

const fail = (text: string, detail: string) => Result.fail(`${JSON.stringify(text)} ${detail}`)

/** A path ends at the first colon: what follows it names an image of several. */
const local = (tag: "Layout" | "OciArchive" | "DockerArchive", text: string, rest: string) => {
  const at = rest.indexOf(":")
  const path = at < 0 ? rest : rest.slice(0, at)
  const name = at < 0 ? undefined : rest.slice(at + 1)
  if (path === "" || name === "") return fail(text, "has no path, or nothing behind a colon")
  const reference: Reference = { _tag: tag, path, tag: name }
  return Result.succeed(reference)
}

const remote = (text: string, rest: string): Result.Result<Reference, string> => {
  const [before = "", digest, ...more] = rest.split("@")
  if (more.length > 0 || (digest !== undefined && !digestPattern.test(digest))) {
    return fail(text, "does not end with @sha256: and 64 hexadecimal digits")
  }
  const slash = before.indexOf("/")
  const first = slash < 0 ? "" : before.slice(0, slash)
  // As all such programs tell a host from a part of a name.
  const hasHost = /[.:]/.test(first) || first === "localhost"
  const host = hasHost ? first : "docker.io"
  const [name = "", tag, ...others] = (hasHost ? before.slice(slash + 1) : before).split(":")
  if (others.length > 0 || !hostPattern.test(host)) return fail(text, "is not docker://HOST/NAME:TAG")
  if (!namePattern.test(name) || name.length > 255) {
    return fail(text, `has the name ${JSON.stringify(name)}, which is not one of a registry: those are in lower case`)
  }
  if (tag !== undefined && !tagPattern.test(tag)) {
    return fail(text, `has the tag ${JSON.stringify(tag)}, which is not valid`)
  }
  return Result.succeed({
    _tag: "Registry",
    host,
    name: host === "docker.io" && !name.includes("/") ? `library/${name}` : name,
    version: digest ?? tag ?? "latest"
  })
}

/** Parses a reference. Fails with the problem, in one line. */
export const parseReference = (text: string): Result.Result<Reference, string> => {
  if (text.includes("\0") || /[\r\n]/.test(text)) return fail(text, "is not the name of a container")
  const transport = transports.find((start) => text.startsWith(start))
  const rest = text.slice(transport?.length ?? 0)
  switch (transport) {
    case "oci:":
      return local("Layout", text, rest)
    case "oci-archive:":
      return local("OciArchive", text, rest)
    case "docker-archive:":
      return local("DockerArchive", text, rest)
    case "docker://":
      return remote(text, rest)
    case "containers-storage:":
      return rest === "" || rest.startsWith("-")
        ? fail(text, "does not name an image of the storage")
        : Result.succeed({ _tag: "Storage", name: rest })
    case undefined:
      return fail(text, `does not begin with ${transports.slice(0, -1).join(", ")} or ${transports.at(-1)}`)
  }
}

/** The name of an image file that is made of a container. */
export const nameOf = (reference: Reference): string => {
  const text = reference._tag === "Registry" || reference._tag === "Storage"
    ? reference.name.replace(/[@:].*$/, "")
    : reference.path.replace(/\/+$/, "").replace(/\.tar(\.\w+)?$/, "")
  const last = text.split("/").at(-1) ?? ""
  return /^[A-Za-z0-9]/.test(last) ? last : "image"
}

/** The same reference, with its path made absolute. */
export const withPath = (reference: Reference, absolute: (path: string) => string): Reference =>
  "path" in reference ? { ...reference, path: absolute(reference.path) } : reference
