/** Sorts keys alphabetically, so that equal values have equal bytes. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, item]) => [key, sorted(item)])
  )
}

/** Encodes a value as JSON, with sorted keys: on one line, or indented by `indent` spaces. */
export const toJson = (value: unknown, indent?: number): string => JSON.stringify(sorted(value), undefined, indent)
