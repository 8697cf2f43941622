/** An archive of Debian packages inside a guest, so that apt installs from it without a network. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { inGuestOnly } from "./Guest.ts"
import type { Place } from "./Place.ts"

/** Makes an archive in the guest with the packages `one` and `two`, the first of which needs the second, and no other one. */
export const makeArchive = (app: Place) =>
  Effect.gen(function*() {
    const script = `${inGuestOnly}
set -e
mkdir -p /opt/archive
cd /opt/archive
for name in one two; do
  mkdir -p /tmp/$name/DEBIAN /tmp/$name/opt/$name
  echo "content of $name" > /tmp/$name/opt/$name/file
  printf 'Package: %s\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: Nobody <nobody@localhost>\\n' $name > /tmp/$name/DEBIAN/control
  if [ $name = one ]; then echo 'Depends: two' >> /tmp/$name/DEBIAN/control; fi
  echo 'Description: small' >> /tmp/$name/DEBIAN/control
  dpkg-deb --root-owner-group --build /tmp/$name ./$name.deb > /dev/null
  { cat /tmp/$name/DEBIAN/control
    echo "Filename: ./$name.deb"
    echo "Size: $(stat -c %s $name.deb)"
    echo "SHA256: $(sha256sum $name.deb | cut -d ' ' -f 1)"
    echo; } >> Packages
done
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d
echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/quick
echo 'deb [trusted=yes] file:/opt/archive ./' > /etc/apt/sources.list`
    const { code, stderr } = yield* app.run(["fim-root", "sh", "-c", script])
    assert.deepStrictEqual([code, stderr], [0, ""])
  })
