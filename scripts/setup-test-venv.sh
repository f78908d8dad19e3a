#!/usr/bin/env bash
# Makes `.venv-test`, the Python that tests ask for a second opinion (onnx, onnxruntime, numpy, jsonschema, PyYAML,
# tokenizers and transformers without torch), at pinned versions. A second call takes no time. usage: scripts/setup-test-venv.sh
set -euo pipefail
cd "$(dirname "$0")/.."

requirements="onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 jsonschema==4.26.0 PyYAML==6.0.3
  tokenizers==0.22.2 transformers==4.57.6 regex==2026.11.15"
folder=.venv-test
stamp="$folder/whisperq-requirements"

if [ "$(cat "$stamp" 2>/dev/null)" = "$requirements" ] && "$folder/bin/python" -c '' 2>/dev/null; then
  exit 0
fi

# The pinned packages have wheels for these versions of Python.
python=""
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
  if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
    2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "error: no Python 3.11 to 3.14 with its venv module; install one (Debian: python3 python3-venv)" >&2
  exit 4
fi

echo "Installing $requirements into $folder with $("$python" --version)" >&2
rm -rf "$folder"
"$python" -m venv "$folder"
# The requirements are words of this script, so they are split on purpose.
# shellcheck disable=SC2086
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
  $requirements
printf '%s' "$requirements" >"$stamp"
