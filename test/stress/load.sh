#!/bin/sh
# 64 processes that read all over a tree three times as large as the driver's cache, in an image and from squashfs; and 40 instances of one
# image at once. Prints a line for each. Needs squashfuse and squashfs-tools. Called by test/stress/run -p load.
#
#   test/stress/load.sh [PROCESSES [INSTANCES]]
set -eu

root=$(CDPATH='' cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P)
place=$root/build/stress/load
processes=${1:-64}
instances=${2:-40}
# Files of 2 MiB: three times the most that the cache of the driver may have, 256 MiB (docs/decisions/0025-blocks-for-starts.md).
files=384
# How many of them each process reads.
each=48
mkdir -p "$place/global" "$place/mount"

if [ ! -e "$place/tree.squashfs" ]; then
  rm -rf "$place/tree"
  mkdir -p "$place/tree/load"
  number=0
  while [ "$number" -lt "$files" ]; do
    # Packs to three quarters, as programs do not: reading is slower than of those.
    head -c 1572864 /dev/urandom | base64 -w 0 > "$place/tree/load/$number"
    number=$((number + 1))
  done
  "$root/build/native/mkdwarfs" -i "$place/tree" -o "$place/tree.layer" -l 6 > /dev/null
  mksquashfs "$place/tree" "$place/tree.part" -comp zstd -Xcompression-level 15 -b 128K -no-progress -quiet -noappend
  mv "$place/tree.part" "$place/tree.squashfs"
  rm -rf "$place/tree"
fi
image=$place/blueprint.flatimage
"$root/bin/flatimage" build --dist blueprint --quiet --output "$image"

# The readers: each in an order of its own, and what each took in hundredths of a second.
cat > "$place/read.sh" << 'READ'
busybox=$1 directory=$2 processes=$3 files=$4 each=$5
hundredths() { read -r up idle < /proc/uptime; echo "${up%.*}${up#*.}"; }
began=$(hundredths)
reader() {
  count=0
  while [ "$count" -lt "$each" ]; do
    "$busybox" cat "$directory/$((($1 * 37 + count * 101) % files))" > /dev/null || exit 1
    count=$((count + 1))
  done
  echo $(($(hundredths) - began))
}
number=0 pids=
while [ "$number" -lt "$processes" ]; do
  reader "$number" &
  pids="$pids $!"
  number=$((number + 1))
done
failed=0
for pid in $pids; do wait "$pid" || failed=1; done
exit "$failed"
READ

export FIM_DIR_GLOBAL="$place/global" FIM_DIR_DATA="$place/data" FIM_LAYERS="$place/tree.layer" FIM_LINGER=0 FIM_HOT=0

# drivers: pids of those that serve this layer.
drivers() { find /proc/[0-9]*/exe -maxdepth 0 -lname "$place/global/*" 2> /dev/null | while read -r exe; do
  process=${exe%/exe}
  [ "$(cat "$process/comm" 2> /dev/null)" != fim-dwarfs ] || echo "${process#/proc/}"
done; }

# The most memory that a driver had, in MiB; until the file "ended" is there.
watch_memory() {
  most=0
  while [ ! -e "$place/ended" ]; do
    for pid in $(drivers); do
      now=$(sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2> /dev/null || true)
      [ "${now:-0}" -le "$most" ] || most=$now
    done
    sleep 0.2
  done
  echo $((most / 1024)) > "$place/memory"
}

# summary NAME FILE: seconds of the last reader, MiB per second of all, the slowest against the quickest.
summary() {
  sort -n "$2" | awk -v name="$1" -v bytes=$((processes * each * 2)) '
    NR == 1 { first = $1 } { last = $1 }
    END { printf "load       %s: %d readers, last after %.1f s, %.0f MiB/s, slowest %.2f times the quickest\n", name, NR, last / 100, bytes * 100 / last, last / first }'
}

# Of an image that was built before.
rm -rf "$place/data"
rm -f "$place/ended" "$place/memory"
trap 'touch "$place/ended"' EXIT
watch_memory &
watcher=$!
"$image" fim-exec sh -s busybox /load "$processes" "$files" "$each" < "$place/read.sh" > "$place/image.times"
touch "$place/ended"
wait "$watcher"
# The same sandbox and the same programs, as an image has them.
tools=$(echo "$place"/global/app/*/bin)
unshare --mount sh -c 'squashfuse_ll "$1" "$2" || exit; mount=$2; shift 2; "$@"; code=$?; umount "$mount"; exit $code' sh \
  "$place/tree.squashfs" "$place/mount" \
  "$tools/bwrap" --unshare-pid --unshare-ipc --unshare-uts --unshare-net --die-with-parent --ro-bind / / \
  --overlay-src "$place/mount" --tmp-overlay /mnt --proc /proc --dev /dev -- \
  "$tools/busybox" sh "$place/read.sh" "$tools/busybox" /mnt/load "$processes" "$files" "$each" > "$place/squashfs.times"
summary image "$place/image.times"
summary squashfuse_ll "$place/squashfs.times"
echo "load       driver: at most $(cat "$place/memory") MiB of memory of its own"

# --- Instances at once: each waits until all run, so that they are there together.
mkfifo "$place/door.$$"
trap 'rm -f "$place/door.$$"; touch "$place/ended"' EXIT
number=0
: > "$place/started"
pids=
while [ "$number" -lt "$instances" ]; do
  "$image" fim-exec sh -c 'echo started; read -r line; cat /load/7 /load/100 | wc -c' < "$place/door.$$" >> "$place/started" &
  pids="$pids $!"
  number=$((number + 1))
done
exec 3> "$place/door.$$"
patience=600
while [ "$(grep -c started "$place/started")" -lt "$instances" ] && [ "$patience" -gt 0 ]; do
  sleep 0.1
  patience=$((patience - 1))
done
count=$(drivers | wc -l)
number=0
while [ "$number" -lt "$instances" ]; do echo go >&3; number=$((number + 1)); done
exec 3>&-
failed=0
for pid in $pids; do wait "$pid" || failed=$((failed + 1)); done
right=$(grep -c '^4194304$' "$place/started" || true)
echo "load       $instances instances at once: $count driver, $right read all, $failed failed"
[ "$count" = 1 ] && [ "$right" = "$instances" ] && [ "$failed" = 0 ]
