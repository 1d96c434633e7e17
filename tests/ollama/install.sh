#!/usr/bin/env bash
# Builds the real Ollama server that the walks put behind the gateway, once, into a folder of KUBEMATE_CACHE (~/.cache/kubemate).
# The folder's name holds the version and a hash of what it is built from, so a changed pin is a new folder and a second run is instant.
#
#   tests/ollama/install.sh      the last line is the path of the server
#
# It needs Go and a C++ compiler, and takes about 4 minutes of two cores. Module archives leave out vendored headers: two come
# from Debian's packages (unpacked, not installed), one from the Go module that ships it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KUBEMATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kubemate}/ollama
module=github.com/ollama/ollama
version=$(awk -v module="$module" '$1 == module { print $2 }' "$here/go.mod")
key=$(cat "$here/go.mod" "$here/go.sum" "${BASH_SOURCE[0]}" | sha256sum | cut -c1-12)
folder=$cache/$version-$key

say() { echo "ollama: $*" >&2; }

needs() {
    if ! command -v "$1" >/dev/null; then
        say "$1 is missing; install it with: apt-get install $2"
        exit 1
    fi
}

# Headers of Debian packages, as folders of the include path.
unpack_headers() {
    local work=$1
    cd "$work"
    # A fresh image has no lists of packages yet.
    fetch() { apt-get download -qq libstb-dev nlohmann-json3-dev >&2; }
    fetch || { apt-get update -qq >&2 && fetch; }
    cd - >/dev/null
    for package in "$work"/*.deb; do dpkg -x "$package" "$work"; done
    mkdir -p "$work/usr/include/miniaudio"
    cp "$(cd "$here" && go list -m -f '{{.Dir}}' github.com/gen2brain/malgo)/miniaudio.h" "$work/usr/include/miniaudio/"
    chmod -R u+w "$work/usr/include/miniaudio"
}

# Without the march it decodes a token a second.
build() {
    local work=$1 flags
    flags="-O3 -march=x86-64-v3 -I$work/usr/include -I$work/usr/include/stb"
    say "building $version once; this takes about 4 minutes of two cores"
    (cd "$here" && go mod download)
    unpack_headers "$work"
    (cd "$here" && CGO_ENABLED=1 CGO_CFLAGS="$flags" CGO_CXXFLAGS="$flags" \
        go build -trimpath -ldflags "-s -w -X $module/version.Version=${version#v}" -o "$work/ollama" "$module") >&2
}

if [ ! -x "$folder/ollama" ]; then
    mkdir -p "$cache"
    exec 9>"$cache/.lock"
    flock 9 # one builder at a time: tests run beside each other
    if [ ! -x "$folder/ollama" ]; then
        needs go golang
        needs g++ g++
        work=$cache/.building
        rm -rf "$work"
        mkdir -p "$work" "$folder"
        build "$work"
        mv "$work/ollama" "$folder/ollama"
        rm -rf "$work"
        say "built $folder/ollama"
    fi
fi
echo "$folder/ollama"
