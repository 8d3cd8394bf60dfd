#!/bin/sh
# Packs the sources and the third-party headers into one archive, so that a machine with nvcc, CMake and a compiler, but without network and
# packages, can run tools/gpu_report.sh. libsentencepiece, libzip and FreeType stay behind: the bundle is built without what needs them. The headers
# alone, for a checkout that is there already: tar -xzf ARCHIVE --strip-components=1 siglip-gpu/third_party
set -eu
cd "$(dirname "$0")/.."
archive=${1:-build-bundle/siglip-gpu.tar.gz}
most=$((30 * 1024 * 1024))
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
to=$folder/siglip-gpu

# The sources as they are here, changes included.
mkdir -p "$to"
git ls-files --cached --others --exclude-standard | while read -r file; do [ ! -e "$file" ] || echo "$file"; done | tar -cf - -T - | tar -xf - -C "$to"
git describe --always --abbrev=40 --dirty --exclude '*' > "$to/COMMIT"
# Pictures to train on, if they were drawn: the machine may have no font.
[ ! -d data/emoji ] || cp -r data/emoji "$to/data/emoji"

# Headers and the CMake files that find them, as their packages lay them out.
for package in libeigen3-dev nlohmann-json3-dev libcli11-dev libstb-dev; do
  dpkg -L "$package" > "$folder/files" 2> /dev/null || { echo "gpu-bundle: the package $package is expected to be installed, got none" >&2; exit 1; }
  grep -E '^/usr/(include|share/cmake|share/eigen3)/' "$folder/files" | grep -v '^/usr/include/eigen3/unsupported' | while read -r file; do
    if [ -f "$file" ]; then
      mkdir -p "$to/third_party$(dirname "$file")"
      cp -L "$file" "$to/third_party$file"
    fi
  done
done

mkdir -p "$(dirname "$archive")"
tar -czf "$archive" -C "$folder" siglip-gpu
bytes=$(wc -c < "$archive")
[ "$bytes" -le "$most" ] || { echo "gpu-bundle: at most $most bytes are expected, got $bytes in $archive" >&2; exit 1; }
echo "$archive: $((bytes / 1024)) KiB. On the other machine: tar -xzf $(basename "$archive") && sh siglip-gpu/tools/gpu_report.sh"
