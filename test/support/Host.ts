/** What is known of the process, where a test is about something else. */
import * as Layer from "effect/Layer"
import { Host } from "../../src/relocate/Host.ts"

/** A process of root with these variables. */
export const hostWith = (environment: Readonly<Record<string, string | undefined>> = {}) =>
  Layer.succeed(Host, { environment, pid: 7, uid: 0, gid: 0, architecture: "x64", directory: "/", args: [] })
