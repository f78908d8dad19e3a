#!/usr/bin/env bash
# Measures whisperq on real models against the least that the job can take, and prints a table.
# usage: scripts/bench.sh [FOLDER_WITH_MODELS] [--pairs 5] [--json]
# The folder is the first argument, or WHISPERQ_BENCH_MODELS, or the demo model.
set -euo pipefail
start=$PWD
cd "$(dirname "$0")/.."

folder=${WHISPERQ_BENCH_MODELS:-models/whisper_demo_onnx}
if [ $# -gt 0 ] && [[ $1 != --* ]]; then
  folder=$1
  [[ $folder == /* ]] || folder="$start/$folder"
  shift
fi
if [ ! -d "$folder" ]; then
  echo "error: no folder $folder; name one that holds .onnx files" >&2
  exit 2
fi

scripts/install-packages.sh build
swift build -c release --product whisperq >&2
tools=.build/bench
mkdir -p "$tools"
# The numbers have a measure only when the floor is as fast as this machine lets it be.
compiler=$(command -v cc || command -v clang)
"$compiler" -O3 -march=native -ffast-math -o "$tools/floor" Benchmarks/floor.c -lm
"$compiler" -O2 -o "$tools/measure" Benchmarks/measure.c
python3 Benchmarks/compare.py --whisperq "$(swift build -c release --show-bin-path)/whisperq" \
  --floor "$tools/floor" --measure "$tools/measure" --scratch "$tools" "$@" "$folder"
