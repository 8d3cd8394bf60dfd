#!/bin/sh
# The README on a bare Debian: sh tools/fresh_machine.sh [bookworm|trixie] [root] [user], or `check`: only says whether that is possible here.
#
# Makes a root folder that has only git and make, clones the commit that is checked out, and runs the commands of the README's first two
# code blocks, read from the README: once as root, and once as an ordinary user who has sudo. Prints the seconds of each command.
# DEMO_FLAGS, CMAKE_FLAGS and CXX of the environment reach the commands. No file, process or mount is left behind, whatever happens.
set -eu
say() { echo "fresh machine: $*"; }
refuse() {
  say "$*" >&2
  exit 1
}

# The second call of this script, in namespaces of its own: every process and every mount made here ends with them.
if [ "${1:-}" = --in-namespace ]; then
  root=$2 who=$3
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  inside() {
    chroot "$root" env -i HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      ${CI:+CI="$CI"} ${CXX:+CXX="$CXX"} ${DEMO_FLAGS:+DEMO_FLAGS="$DEMO_FLAGS"} ${CMAKE_FLAGS:+CMAKE_FLAGS="$CMAKE_FLAGS"} "$@"
  }
  if [ "$who" = user ]; then
    { inside apt-get update && inside env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends sudo; } > /dev/null
    inside useradd --create-home --shell /bin/bash user
    echo 'user ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/user"
    inside setpriv --reuid user --regid user --init-groups env HOME=/home/user USER=user bash /commands.sh
  else
    inside bash /commands.sh
  fi
  exit
fi

cd "$(dirname "$0")/.."
suite=bookworm people="" check=no
for word in "$@"; do
  case $word in
    bookworm | trixie) suite=$word ;;
    root | user) people="$people $word" ;;
    check) check=yes ;;
    *) refuse "bookworm, trixie, root, user or check is expected, got $word" ;;
  esac
done
[ -n "$people" ] || people="root user"

[ "$(id -u)" = 0 ] || refuse "root's rights are needed to make a root folder (sudo make test-fresh)"
for command in mmdebstrap unshare apt-get git; do
  command -v $command > /dev/null || refuse "$command is needed, which is not installed"
done
unshare --mount --pid --fork true 2> /dev/null || refuse "the right to mount is needed, which containers often lack"

# This machine's own package sources, for the suite in question.
sources=$(apt-get indextargets 'Created-By: Packages' --format '$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(COMPONENT)' |
  sed -nE "s/^Debian\|[a-z]+(-updates|-security)?\|([^|]*)\|main\$/deb \2 $suite\1 main/p" | sort -u)
[ -n "$sources" ] || refuse "Debian's package sources are expected on this machine (apt-get update), got none"
[ $check = no ] || exit 0

work=$(mktemp -d "${TMPDIR:-/var/tmp}/siglip-fresh.XXXXXX")
job=""
clean_up() {
  trap '' INT TERM HUP
  [ -z "$job" ] || kill -KILL "$job" 2> /dev/null || true
  for attempt in 1 2 3 4 5; do  # processes that were killed may still be ending
    rm -rf "$work" 2> /dev/null && return
    sleep 1
  done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# In the background, since a shell handles no signal while it waits for a command in the foreground.
in_namespace() {
  unshare --mount --pid --fork --kill-child "$@" < /dev/null &
  job=$!
  wait "$job" && code=0 || code=$?
  job=""
  return "$code"
}

printf '%s\n' "$sources" > "$work/sources.list"
apt-config dump --format '%F "%v";%n' Acquire | grep -v ' "";$' > "$work/apt.conf" || true  # how this machine reaches them
git bundle create --quiet "$work/siglip.bundle" HEAD
# The lines of the first two code blocks; the address that stands for the repository is the bundle's.
git show HEAD:README.md | awk '/^    /{ if (!inside) block++; inside = 1; if (block <= 2) print substr($0, 5); next } { inside = 0 }' |
  sed "s|…|/siglip.bundle|; s/'/'\\\\''/g; s/.*/run '&'/" > "$work/lines"
[ "$(wc -l < "$work/lines")" -ge 2 ] || refuse "two code blocks with commands are expected in README.md, got none"
cat - "$work/lines" > "$work/commands.sh" << 'EOS'
cd
run() {
  began=$(date +%s)
  eval "$1" || { echo "fresh machine: failed: $1"; exit 1; }
  echo "$(($(date +%s) - began)) s  $1" >> /tmp/seconds
}
EOS

say "$suite, commit $(git rev-parse --short HEAD)"
mkdir "$work/base"
in_namespace mmdebstrap --quiet --variant=minbase --include=git,make,ca-certificates --aptopt="$work/apt.conf" "$suite" "$work/base" \
  "$work/sources.list" || refuse "mmdebstrap failed"

status=0
for who in $people; do
  cp -a "$work/base" "$work/$who"
  cp "$work/siglip.bundle" "$work/commands.sh" "$work/$who/"
  chmod a+r "$work/$who/siglip.bundle" "$work/$who/commands.sh"
  cp "$work/apt.conf" "$work/$who/etc/apt/apt.conf.d/50fresh-machine"
  cp /etc/resolv.conf "$work/$who/etc/resolv.conf"
  printf '[advice]\n\tdetachedHead = false\n' > "$work/$who/etc/gitconfig"
  say "$suite, as $who"
  in_namespace sh tools/fresh_machine.sh --in-namespace "$work/$who" "$who" || status=1
  [ ! -f "$work/$who/tmp/seconds" ] || sed "s/^/fresh machine: $suite, as $who: /" "$work/$who/tmp/seconds" >> "$work/summary"
  rm -rf "${work:?}/$who"
done
[ ! -f "$work/summary" ] || cat "$work/summary"
[ "$status" -eq 0 ] || refuse "$suite: a command of the README failed"
say "$suite: every command of the README passed"
