import * as host from "fim:host"
export const rmdir = async (p) => host.removeDirectory(p)
