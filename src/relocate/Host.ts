import * as Context from "effect/Context"

/** What the host gave this process. Everything below `bin/` learns it from here, so a test can say what it likes. */
export class Host extends Context.Service<Host, {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly pid: number
  /** Name of this run's instance: by default the pid, with `-N` appended if one process has several. */
  readonly instance?: string
  readonly uid: number
  readonly gid: number
  /** As Node names it: `x64` or `arm64`. */
  readonly architecture: string
  /** The working directory; absent when it was removed. */
  readonly directory: string | undefined
  /** The caller's words behind the program's name, byte for byte: they need not be text. */
  readonly args: ReadonlyArray<Uint8Array>
}>()("flatimage/relocate/Host") {}
