import * as host from "fim:host"
export const sys = {
  utf8: host.encode, text: host.decode, latin1: host.toLatin1, compare: host.compare, unzstd: host.unzstd,
  hex: (b) => Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("")
}
