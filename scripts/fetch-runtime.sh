#!/usr/bin/env bash
# Puts the libraries of ONNX Runtime and of Qualcomm's QNN plugin into .runtime/, where whisperq looks for them.
# They come from the Python package index by pip, in pinned versions with checked digests; afterwards no Python is
# needed. Does nothing when they are there already.
# usage: scripts/fetch-runtime.sh
set -euo pipefail
cd "$(dirname "$0")/.."

ort_version=1.32.0
qnn_version=2.7.0
# The wheels are those for one version of Python, whatever Python is here: only their libraries are taken.
python_tag=cp311
folder=.runtime

# For each platform: the tag and SHA-256 of both wheels, and which libraries of QNN are taken. Left out are those for
# the GPU, for language models (Genie) and for tools, and on x86-64 a second copy of the NPU's compiler.
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64)
    ort=(manylinux_2_28_x86_64 5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d)
    qnn=(manylinux_2_35_x86_64 c56c01562b8534fe8980cfea4601408d950c065f8251fb862ce82101c52c9849)
    qnn_files='onnxruntime_qnn/lib(onnxruntime_providers_qnn|QnnHtp|QnnSystem)\.so|onnxruntime_qnn\.libs/.*'
    ;;
  Linux-aarch64 | Linux-arm64)
    ort=(manylinux_2_28_aarch64 2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c)
    qnn=(manylinux_2_34_aarch64 ad08bbfebd7c07ffe83995418303215f46cb25a89e12676f47ee20c32002eaad)
    qnn_files='onnxruntime_qnn/lib(onnxruntime_providers_qnn|QnnHtp|QnnHtpPrepare|QnnSystem|QnnHtpV.*)\.so'
    ;;
  Darwin-arm64)
    ort=(macosx_14_0_arm64 366b9e53d07812cc5c92822cecf7563b76a8a0f32ba3bb8dd232a206ac3bcb6c)
    qnn=()
    ;;
  *)
    echo "error: there are no packages of ONNX Runtime for $(uname -s) on $(uname -m); build it, and name the" \
      "library with --ort-library or WHISPERQ_ORT_LIBRARY" >&2
    exit 3
    ;;
esac

wanted="onnxruntime $ort_version ${ort[1]}"
[ ${#qnn[@]} -eq 0 ] || wanted="$wanted
onnxruntime-qnn $qnn_version ${qnn[1]}"
if [ -f "$folder/versions" ] && [ "$(cat "$folder/versions")" = "$wanted" ]; then
  exit 0
fi

# Debian's Python may lack pip; the tests' own environment has it.
python=""
for candidate in python3 .venv-test/bin/python; do
  if command -v "$candidate" >/dev/null && "$candidate" -m pip --version >/dev/null 2>&1; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "error: a Python 3 with pip is needed to fetch the libraries (Debian: python3-pip)" >&2
  exit 4
fi

work=$(mktemp -d .build-runtime.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# download PACKAGE VERSION PLATFORM SHA256: fetches one wheel; pip refuses one with another digest.
download() {
  echo "Fetching $1 $2 for $3" >&2
  printf '%s==%s --hash=sha256:%s\n' "$1" "$2" "$4" >"$work/requirement"
  "$python" -m pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: \
    --implementation cp --python-version "${python_tag#cp}" --abi "$python_tag" --platform "$3" \
    --require-hashes --requirement "$work/requirement" --dest "$work/wheels" >&2
}

# unpack PATTERN WHEEL...: takes the files whose whole path matches, and the licences.
unpack() {
  "$python" - "$work/unpacked" "$@" <<'PYTHON'
import pathlib, re, shutil, sys, zipfile

target, pattern = pathlib.Path(sys.argv[1]), re.compile(sys.argv[2] + r"|.*(LICENSE|ThirdPartyNotices)[^/]*")
for wheel in sys.argv[3:]:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = target / entry.filename
            if entry.is_dir() or not pattern.fullmatch(entry.filename):
                continue
            if target.resolve() not in path.resolve().parents:
                sys.exit(f"{wheel}: {entry.filename} would leave the folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(path, "wb") as copy:
                shutil.copyfileobj(source, copy)
PYTHON
}

download onnxruntime "$ort_version" "${ort[@]}"
unpack 'onnxruntime/capi/libonnxruntime\.[0-9a-z.]*' "$work"/wheels/onnxruntime-*.whl
if [ ${#qnn[@]} -gt 0 ]; then
  download onnxruntime-qnn "$qnn_version" "${qnn[@]}"
  unpack "$qnn_files" "$work"/wheels/onnxruntime_qnn-*.whl
else
  echo "Qualcomm's QNN plugin does not exist for $(uname -s); models run on the processor here." >&2
fi
printf '%s\n' "$wanted" >"$work/unpacked/versions"

# Complete before it has its name; the old one goes last.
[ ! -e "$folder" ] || mv "$folder" "$work/old"
mv "$work/unpacked" "$folder"
echo "$folder/ has ONNX Runtime $ort_version${qnn[0]:+ and onnxruntime-qnn $qnn_version}:" >&2
(cd "$folder" && find . -name '*.so*' -size +1000k -o -name '*.dylib' -size +1000k) | sort | while IFS= read -r file; do
  echo "  $(du -m "$folder/$file" | cut -f1) MB  ${file#./}" >&2
done
