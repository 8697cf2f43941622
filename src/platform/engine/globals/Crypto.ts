import * as host from "fim:host"

/** The part of Web Crypto that is used: random numbers, from the kernel. */
export const crypto = {
  getRandomValues: <View extends ArrayBufferView>(view: View): View => {
    host.random(new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength))
    return view
  }
}
