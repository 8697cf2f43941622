/** The schema of a definition file, and its parser. `docs/definition.schema.json` is generated from it. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Binding, Desktop, Environment, Text } from "../../image/Settings.ts"
import { namespaceNames, overlayNames, permissionNames } from "../../image/SettingsDefaults.ts"
import { distributionNames } from "../dist/Distributions.ts"
import { architectureNames } from "../Machine.ts"

const Path = Text.check(Schema.isNonEmpty())
const Sha256 = Schema.String.check(Schema.isPattern(/^[0-9a-fA-F]{64}$/))
const Dist = Schema.Literals(distributionNames)
// Variables are arguments before a command: a name must not look like an option.
const Variables = Schema.Record(Schema.String.check(Schema.isPattern(/^[A-Za-z_][A-Za-z0-9_]*$/)), Text)
const Names = Schema.Array(Text.check(Schema.isNonEmpty()))

const FromDistribution = Schema.Struct({
  dist: Dist.annotate({ description: "A system that flatimage can make" }),
  suite: Schema.optionalKey(Text.annotate({ description: "Its release" })),
  mirror: Schema.optionalKey(Text.annotate({ description: "URL of a mirror: http, https or file" })),
  keyring: Schema.optionalKey(Path.annotate({ description: "Path of the keys that sign its packages" })),
  packages: Schema.optionalKey(
    Names.annotate({ description: "Packages that the lowest layer has beyond the smallest system" })
  )
})

const FromArchive = Schema.Struct({
  archive: Path.annotate({ description: "Path or URL of a tar archive (gzip, xz, zstd) with a root tree" }),
  sha256: Schema.optionalKey(Sha256),
  signature: Schema.optionalKey(Path.annotate({ description: "Path or URL of its detached OpenPGP signature" })),
  keyring: Schema.optionalKey(Path.annotate({ description: "Path of the keys that may make the signature" })),
  strip: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })).annotate({
      description: "How many directories are above the tree; that of the distribution if it is named"
    })
  ),
  dist: Schema.optionalKey(
    Dist.annotate({ description: "The distribution that it is of, for packages and fim-version" })
  )
})

const FromDirectory = Schema.Struct({
  directory: Path.annotate({ description: "Path of a root tree" }),
  dist: Schema.optionalKey(Dist)
})

const FromContainer = Schema.Struct({
  from: Text.check(Schema.isNonEmpty()).annotate({
    description:
      "A container: docker://HOST/NAME:TAG, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG], " +
      "containers-storage:NAME. Its settings are those of the image, unless the definition has others"
  }),
  squash: Schema.optionalKey(Schema.Boolean.annotate({ description: "Whether its layers become one" })),
  dist: Schema.optionalKey(
    Dist.annotate({ description: "The distribution that it is of, for packages and fim-version" })
  )
})

const keepCaches = Schema.optionalKey(
  Schema.Boolean.annotate({
    description: "Whether its layer has the caches and lists of package managers; false by default"
  })
)

const Packages = Schema.Struct({
  packages: Names.check(Schema.isNonEmpty()).annotate({
    description: "Packages to install with the distribution's own package manager, from the network"
  }),
  keepCaches
})

const Copy = Schema.Struct({
  copy: Path.annotate({ description: "A file or a directory, relative to the definition and below its directory" }),
  to: Text.check(Schema.isPattern(/^\//)).annotate({
    description: "Its absolute path in the image; with a slash at the end, the directory that it is put into"
  }),
  mode: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[0-7]{3,4}$/)).annotate({
      description: "Permissions of a file in octal digits"
    })
  )
})

const Run = Schema.Struct({
  run: Schema.Union([Text.check(Schema.isNonEmpty()), Names.check(Schema.isNonEmpty())]).annotate({
    description: "A script for the image's sh, or a program and its arguments; as root, in the sandbox"
  }),
  network: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "Whether it may use the network; false by default" })
  ),
  environment: Schema.optionalKey(Variables),
  keepCaches
})

/** One step. Each makes a layer. */
export const Step = Schema.Union([Packages, Copy, Run])
export type Step = typeof Step.Type

const Settings = Schema.Struct({
  permissions: Schema.optionalKey(Schema.Array(Schema.Literals(permissionNames))),
  environment: Schema.optionalKey(Environment),
  bindings: Schema.optionalKey(Schema.Array(Binding)),
  overlay: Schema.optionalKey(Schema.Literals(overlayNames)),
  casefold: Schema.optionalKey(Schema.Boolean),
  notify: Schema.optionalKey(Schema.Boolean),
  unshare: Schema.optionalKey(Schema.Array(Schema.Literals(namespaceNames))),
  desktop: Schema.optionalKey(Desktop),
  remote: Schema.optionalKey(Text),
  portal: Schema.optionalKey(Schema.Array(Text).annotate({ description: "Host programs that the guest may start" }))
})

/** A definition file. */
export const Definition = Schema.Struct({
  $schema: Schema.optionalKey(Schema.String),
  format: Schema.Literal(1),
  name: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)).annotate({
      description: "Name of the image without .flatimage; by default that of the definition file"
    })
  ),
  arch: Schema.optionalKey(
    Schema.Literals(architectureNames).annotate({
      description: "Architecture of the image; by default that of the machine that builds"
    })
  ),
  base: Schema.Union([FromDistribution, FromArchive, FromDirectory, FromContainer], { mode: "oneOf" }),
  steps: Schema.optionalKey(
    Schema.Array(Step).check(Schema.isMaxLength(100)).annotate({ description: "Each makes a layer, in this order" })
  ),
  orderByRun: Schema.optionalKey(
    Text.check(Schema.isNonEmpty()).annotate({
      description:
        "A command for the image's sh, run without permissions: what it reads is stored first, so that it starts faster"
    })
  ),
  settings: Schema.optionalKey(Settings),
  boot: Schema.optionalKey(
    Names.check(Schema.isNonEmpty()).annotate({ description: "The boot command: a program and its arguments" })
  ),
  icon: Schema.optionalKey(Path.annotate({ description: "Path of a picture: png, svg or jpg, up to 1048564 bytes" }))
}).annotate({
  title: "flatimage definition",
  description: "What an image consists of: flatimage build FILE.flatimage.json"
})
export type Definition = typeof Definition.Type

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Definition), { onExcessProperty: "error" })

/** Parses the text of a definition. Fails with the problem and its place, in one line. */
export const parseDefinition = (text: string): Result.Result<Definition, string> =>
  Result.mapError(decode(text), (error) => {
    const line = error.message.replace(/\s+/g, " ")
    return line.length > 400 ? `${line.slice(0, 400)}…` : line
  })

/** The published JSON Schema. */
export const jsonSchema = (): unknown => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(Definition, { onExcessProperty: "error" })
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema, $defs: definitions }
}
