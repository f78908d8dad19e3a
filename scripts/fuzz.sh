#!/usr/bin/env bash
# Feeds the model reader with damaged files that a coverage-guided fuzzer (libFuzzer) makes up.
# usage: scripts/fuzz.sh [options of libFuzzer, for example -runs=1000000 -max_total_time=600]
# Without options: ten million executions. Inputs that crash land in Fuzz/FailCases/, one file each; every one
# becomes a unit test.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-packages.sh build
# The checks for out-of-bounds and overflow stay in a release build; the fuzzer needs its speed.
build=(swift build -c release --package-path Fuzz --product FuzzReader --sanitize=fuzzer)
"${build[@]}" >&2
program="$("${build[@]}" --show-bin-path)/FuzzReader"

mkdir -p Fuzz/corpus Fuzz/FailCases
# Small real models teach the fuzzer the format: the seeds, the tests' own, and a folder of more when there is one.
seeds=()
while IFS= read -r file; do seeds+=("$file"); done < <(
  find Fuzz/Seeds Tests models ../shared/data/onnx-graphs -name '*.onnx' -size -32k 2>/dev/null | sort
)
for file in "${seeds[@]}"; do
  name=$(printf '%s' "$file" | cksum | cut -d ' ' -f 1)
  [ -e "Fuzz/corpus/seed-$name" ] || cp "$file" "Fuzz/corpus/seed-$name"
done

options=("$@")
[ ${#options[@]} -gt 0 ] || options=(-runs=10000000)
# Swift's own crash report would come before libFuzzer can save the input.
export SWIFT_BACKTRACE=enable=no
exec "$program" -max_len=32768 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
  -artifact_prefix=Fuzz/FailCases/ "${options[@]}" Fuzz/corpus
