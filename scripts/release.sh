#!/usr/bin/env bash
# Builds dist/whisperq, one program with the Swift runtime inside, and measures how fast it starts.
# usage: scripts/release.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-packages.sh build
build=(swift build -c release --product whisperq --scratch-path .build/release-static)
# Apple's systems bring the runtime themselves.
[ "$(uname -s)" != Linux ] || build+=(--static-swift-stdlib)
"${build[@]}" >&2
mkdir -p dist
# A program that runs cannot be written over, so the new one takes its place by name.
cp "$("${build[@]}" --show-bin-path)/whisperq" dist/whisperq.new
strip dist/whisperq.new
mv dist/whisperq.new dist/whisperq

if [ "$(uname -s)" = Linux ] && ldd dist/whisperq | grep -E 'libswift|libFoundation|not found' >&2; then
  echo "error: dist/whisperq still needs a library of the Swift toolchain" >&2
  exit 70
fi

# Nothing of this shell's environment helps the program: it is alone on a new machine, too.
version=$(env -i dist/whisperq --version)
times=()
for _ in {1..20}; do
  start=${EPOCHREALTIME/[.,]/}
  env -i dist/whisperq --version >/dev/null
  times+=($((${EPOCHREALTIME/[.,]/} - start)))
done
# The tenth of twenty in order; `env` itself is in it.
median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 10p)
printf 'dist/whisperq %s: %d bytes, starts in %d.%d ms (median of 20)\n' \
  "$version" "$(wc -c <dist/whisperq)" $((median / 1000)) $((median % 1000 / 100))
