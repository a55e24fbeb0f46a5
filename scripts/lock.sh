#!/usr/bin/env bash
# Remakes the lock files from pyproject.toml and requirements/uv.in. Versions that still fit are kept.
# Arguments go to `uv pip compile`: --upgrade, or --upgrade-package NAME.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes "$@"; }

export UV_CUSTOM_COMPILE_COMMAND="make lock"
compile "$@" requirements/uv.in -o requirements/uv.txt
compile "$@" requirements/spark.in -o requirements/spark.txt
compile "$@" pyproject.toml --group dev --fork-strategy fewest -o requirements/lock.txt

# The index has torch with CUDA only. The hash of a CPU build that this machine has in a wheel folder joins the lock.
version=$(sed -nE 's/^torch==([^ ]+).*/\1/p' requirements/lock.txt)
for folder in ${PIP_FIND_LINKS:-}; do
    for wheel in "$folder/torch-$version"+cpu-*.whl; do
        [[ -f $wheel ]] || continue
        hash=$(sha256sum "$wheel" | cut -d' ' -f1)
        grep -q "$hash" requirements/lock.txt || sed -i "/^torch==/a\    --hash=sha256:$hash \\\\" requirements/lock.txt
    done
done
