#!/usr/bin/env bash
# Makes a virtual environment and installs a lock file with hashes into it: python.sh PYTHON FOLDER LOCK
set -euo pipefail
python=$1 folder=$2 lock=$3

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "setup: expected Python 3.11 or newer as '$python'; name another with: make PYTHON=/path/to/python3" >&2
  exit 2
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "setup: '$python' has no venv module (on Debian and Ubuntu: apt-get install python3-venv)" >&2
  exit 2
fi
echo "setup: $folder from $lock"
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
if [ ! -x .venv/bin/uv ]; then
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
fi
.venv/bin/uv pip install --quiet --python "$folder/bin/python" --require-hashes -r "$lock"
