#!/usr/bin/env bash
# Makes the virtual environment from the lock, with uv brought by pip. Needs Python 3.11 or newer, nothing else.
set -euo pipefail
python="${PYTHON:-python3}"
venv="${VENV:-.venv}"

say() { printf 'environment: %s\n' "$*" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  say "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11"
  exit 1
}

if [ ! -x "$venv/bin/uv" ]; then
  say "making $venv"
  if "$python" -m venv "$venv" 2>/dev/null && [ -x "$venv/bin/pip" ]; then
    "$venv/bin/pip" install -q --disable-pip-version-check uv
  elif "$python" -m pip --version >/dev/null 2>&1; then
    # Debian splits venv's pip from Python; pip itself is enough to bring uv, and uv makes the environment.
    rm -rf "$venv"
    "$python" -m pip install -q --disable-pip-version-check --target .cache/uv uv
    .cache/uv/bin/uv venv -q --python "$python" "$venv"
    cp .cache/uv/bin/uv "$venv/bin/uv"
  else
    say "neither venv nor pip works with $python; on Debian or Ubuntu: apt-get install python3-venv"
    exit 1
  fi
fi

say "installing what locks/dev.txt names"
"$venv/bin/uv" pip sync -q --require-hashes --python "$venv/bin/python" locks/dev.txt
"$venv/bin/uv" pip install -q --no-deps --no-build-isolation --python "$venv/bin/python" -e .
say "ready: $("$venv/bin/python" --version)"
