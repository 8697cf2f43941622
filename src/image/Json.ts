/** Keys in alphabetical order, whatever order the value was put together in: equal values are equal bytes. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, item]) => [key, sorted(item)])
  )
}

/** The text of a value, on one line or with an indentation of so many spaces. */
export const toJson = (value: unknown, indent?: number): string => JSON.stringify(sorted(value), undefined, indent)
