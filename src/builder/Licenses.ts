/** Debian's names of licences as SPDX identifiers. Names that are not here stay unchanged. */
const spdx: Readonly<Record<string, string>> = {
  "GPL-1": "GPL-1.0-only",
  "GPL-1+": "GPL-1.0-or-later",
  "GPL-2": "GPL-2.0-only",
  "GPL-2.0": "GPL-2.0-only",
  "GPL-2+": "GPL-2.0-or-later",
  "GPL-2.0+": "GPL-2.0-or-later",
  "GPL-3": "GPL-3.0-only",
  "GPL-3+": "GPL-3.0-or-later",
  "GPL-3.0+": "GPL-3.0-or-later",
  "LGPL-2": "LGPL-2.0-only",
  "LGPL-2+": "LGPL-2.0-or-later",
  "LGPL-2.0+": "LGPL-2.0-or-later",
  "LGPL-2.1": "LGPL-2.1-only",
  "LGPL-2.1+": "LGPL-2.1-or-later",
  "LGPL-3+": "LGPL-3.0-or-later",
  "BSD-2-clause": "BSD-2-Clause",
  "BSD-3-clause": "BSD-3-Clause",
  "Expat": "MIT",
  "Apache-2": "Apache-2.0",
  "Artistic": "Artistic-1.0",
  "public-domain": "LicenseRef-public-domain"
}

/** Source packages whose copyright file is prose, or of which only the original archive is taken: read by hand. */
const byHand: Readonly<Record<string, ReadonlyArray<string>>> = {
  bash: ["GPL-3.0-or-later"],
  bubblewrap: ["LGPL-2.1-or-later"],
  busybox: ["GPL-2.0-only", "bzip2-1.0.6"],
  glibc: ["LGPL-2.1-or-later"],
  fuse: ["GPL-2.0-only", "LGPL-2.1-only"],
  fuse3: ["GPL-2.0-only", "LGPL-2.1-only"],
  "unionfs-fuse": ["BSD-3-Clause"]
}

/**
 * The licences of a package, as SPDX names where there is one. In: its source package and its copyright file, of which
 * Debian's machine-readable format is understood: the licence of the whole, not those of single files.
 */
export const licensesOf = (source: string, copyright: string): ReadonlyArray<string> => {
  const known = byHand[source]
  if (known !== undefined) return known
  if (!/^Format:\s*\S*copyright-format/im.test(copyright)) return []
  for (const paragraph of copyright.split(/\n\s*\n/)) {
    const license = /^License:\s*(.+)$/m.exec(paragraph)?.[1]?.trim()
    if (license === undefined || !/^Files:\s*\*\s*$/m.test(paragraph)) continue
    return [...new Set(license.split(/\s+(?:and|or)\s+|,\s*/).map((name) => spdx[name] ?? name))]
  }
  return []
}
