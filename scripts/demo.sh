#!/usr/bin/env bash
# Installs what building needs, builds whisperq, and tells the whole story with the demo model: layout, quantize,
# validate, transcribe with the float and the 8-bit model, and one table of what it cost. usage: scripts/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-packages.sh build
echo "Building whisperq (the first time takes some minutes)" >&2
swift build -c release --product whisperq >&2
whisperq="$(swift build -c release --show-bin-path)/whisperq"

speech=models/whisper_demo_speech
folder=.demo
rm -rf "$folder"
mkdir -p "$folder"

# Shows a command as a user would type it, and runs it.
step() {
  printf '\n== whisperq %s\n\n' "$*"
  "$whisperq" "$@"
}

printf '\nOne: put the files of a model into one tree, checked against each other, with a manifest.\n'
step download-layout models/whisper_demo_onnx --name whisper_demo --models-dir "$folder"
float=$folder/whisper_demo_onnx
int8=$folder/whisper_demo_quantized

printf '\nTwo: 8 bits for every weight that bears it.\n'
step quantize "$float" --output "$int8" --scheme dynamic-int8

printf '\nThree: does it run, and does it say what the original says?\n'
step validate "$int8" --reference "$float" --ep embedded --min-sqnr 15
"$whisperq" validate "$int8" --reference "$float" --ep embedded --json >"$folder/validate.json"

printf '\nFour: speech that the model was not trained on, first with the float model, then with the 8-bit one.\n'
clips=("$speech"/en-f4-02.wav "$speech"/pt-f4-02.wav)
step transcribe "${clips[@]}" --model "$float" --ep embedded --quiet
step transcribe "${clips[@]}" --model "$int8" --ep embedded --quiet

printf '\nFive: how many words are wrong?\n'
step evaluate "$speech" --model "$float" --model "$int8" --ep embedded --max-wer-increase 3 \
  --resume "$folder/results.json"
# From the kept results, so this takes no time.
"$whisperq" evaluate "$speech" --model "$float" --model "$int8" --ep embedded --resume "$folder/results.json" --json \
  >"$folder/evaluate.json"

# The documents have one member a line, and models stand two levels deep.
printf '\nAll in one table:\n\n'
awk '
  FNR == 1 { file++ }
  file == 1 && /"sqnr_db": [0-9]/ { gsub(/[",]/, ""); if (lowest == "" || $2 + 0 < lowest + 0) lowest = $2 }
  file == 2 && /^      "(bytes|name|seconds|wer)":/ {
    gsub(/[",]/, ""); key = $1; sub(/:$/, "", key)
    if (key == "bytes") count++
    value[count, key] = $2
  }
  END {
    printf "%-8s  %8s  %8s  %14s  %6s\n", "model", "size", "time", "lowest SQNR", "WER"
    for (row = 1; row <= count; row++)
      printf "%-8s  %5.2f MB  %6.2f s  %14s  %4.1f %%\n", row == 1 ? "float" : "int8", value[row, "bytes"] / 1e6,
        value[row, "seconds"], row == 1 ? "-" : sprintf("%.1f dB", lowest), 100 * value[row, "wer"]
  }' "$folder/validate.json" "$folder/evaluate.json"

printf '\nA model this small keeps much of its size in parts that stay float; large ones shrink by three quarters.\n'
printf 'Everything is in %s. Next: %s quantize YOUR_MODEL.onnx, or make release for a program to copy.\n' \
  "$folder" "$whisperq"
