#!/bin/sh
# An image for arm64 that this x86-64 machine has built, run twice: its boot program and settings under an emulator of programs, and all
# of it (launcher, engine, DwarFS driver, overlay, sandbox) under Debian's kernel for arm64 in an emulated machine. Prints a line for each
# check; the kernel's messages stay in build/stress/arm64/console. Called by test/stress/run -p arm64.
#
#   test/stress/arm64.sh [-s SECONDS] [IMAGE]
#
# IMAGE is built of arm64.flatimage.json if it is not given; SECONDS is how long the emulated machine may take, 900 unless given.
set -eu

root=$(CDPATH='' cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P)
place=$root/build/stress/arm64
patience=900
while getopts s: option; do
  case $option in
    s) patience=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
mkdir -p "$place"
image=${1:-$place/arm64.flatimage}
[ "$#" -gt 0 ] || nice -n 5 "$root/bin/flatimage" build "$root/test/stress/arm64.flatimage.json" --output "$image"

# --- What only this test needs, of the packages that the build's own apt knows, unpacked below build/stress. The machine's are not touched.
lists=$root/build/cache/apt/trixie-amd64-arm64
export APT_CONFIG="$lists/apt.conf"
[ -e "$APT_CONFIG" ] || {
  echo "arm64: there are no lists of packages: run bin/flatimage build --dist blueprint --arch arm64" >&2
  exit 125
}

# unpack TREE PACKAGE...: these packages and nothing else.
unpack() {
  tree=$1
  shift
  work=$(mktemp -d "$place/.debs.XXXXXX")
  (cd "$work" && apt-get download --quiet "$@" > log 2>&1) || {
    cat "$work/log" >&2
    exit 125
  }
  for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$tree.new"; done
  rm -rf "$work" "$tree"
  mv "$tree.new" "$tree"
}

if [ ! -d "$place/qemu" ]; then
  # shellcheck disable=SC2046
  unpack "$place/qemu" $(apt-get install --simulate --quiet --no-install-recommends qemu-system-arm |
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p')
fi
if [ ! -d "$place/kernel" ]; then
  unpack "$place/kernel" \
    "$(apt-cache depends linux-image-arm64:arm64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)"
fi

# --- What needs no kernel: the codec and the settings, by the boot program of the image itself.
qemu=$(echo "$root"/build/cache/cross/emulator-*/qemu-aarch64)
elf='\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff'
emulated() {
  FIM_DIR_GLOBAL="$place/global" FIM_DIR_DATA="$place/data" \
    "$root/build/native/fim" emulate ":stress:M::$elf:$mask:$qemu:F" -- "$@"
}
failed=0
check() { # NAME EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then
    echo "arm64      $1: ok"
  else
    echo "arm64      $1: failed: '$3' instead of '$2'"
    failed=1
  fi
}
copy=$place/settings.flatimage
cp "$image" "$copy"
emulated "$copy" fim-env set "WORD=with a space" > "$place/emulated" 2>&1 || true
emulated "$copy" fim-env add OTHER=2 >> "$place/emulated" 2>&1 || true
check "settings, by the image" "OTHER=2,WORD=with a space" "$(emulated "$copy" fim-env list | paste -sd ,)"
check "settings, by this machine" "OTHER=2,WORD=with a space" "$("$root/bin/flatimage" config "$copy" fim-env list | paste -sd ,)"
check "architecture" "ARM aarch64" "$(file -b "$copy" | sed -n 's/.*\(ARM aarch64\).*/\1/p')"
rm -f "$copy"
rm -rf "$place/global" "$place/data"

# --- An emulated machine with nothing but a static busybox, the image, and a script that runs it.
busybox=$(echo "$root"/build/cache/tools-arm64/*/bin/busybox)
ours=$(echo "$root"/build/cache/tools/*/bin/busybox)
ram=$place/ram
rm -rf "$ram"
mkdir -p "$ram/bin" "$ram/proc" "$ram/dev" "$ram/new"
cp "${busybox%% *}" "$ram/bin/busybox"
cp "$image" "$ram/app"
cp "$root/test/stress/arm64-guest.sh" "$ram/guest"
find "$place/kernel/usr/lib/modules" -name overlay.ko.xz -exec xz -dc {} + > "$ram/overlay.ko"
cat > "$ram/init" << 'END'
#!/bin/busybox sh
# The file system of an initramfs cannot be left by pivot_root, which a sandbox does: everything moves to another one.
/bin/busybox mount -t proc proc /proc
/bin/busybox insmod /overlay.ko
/bin/busybox mount -t tmpfs -o mode=755 new /new
/bin/busybox mkdir /new/bin
/bin/busybox mv /bin/busybox /new/bin/busybox.new
/new/bin/busybox.new mv /app /guest /new
/new/bin/busybox.new mv /new/bin/busybox.new /new/bin/busybox
/new/bin/busybox umount /proc
exec /new/bin/busybox switch_root /new /bin/busybox sh /guest
END
chmod 755 "$ram/init"
(cd "$ram" && find . | "${ours%% *}" cpio -o -H newc 2> /dev/null | gzip -1) > "$place/ram.gz"
rm -rf "$ram"
# The emulator is of another suite than this machine may be, so it runs with its own libraries.
began=$(date +%s)
timeout "$patience" bwrap --ro-bind "$place/qemu/usr" /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
  --proc /proc --dev /dev --tmpfs /tmp --ro-bind "$place" /stress --unshare-net --die-with-parent \
  qemu-system-aarch64 -machine virt -cpu max,pauth-impdef=on -accel tcg,thread=multi -smp 2 -m 2048 -nodefaults -no-reboot \
  -display none -serial stdio -kernel "/stress/kernel/boot/$(basename "$place"/kernel/boot/vmlinuz-*)" -initrd /stress/ram.gz \
  -append "console=ttyAMA0 quiet panic=-1" < /dev/null > "$place/console" 2>&1 || true
rm -f "$place/ram.gz"
tr -d '\r' < "$place/console" | sed -n 's/^check /arm64      /p'
tr -d '\r' < "$place/console" | grep -qx 'check all: ok' || failed=1
echo "arm64      $([ "$failed" = 0 ] && echo sound || echo "failed, see $place/console"), $(($(date +%s) - began)) s"
exit "$failed"
