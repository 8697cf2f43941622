import * as host from "fim:host"

const line = (descriptor: number) => (...values: ReadonlyArray<unknown>): void =>
  void host.writeWhole(descriptor, new Uint8Array(host.encode(`${values.map(String).join(" ")}\n`)))

const output = line(1)
const error = line(2)

/** For Effect's own messages; ours use the log. */
export const console = { debug: output, error, info: output, log: output, trace: error, warn: error }
