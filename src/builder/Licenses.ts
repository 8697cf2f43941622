/** SPDX identifiers for Debian's names of licences. Other names stay unchanged. */
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

/**
 * Source packages without a machine-readable copyright file, or of which only the original archive is used. A person read
 * these.
 */
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
 * The licences of a package. Uses the licence of the whole package, not those of single files.
 *
 * @param source its source package
 * @param copyright its copyright file; only Debian's machine-readable format is parsed
 * @returns SPDX identifiers, or Debian's names if there is none
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
