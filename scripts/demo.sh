#!/usr/bin/env bash
# Installs what building needs, builds whisperq, and quantizes the demo model to 8 bits. usage: scripts/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-packages.sh build
echo "Building whisperq (the first time takes some minutes)" >&2
swift build -c release --product whisperq >&2
whisperq="$(swift build -c release --show-bin-path)/whisperq"

source=models/whisper_demo_onnx
result=models/whisper_demo_quantized
mkdir -p "$result"
for part in encoder decoder; do
  model="$source/$part/whisper_$part.onnx"
  printf '\n== The %s before: whisperq inspect %s\n\n' "$part" "$model"
  "$whisperq" inspect "$model"
  output="$result/whisper_${part}_int8.onnx"
  printf '\n== Quantized: whisperq quantize %s --output %s --scheme dynamic-int8\n\n' "$model" "$output"
  "$whisperq" quantize "$model" --output "$output" --scheme dynamic-int8
done

printf '\nThe quantized models:\n'
for file in "$result"/*; do printf '  %9d bytes  %s\n' "$(wc -c <"$file")" "$file"; done
