#!/usr/bin/env bash
# Installs the real Milvus server that the tests start (PyPI's milvus-lite) and Milvus's own Python client (pymilvus), in a venv of
# their own under KUBEMATE_CACHE (~/.cache/kubemate).
# The folder's name holds a hash of the pinned list, so a changed pin is a new folder and a second run is instant.
#
#   tests/milvus/install.sh      the last line is the venv's folder
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
list=$here/requirements.txt
venvs=${KUBEMATE_CACHE:-$HOME/.cache/kubemate}/venvs
mkdir -p "$venvs"

folder=$venvs/milvus-$(cat "$list" <(python3 --version) | sha256sum | cut -c1-16)

# One installer at a time: tests run beside each other.
exec 9>"$venvs/.milvus.lock"
flock 9
# A venv holds absolute paths and cannot be renamed: `.whole` marks it as finished instead.
if [ ! -e "$folder/.whole" ]; then
    echo "milvus: installing $(tr '\n' ' ' <"$list")into $folder (455 MB, about a minute)" >&2
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --requirement "$list" >&2
    touch "$folder/.whole"
fi
echo "$folder"
