#!/bin/sh
# Shows an image on a real desktop without a screen, and keeps what is to be seen: test/pictures/desktop.sh IMAGE SCREENSHOT.png
# Of Debian: xvfb openbox pcmanfm lxmenu-data libmenu-cache-bin libfm-modules dunst libnotify-bin dbus-x11 x11-apps x11-utils xdotool
# imagemagick adwaita-icon-theme. The image is a copy whose settings are changed; its program is the host's xclock, bound
# into it, so that any image will do.
set -eu

[ $# = 2 ] || { echo "usage: $0 IMAGE SCREENSHOT.png" >&2; exit 125; }
screenshot=$(realpath "$2")
place=$(mktemp -d)
cp "$1" "$place/clock.flatimage"
cd "$place"
mkdir home run
chmod 0700 run
export HOME="$place/home" FIM_DIR_GLOBAL="$place/global" XDG_RUNTIME_DIR="$place/run" XAUTHORITY="$place/authority" DISPLAY=:87
unset XDG_DATA_HOME WAYLAND_DISPLAY
children=

# The clock ends with its display, and with it the instance; what ends last still writes.
finish() {
  for child in $children; do kill "$child" 2> /dev/null || :; done
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.5
    if rm -rf "$place" 2> /dev/null; then return; fi
  done
  echo "$0: could not remove $place" >&2
}
trap finish EXIT
trap 'exit 130' INT TERM

# At most 20 seconds for something to come true.
await() {
  for _ in $(seq 200); do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "$0: did not come true: $*" >&2
  return 1
}

: > authority
Xvfb "$DISPLAY" -screen 0 640x400x24 -nolisten tcp > x.log 2>&1 &
children="$children $!"
await xdpyinfo
dbus-daemon --session --nofork --print-address=3 3> bus > bus.log 2>&1 &
children="$children $!"
await test -s bus
DBUS_SESSION_BUS_ADDRESS=$(cat bus)
export DBUS_SESSION_BUS_ADDRESS
openbox > openbox.log 2>&1 &
children="$children $!"
printf '[global]\norigin = bottom-right\noffset = 8x8\n' > dunstrc
dunst -conf dunstrc > dunst.log 2>&1 &
children="$children $!"

cat > clock.svg << 'END'
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><circle cx="32" cy="32" r="29" fill="#5b3fa8"/>
<circle cx="32" cy="32" r="23" fill="#fff6d8"/><path d="M32 32V15M32 32l11 7" stroke="#5b3fa8" stroke-width="4"/></svg>
END
echo '{"name":"Clock in an image","icon":"clock.svg","categories":["Utility","Clock"]}' > clock.json
app=./clock.flatimage
"$app" fim-desktop setup clock.json > setup.log
"$app" fim-desktop enable entry,mimetype,icon > setup.log
"$app" fim-notify on
"$app" fim-perms set xorg
"$app" fim-bind add ro /usr /usr > setup.log
"$app" fim-boot set /usr/bin/xclock -geometry 150x150+460+120
# The first start makes the entry, and is announced too.
"$app" fim-exec true

# From here on the desktop does it: its file manager lists the menu, and a double click starts what it lists.
XDG_MENU_PREFIX=lxde- pcmanfm --no-desktop menu://applications/Accessories > pcmanfm.log 2>&1 &
children="$children $!"
await xdotool search --onlyvisible --class pcmanfm
window=$(xdotool search --onlyvisible --class pcmanfm | tail -n 1)
xdotool windowsize "$window" 430 330
xdotool windowmove "$window" 10 40
sleep 2
xdotool windowfocus "$window"
# By its name, as one does in a file manager.
xdotool type --window "$window" "Clock in"
sleep 1
xdotool key --window "$window" Escape
xdotool key --window "$window" Return
await xdotool search --onlyvisible --class xclock
sleep 1
import -window root -colors 64 "$screenshot"
echo "$screenshot"
