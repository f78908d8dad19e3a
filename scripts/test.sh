#!/usr/bin/env bash
# Builds and runs the tests; installs what they need first, and ends with the issues and the count of tests that did not run.
# usage: scripts/test.sh [arguments of swift test, for example --filter ConsoleTests]
# WHISPERQ_TEST_OFFLINE=1 installs nothing: tests that need what is not there are cancelled.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${WHISPERQ_TEST_OFFLINE:-}" ]; then
  scripts/install-packages.sh test
  scripts/setup-test-venv.sh
  # Where there are no packages of ONNX Runtime (3), the tests that need it are cancelled.
  scripts/fetch-runtime.sh || [ $? -eq 3 ]
fi

events=$(mktemp)
trap 'rm -f "$events"' EXIT

swift build --build-tests
status=0
swift test --skip-build --disable-xctest --event-stream-output-path "$events" --event-stream-version 6.3 "$@" \
  </dev/null || status=$?
python3 scripts/summarize_tests.py "$events"
exit "$status"
