#!/bin/sh
# Installs the packages that a target of the Makefile lacks: sh tools/deps.sh [TARGET]... `deps` is all targets together. Does nothing where
# nothing is missing. Names are Debian's.
set -eu
CXX=${CXX:-clang++}
needed="" optional=""
root=${SIGLIP_DEPS_ROOT:-}  # where to look; the tests look elsewhere

targets=" $* "
serves() {  # one of the targets is called for
  for target in "$@" deps; do case $targets in *" $target "*) return 0 ;; esac; done
  return 1
}
has_command() { command -v "$1" > /dev/null 2>&1; }
has_file() {  # one of the paths exists
  for path in "$@"; do [ -e "$root$path" ] && return 0; done
  return 1
}
has_header() {
  for folder in /usr/include /usr/local/include /opt/homebrew/include $(echo "${CPATH:-}" | tr ':' ' '); do
    [ -e "$root$folder/$1" ] || [ -e "$root$folder/${2:-$1}" ] && return 0
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
! serves lint || has_command clang-format || needed="$needed clang-format"
has_header Eigen/Core eigen3/Eigen/Core || needed="$needed libeigen3-dev"
has_header stb_image.h stb/stb_image.h || needed="$needed libstb-dev"
has_header doctest/doctest.h || needed="$needed doctest-dev"
has_header CLI/CLI.hpp || needed="$needed libcli11-dev"
has_header zip.h || needed="$needed libzip-dev"
has_header sentencepiece_processor.h || needed="$needed libsentencepiece-dev"
has_header nlohmann/json.hpp || needed="$needed nlohmann-json3-dev"
# For the emoji data set.
has_header freetype2/ft2build.h ft2build.h || optional="$optional libfreetype-dev"
has_header harfbuzz/hb.h hb.h || optional="$optional libharfbuzz-dev"
has_file /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf /usr/share/fonts/*/NotoColorEmoji.ttf || optional="$optional fonts-noto-color-emoji"
has_file /usr/share/unicode/emoji/emoji-test.txt || optional="$optional unicode-data"

# Decoders beside the ones that are built in; `deps` and the tests ask for them.
decoders=""
if serves test fuzz; then
  has_header jpeglib.h || decoders="$decoders libjpeg62-turbo-dev"
  has_header webp/decode.h || decoders="$decoders libwebp-dev"
fi

# What the tests alone use. Its packages carry the compiler's version, so this is asked once the compiler is there.
for_tests() {
  serves test fuzz || return 0
  case ${CXX##* } in *clang*) ;; *) return 0 ;; esac
  version=$("${CXX##* }" -dumpversion 2> /dev/null) || return 0
  version=${version%%.*}
  has_file "$("${CXX##* }" -print-file-name="libclang_rt.tsan-$(uname -m).a")" || echo " libclang-rt-$version-dev"
  has_command llvm-symbolizer || has_file "/usr/lib/llvm-$version/bin/llvm-symbolizer" || echo " llvm-$version"
}

as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
can_install() { has_command apt-get && { [ -z "$as_root" ] || has_command "$as_root"; }; }

export DEBIAN_FRONTEND=noninteractive
# The list of packages may be old or empty: then it is brought up to date, once.
install_packages() {
  $as_root apt-get install --yes --no-install-recommends "$@" < /dev/null > /dev/null 2>&1 && return
  $as_root apt-get update --quiet < /dev/null && $as_root apt-get install --yes --no-install-recommends "$@" < /dev/null
}

# install_optional WHAT CONSEQUENCE PACKAGE…: only warns.
install_optional() {
  what=$1 consequence=$2
  shift 2
  [ $# -gt 0 ] || return 0
  if ! can_install; then
    echo "For $what, please install what Debian calls: $*" >&2
    return 0
  fi
  echo "Installing, for $what: $*"
  # Nobody is asked for a password for what is optional.
  ( [ -z "$as_root" ] || as_root="sudo -n"; install_packages "$@" ) || echo "Installing failed; $consequence without: $*" >&2
}

if [ -n "$needed" ]; then
  if ! can_install; then
    install_optional "the emoji data set" "" $optional
    echo "Please install what Debian calls:$needed" >&2
    exit 1
  fi
  echo "Installing:$needed"
  install_packages $needed || { echo "Installing failed; please install what Debian calls:$needed" >&2; exit 1; }
fi
install_optional "the emoji data set" "everything but the emoji data set works" $optional
install_optional "JPEG as Pillow decodes it, and WebP" "JPEG is decoded by stb_image, and WebP is not" $decoders
install_optional "the tests under sanitizers" "these tests are skipped" $(for_tests)
