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
  # The first lines say what it is; the whole report is a command away.
  "$whisperq" inspect "$model" | head -n 12
  output="$result/whisper_${part}_int8.onnx"
  printf '\n== Quantized: whisperq quantize %s --output %s --scheme dynamic-int8\n\n' "$model" "$output"
  "$whisperq" quantize "$model" --output "$output" --scheme dynamic-int8
done

printf '\nBefore and after:\n'
for part in encoder decoder; do
  before=$(wc -c <"$source/$part/whisper_$part.onnx")
  after=$(wc -c <"$result/whisper_${part}_int8.onnx")
  awk -v part="$part" -v before="$before" -v after="$after" 'BEGIN {
    printf "  %s  %5.2f MB -> %5.2f MB  (%.0f %% smaller)\n", part, before / 1e6, after / 1e6, 100 * (1 - after / before)
  }'
done
printf '\nA model this small keeps much of its size in parts that stay float; large ones shrink by three quarters.\n'
printf 'Next: %s quantize YOUR_MODEL.onnx --output OUT.onnx, or make release for a program to copy.\n' "$whisperq"
