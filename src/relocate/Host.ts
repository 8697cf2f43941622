import * as Context from "effect/Context"

/** The process and its caller: everything below `bin/` gets these values from here, so that tests can choose them. */
export class Host extends Context.Service<Host, {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly pid: number
  /** Name of this run's instance: by default the pid, with `-N` appended if one process has several. */
  readonly instance?: string
  readonly uid: number
  readonly gid: number
  /** Node's name of the processor: `x64` or `arm64`. */
  readonly architecture: string
  /** The working directory; absent if it was removed. */
  readonly directory: string | undefined
  /** The caller's arguments, byte for byte, without the program's name. They need not be UTF-8. */
  readonly args: ReadonlyArray<Uint8Array>
}>()("flatimage/relocate/Host") {}
