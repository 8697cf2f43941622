import * as host from "fim:host"

/** The least of Web Crypto: random numbers, of the kernel. */
export const crypto = {
  getRandomValues: <View extends ArrayBufferView>(view: View): View => {
    host.random(new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength))
    return view
  }
}
