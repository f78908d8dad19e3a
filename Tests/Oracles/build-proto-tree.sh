#!/bin/sh
# Builds the independent decoder proto_tree.c into .oracle/ and prints its path.
# Usage: build-proto-tree.sh PYTHON    (PYTHON has the package onnx, whose schema is used)
# Exit code 3: a tool that this needs is not installed.
set -eu

python=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
for tool in protoc-c cc; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "needs $tool (packages protobuf-c-compiler, libprotobuf-c-dev and a C compiler)" >&2
    exit 3
  }
done
schema=$("$python" -c 'import onnx, os; print(os.path.join(os.path.dirname(onnx.__file__), "onnx-ml.proto"))') || {
  echo "needs the Python package onnx" >&2
  exit 3
}
program=$root/.oracle/proto-tree
mkdir -p "$root/.oracle"
if [ -x "$program" ] && [ "$program" -nt "$schema" ] && [ "$program" -nt "$root/Tests/Oracles/proto_tree.c" ]; then
  echo "$program"
  exit 0
fi
# Before the folder is made, so that no signal in between leaves it behind.
work=
trap 'test -z "$work" || rm -rf "$work"' EXIT
# A signal ends the script through EXIT, too; plain sh would skip it.
trap 'exit 1' HUP INT TERM
work=$root/.oracle/build.$$
mkdir "$work"
protoc-c --proto_path="$(dirname "$schema")" --c_out="$work" onnx-ml.proto
cc -std=c11 -O2 -Wall -Wextra -Werror -I"$work" -o "$work/proto-tree" \
  "$root/Tests/Oracles/proto_tree.c" "$work/onnx-ml.pb-c.c" -lprotobuf-c
mv "$work/proto-tree" "$program"
echo "$program"
