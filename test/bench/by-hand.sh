#!/bin/sh
# What an image does at a start, by hand and no more: namespaces, one DwarFS mount, and a sandbox on the kernel's overlay.
# The floor that the bench compares with. In the environment: app (application directory), driver (the program that serves
# layers), image, offset and size (the layer), layer, upper and work (directories), uid and gid (empty for root). Arguments:
# the program.
set -eu

if [ -n "$uid" ]; then
  set -- --unshare-user --uid "$uid" --gid "$gid" -- "$@"
  export users="--user --map-root-user" owner=",uid=0,gid=0"
else
  set -- -- "$@"
  export users="" owner=""
fi

# The driver and all mounts end with the first process of the new namespaces.
# shellcheck disable=SC2086,SC2016
exec unshare $users --mount --pid --fork --kill-child sh -euc '
  "$driver" "$image" "$layer" -o "offset=$offset,imagesize=$size,cachesize=128m,workers=2$owner" &
  # By looking again and again: quicker than any program that could wait.
  until [ -e "$layer/usr" ]; do kill -0 "$!"; done
  mount -t proc proc /proc
  "$app/bin/bwrap" --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try --unshare-net --die-with-parent \
    --overlay-src "$layer" --overlay "$upper" "$work" / \
    --proc /proc --dev /dev --tmpfs /tmp --tmpfs /run "$@"
' sh "$@"
