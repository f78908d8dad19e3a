#!/usr/bin/env bash
# Imports against declared dependencies; first the check tests itself. usage: scripts/check-layering.sh
set -euo pipefail
cd "$(dirname "$0")/.."

export PYTHONDONTWRITEBYTECODE=1
python3 scripts/check_layering.py --self-test
python3 scripts/check_layering.py
