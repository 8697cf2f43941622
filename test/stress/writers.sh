# Eight writers in one directory, each with names of its own and a few that all of them use.
#   sh writers.sh DIRECTORY once|forever
#
# Who writes for ever also counts, in `open`, which stays open, and in `closed`, which is opened and closed each time; each
# number is told on output, or on error, once it is written.
directory=$1
mkdir -p "$directory/shared"
cd "$directory" || exit 1

writer() { # NUMBER ROUND
  own=$1-$2
  mkdir -p "$own/deep/er"
  for file in 1 2 3 4 5 6 7 8; do
    echo "$own $file first" > "$own/$file"
    echo "$own $file second" >> "$own/$file"
    ln "$own/$file" "$own/deep/$file.link"
    mv "$own/$file" "$own/deep/er/$file"
    ln -s "er/$file" "$own/deep/$file.symlink"
    echo "$own" > "shared/$file.$1.new" && mv "shared/$file.$1.new" "shared/$file"
    [ $((file % 2)) = 0 ] && rm "$own/deep/$file.link" "$own/deep/er/$file" "$own/deep/$file.symlink"
  done
  [ "$(cat "$own/deep/er/7" "$own/deep/7.link" "$own/deep/7.symlink" | sort -u | wc -l)" = 2 ] || exit 1
  [ "$(find "$own" -type f | wc -l)" = 8 ] || exit 1
  mv "$own" "$own.done" && rm -r "$own.done"
}

many() { # NUMBER
  round=0
  while [ "$2" = forever ] || [ "$round" -lt 40 ]; do
    round=$((round + 1))
    writer "$1" "$$.$round" || exit 1
  done
}

if [ "$2" = forever ]; then
  perl -e 'open F, ">&=3"; while (syswrite F, ++$n . "\n") { syswrite STDOUT, "$n\n"; select undef, undef, undef, 0.002 }' 3> open &
  (n=0 && while n=$((n + 1)) && echo "$n" >> closed; do echo "$n" >&2; done) &
fi
pids=
for number in 1 2 3 4 5 6 7 8; do
  many "$number" "$2" &
  pids="$pids $!"
done
failed=0
for pid in $pids; do wait "$pid" || failed=1; done
# What all of them replaced again and again is whole and the last of somebody's.
[ "$(find shared -type f | wc -l)" = 8 ] || failed=1
[ "$(find . -mindepth 1 -maxdepth 1 ! -name shared | wc -l)" = 0 ] || failed=1
exit "$failed"
