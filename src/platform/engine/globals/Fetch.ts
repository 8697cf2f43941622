/** Loaded at the first fetch. */
export const fetch: typeof globalThis.fetch = (input, init) =>
  import("../Http.ts").then((http) => http.fetch(input, init))
