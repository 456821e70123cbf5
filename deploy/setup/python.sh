#!/usr/bin/env bash
# Makes a virtual environment and installs a lock file with hashes into it: python.sh PYTHON FOLDER LOCK [NEWEST]
# NEWEST is the newest minor version of Python 3 that the lock admits; where PYTHON is newer, uv finds or fetches that one.
set -euo pipefail
python=$1 folder=$2 lock=$3 newest=${4:-}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "setup: expected Python 3.11 or newer as '$python'; name another with: make PYTHON=/path/to/python3" >&2
  exit 2
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "setup: '$python' has no venv module (on Debian and Ubuntu: apt-get install python3-venv)" >&2
  exit 2
fi
echo "setup: $folder from $lock"
if [ ! -x .venv/bin/uv ]; then
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
fi
if [ ! -x "$folder/bin/python" ]; then
  if [ -n "$newest" ] && "$python" -c "import sys; sys.exit(sys.version_info < (3, $newest + 1))"; then
    .venv/bin/uv venv --quiet --python "3.$newest" "$folder"
  else
    "$python" -m venv "$folder"
  fi
fi
.venv/bin/uv pip install --quiet --python "$folder/bin/python" --require-hashes -r "$lock"
