import { fileURLToPath } from "node:url"

/** The checkout that is tested. */
export const projectRoot: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")
