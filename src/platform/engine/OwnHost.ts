/** The process of the boot program as a {@link Host}. */
import * as host from "fim:host"
import { Host } from "../../relocate/Host.ts"

/** Reads the facts about this process. */
export const make = (): Host["Service"] =>
  Host.of({
    environment: host.environment(),
    pid: host.processId(),
    uid: host.userId(),
    gid: host.groupId(),
    architecture: host.architecture(),
    directory: host.workingDirectory(),
    args: host.arguments().map((word) => new Uint8Array(host.fromName(word)))
  })

/** Ends the process. */
export const exit: (code: number) => never = host.exit

/** Milliseconds since the start of the process. */
export const elapsed = (): number => host.now()
