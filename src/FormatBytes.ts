/** `1234567` as `1.2 MB`. In: bytes. */
export const formatBytes = (bytes: number): string =>
  bytes < 1000 ?
    `${bytes} B` :
    bytes < 1_000_000 ?
    `${(bytes / 1000).toFixed(0)} kB` :
    `${(bytes / 1_000_000).toFixed(1)} MB`
