#!/bin/busybox sh
# The first process of the emulated machine of test/stress/arm64.sh: runs the image /app as root and as a user, prints a line
# `check NAME: ok` for each check, and turns the machine off.
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp /run /etc /home/eva /root /var
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
chmod 1777 /tmp
printf 'root:x:0:0:root:/root:/bin/sh\neva:x:1000:1000:eva:/home/eva:/bin/sh\n' > /etc/passwd
printf 'root:x:0:\neva:x:1000:\n' > /etc/group
chown 1000:1000 /home/eva
chmod 755 /app
ip link set lo up

failed=0
check() { # NAME EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then
    echo "check $1: ok"
  else
    echo "check $1: failed: '$3' instead of '$2'"
    failed=1
  fi
}

# run USER COMMAND: as somebody who has a home and nothing else.
run() {
  if [ "$1" = root ]; then
    HOME=/root sh -c "$2" 2>&1
  else
    su -s /bin/sh "$1" -c "$2" 2>&1
  fi
}

for user in root eva; do
  cp /app "/home/$user.app" && chown "$user" "/home/$user.app"
  app=/home/$user.app
  began=$(cut -d ' ' -f 1 /proc/uptime)
  check "$user, fim-exec true" "0" "$(run $user "$app fim-exec true; echo \$?")"
  check "$user, fim-exec true once more" "0" "$(run $user "$app fim-exec true; echo \$?")"
  echo "check $user, two starts: from $began to $(cut -d ' ' -f 1 /proc/uptime) s"
  check "$user, exit code" "7" "$(run $user "$app fim-exec sh -c 'exit 7'; echo \$?")"
  check "$user, programs of the layer" "aarch64 arm64" "$(run $user "$app fim-exec sh -c 'echo \$(uname -m) \$(dpkg --print-architecture)'")"
  # Every byte of the packages' files goes through the DwarFS driver. dpkg's own list says what they are.
  check "$user, files of the layer" "sound" "$(run $user "$app fim-exec sh -c 'cd / && cat /var/lib/dpkg/info/*.md5sums |
    grep -v -e usr/share/doc -e usr/share/man -e usr/share/locale -e usr/share/info | md5sum -c --quiet && echo sound'" | tail -n 1)"
  # A user is all the users that there are.
  owner=33:34
  [ "$user" = root ] || owner=1000:1000
  check "$user, steps" "aarch64 new $owner" "$(run $user "$app fim-exec sh -c 'echo \$(cat /machine) \$(ls -A /srv) \$(stat -c %u:%g /srv/new)'")"
  check "$user, writing" "kept" "$(run $user "$app fim-exec sh -c 'echo kept > /kept'; $app fim-exec cat /kept")"
  check "$user, settings" "A=1" "$(run $user "$app fim-env set A=1 > /dev/null; $app fim-env list")"
  check "$user, nothing left" "" "$(grep fuse.dwarfs /proc/self/mounts; ps | grep '[f]im-')"
done
[ "$failed" = 0 ] && echo "check all: ok"
poweroff -f
