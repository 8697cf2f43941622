#!/bin/sh
# Makes the images here anew, with the mkdwarfs of github.com/mhx/dwarfs: make.sh MKDWARFS. As root, for the owners and devices.
set -eu
mkdwarfs=$1
here=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/deep/deeper"
seq 1 4000 > "$tree/numbers"
seq 1 4000 > "$tree/deep/same"
seq 2000 6000 > "$tree/deep/deeper/overlapping"
: > "$tree/empty"
truncate -s 1M "$tree/sparse"
printf end | dd of="$tree/sparse" bs=1 seek=700000 conv=notrunc status=none
ln "$tree/numbers" "$tree/deep/linked"
ln -s ../numbers "$tree/deep/link"
mkfifo "$tree/pipe"
mknod "$tree/null" c 1 3
chown 1234:4321 "$tree/deep/same"
chmod 4711 "$tree/empty"
find "$tree" -exec touch --no-dereference --date=@1234567890 {} +
pack() {
  name=$1
  shift
  "$mkdwarfs" -i "$tree" -o "$here/$name.dwarfs" --force --log-level=error --no-progress --with-devices --with-specials \
    --no-create-timestamp --no-history "$@"
}
pack zstd -l 7
pack lzma -l 8 -S 20
pack lz4 -l 1
pack plain -C null --schema-compression null --metadata-compression null
pack categories -l 5 --categorize
pack unpacked -l 4 --pack-metadata=none --keep-all-times
pack packed -l 4 --pack-metadata=all -S 16
