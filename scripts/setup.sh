#!/usr/bin/env bash
# Makes .venv exactly as requirements/ locks it. Returns at once when that is done already; what an interruption
# left behind is made anew.
#   PYTHON          interpreter to use instead of the first fit one
#   PIP_FIND_LINKS  wheel folders of this machine, such as one with the small CPU build of torch
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.stamp
# The folder is part of it because a virtual environment holds absolute paths: a moved one is made anew.
wanted=$({ pwd && cat requirements/*.txt pyproject.toml scripts/setup.sh; } | sha256sum)

is_done() { [[ -x .venv/bin/python && -f $stamp && $(<"$stamp") == "$wanted" ]]; }

# make puts .venv first in PATH; a new environment must not be made with the interpreter of the one it replaces.
PATH=${PATH//"$PWD/.venv/bin:"/}
candidates=${PYTHON:-python3.11 python3.12 python3.13 python3}
find_python() {
    local candidate
    for candidate in $candidates; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Found no Python 3.11 or later that can make virtual environments (tried: $candidates)." >&2
    echo "Install one (Debian, Ubuntu: apt install python3-venv) or name one: make setup PYTHON=/path/to/python3" >&2
    return 1
}

is_done && exit 0
mkdir -p .cache
exec 9>.cache/setup.lock
flock 9 # A second make waits here and then finds the work done.
is_done && exit 0

python=$(find_python)
trap 'echo "The set-up of .venv failed. Mend what is said above and call again: downloads are kept." >&2' ERR
echo "Setting up .venv with $("$python" --version); this takes a minute or a few, once." >&2
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

# In a log the list of 250 packages is no news; on a terminal uv shows progress.
uv_install() {
    .venv/bin/uv pip install $([[ -t 2 ]] || echo --quiet) --python .venv/bin/python "$@"
}
find_links=()
for folder in ${PIP_FIND_LINKS:-}; do find_links+=(--find-links "$folder"); done
# The lock is a constraint and not the list to install, because it holds torch's CUDA packages, which torch's CPU
# build does not need. uv checks the hash of everything that the lock names.
uv_install "${find_links[@]}" -r pyproject.toml --group dev --constraint requirements/lock.txt
uv_install --no-deps --no-build-isolation --editable .
echo "$wanted" >$stamp
