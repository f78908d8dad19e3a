#!/usr/bin/env bash
# Writes docs/cli.md from the program's own help, so that the two cannot drift apart.
# usage: scripts/docs.sh [--check]   (--check writes nothing and fails when the file is out of date)
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  "" | --check) ;;
  *)
    echo "usage: scripts/docs.sh [--check]" >&2
    exit 64
    ;;
esac
swift build --product whisperq >&2
export COLUMNS=100 PYTHONDONTWRITEBYTECODE=1
exec python3 scripts/render_cli_help.py "$(swift build --show-bin-path)/whisperq" docs/cli.md "$@"
