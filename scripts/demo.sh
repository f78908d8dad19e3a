#!/usr/bin/env bash
# Installs what building needs, builds whisperq, and tells the whole story with the demo model: layout, quantize,
# validate, transcribe with the float and the 8-bit model, quantize for the NPU, and one table of what it cost.
# usage: scripts/demo.sh
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

printf '\nFive: the NPU. Fixed shapes, a decoder with caches of fixed length, 8-bit weights, 16-bit activations whose\n'
printf 'scales come from four recordings.\n'
npu=$folder/whisper_demo_npu
calibration=()
for name in en-m5-05 en-linda-07 pt-f4-06 pt-pablo-08; do calibration+=(--calibration "$speech/$name.wav"); done
step quantize "$float" --output "$npu" --scheme w8a16 "${calibration[@]}" --max-tokens 96 \
  --keep-prepared "$folder/prepared" --explain
# Made-up inputs are farther from the recordings of the calibration than speech is.
step validate "$npu" --reference "$folder/prepared" --ep embedded --min-sqnr 15
"$whisperq" validate "$npu" --reference "$folder/prepared" --ep embedded --json >"$folder/validate-npu.json"
if "$whisperq" doctor --ep qnn >"$folder/doctor.txt" 2>&1; then
  printf '\nQNN is here (on Intel and AMD it is emulated bit by bit): every node must run on it.\n'
  step validate "$npu" --reference "$folder/prepared" --ep qnn --require-npu --min-sqnr 15
else
  printf '\nQNN is not here, so HTP cannot be tried; scripts/fetch-runtime.sh gets it, for Intel and AMD too.\n'
fi

printf '\nSix: how many words are wrong?\n'
models=(--model "$float" --model "$int8" --model "$npu")
step evaluate "$speech" "${models[@]}" --ep embedded --max-wer-increase 3 --resume "$folder/results.json"
# From the kept results, so this takes no time.
"$whisperq" evaluate "$speech" "${models[@]}" --ep embedded --resume "$folder/results.json" --json \
  >"$folder/evaluate.json"

# The documents have one member a line, and models stand two levels deep.
printf '\nAll in one table:\n\n'
awk '
  FNR == 1 { file++ }
  file < 3 && /"sqnr_db": [0-9]/ {
    gsub(/[",]/, "")
    if (!(file in lowest) || $2 + 0 < lowest[file] + 0) lowest[file] = $2
  }
  file == 3 && /^      "(bytes|name|seconds|wer)":/ {
    gsub(/[",]/, ""); key = $1; sub(/:$/, "", key)
    if (key == "bytes") count++
    value[count, key] = $2
  }
  END {
    printf "%-8s  %8s  %8s  %14s  %6s\n", "model", "size", "time", "lowest SQNR", "WER"
    for (row = 1; row <= count; row++)
      printf "%-8s  %5.2f MB  %6.2f s  %14s  %4.1f %%\n", row == 1 ? "float" : row == 2 ? "int8" : "w8a16",
        value[row, "bytes"] / 1e6, value[row, "seconds"], row == 1 ? "-" : sprintf("%.1f dB", lowest[row - 1]),
        100 * value[row, "wer"]
  }' "$folder/validate.json" "$folder/validate-npu.json" "$folder/evaluate.json"

printf '\nA model this small keeps much of its size in parts that stay float; large ones shrink by three quarters.\n'
printf 'Everything is in %s. Next: %s quantize YOUR_MODEL.onnx, or make release for a program to copy.\n' \
  "$folder" "$whisperq"
