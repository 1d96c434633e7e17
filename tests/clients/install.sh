#!/usr/bin/env bash
# Installs the real OpenAI clients that the walks are held to, each set in a folder of its own under KUBEMATE_CACHE (~/.cache/kubemate).
# The folder's name holds a hash of the pinned list, so a changed pin is a new folder and a second run is instant.
#
#   tests/clients/install.sh                                     installs all sets
#   tests/clients/install.sh python/requirements-openai3.txt     installs one set
#
# The last line for each set is its folder. Folders are whole or absent: work happens beside them and is renamed in.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KUBEMATE_CACHE:-$HOME/.cache/kubemate}/clients
mkdir -p "$cache"

hash_of() { cat "$@" | sha256sum | cut -c1-16; }

# A venv holds absolute paths and cannot be renamed: `.whole` marks it as finished instead.
install_python() {
    local list=$1 folder
    folder=$cache/$(basename "$list" .txt)-$(hash_of "$list" <(python3 --version))
    if [ ! -e "$folder/.whole" ]; then
        echo "clients: installing $(basename "$list") into $folder" >&2
        rm -rf "$folder"
        python3 -m venv "$folder" >&2
        "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$list" >&2
        touch "$folder/.whole"
    fi
    echo "$folder"
}

install_node() {
    local list=$1 source folder
    source=$(dirname "$list")
    folder=$cache/node-$(basename "$source")-$(hash_of "$source/package.json" "$source/package-lock.json")
    if [ ! -e "$folder/.whole" ]; then
        echo "clients: installing $(basename "$source") into $folder" >&2
        rm -rf "$folder"
        mkdir -p "$folder"
        cp "$source/package.json" "$source/package-lock.json" "$folder"
        (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >&2)
        touch "$folder/.whole"
    fi
    echo "$folder"
}

install_one() {
    # One installer a set at a time: tests run beside each other.
    exec 9>"$cache/.$(echo "$1" | tr / _).lock"
    flock 9
    case $1 in
        *requirements*.txt) install_python "$here/$1" ;;
        *package.json) install_node "$here/$1" ;;
        *) echo "clients: $1 is neither a requirements file nor a package.json" >&2; return 1 ;;
    esac
}

if [ $# -gt 0 ]; then
    install_one "$1"
else
    cd "$here"
    find . \( -name 'requirements*.txt' -o -name package.json \) -not -path '*/node_modules/*' | sort | while read -r set; do
        install_one "${set#./}"
    done
fi
