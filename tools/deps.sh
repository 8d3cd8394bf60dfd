#!/bin/sh
# Installs what is missing, and asks for nothing where nothing is. Names are Debian's.
set -eu
CXX=${CXX:-clang++}
needed="" optional=""

has_command() { command -v "$1" > /dev/null 2>&1; }
has_file() {  # one of the paths exists
  for path in "$@"; do [ -e "$path" ] && return 0; done
  return 1
}
has_header() {
  for root in /usr/include /usr/local/include /opt/homebrew/include $(echo "${CPATH:-}" | tr ':' ' '); do
    [ -e "$root/$1" ] || [ -e "$root/${2:-$1}" ] && return 0
  done
  return 1
}

has_command cmake || needed="$needed cmake"
case ${CXX##* } in
  *clang*)
    has_command "${CXX%% *}" || needed="$needed clang"
    has_file /usr/lib/llvm-*/lib/libomp.so /usr/lib*/libomp.so /usr/local/lib/libomp.* /opt/homebrew/lib/libomp.* || needed="$needed libomp-dev" ;;
  *) has_command "${CXX%% *}" || needed="$needed g++" ;;
esac
has_command clang-format || needed="$needed clang-format"
has_header Eigen/Core eigen3/Eigen/Core || needed="$needed libeigen3-dev"
has_header stb_image.h stb/stb_image.h || needed="$needed libstb-dev"
has_header doctest/doctest.h || needed="$needed doctest-dev"
has_header CLI/CLI.hpp || needed="$needed libcli11-dev"
has_header zip.h || needed="$needed libzip-dev"
has_header sentencepiece_processor.h || needed="$needed libsentencepiece-dev"
has_header nlohmann/json.hpp || needed="$needed nlohmann-json3-dev"
# For the emoji data set alone.
has_header freetype2/ft2build.h ft2build.h || optional="$optional libfreetype-dev"
has_header harfbuzz/hb.h hb.h || optional="$optional libharfbuzz-dev"
has_file /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf /usr/share/fonts/*/NotoColorEmoji.ttf || optional="$optional fonts-noto-color-emoji"
has_file /usr/share/unicode/emoji/emoji-test.txt || optional="$optional unicode-data"

[ -n "$needed$optional" ] || exit 0

if ! has_command apt-get; then
  [ -z "$optional" ] || echo "For the emoji data set, please install what Debian calls:$optional" >&2
  [ -n "$needed" ] || exit 0
  echo "Please install what Debian calls:$needed" >&2
  exit 1
fi

as_root=""
if [ "$(id -u)" != 0 ]; then
  has_command sudo || { echo "Please install, as root:$needed$optional" >&2; exit 1; }
  as_root="sudo"
fi
echo "Installing:$needed$optional"
export DEBIAN_FRONTEND=noninteractive
install="$as_root apt-get install --yes --no-install-recommends $needed $optional"
# The list of packages may be old or empty: then it is brought up to date, once.
$install < /dev/null > /dev/null 2>&1 || { $as_root apt-get update --quiet < /dev/null && $install < /dev/null; }
