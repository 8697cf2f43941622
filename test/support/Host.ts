/** What is known of the process, where a test is about something else. */
import * as Layer from "effect/Layer"
import { Host } from "../../src/relocate/Host.ts"

/** A process with these variables, by default of root. */
export const hostWith = (environment: Readonly<Record<string, string | undefined>> = {}, uid = 0) =>
  Layer.succeed(Host, { environment, pid: 7, uid, gid: uid, architecture: "x64", directory: "/", args: [] })
