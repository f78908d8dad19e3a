"""Says of each file whether Python's onnx reads it, and whether it writes the same bytes again.

Paths come on standard input, one per line. Each answer is one line: "no", "other" (it reads the file, but
writes it differently: another field order, other varints) or "same", a tab, and the path.
"""

import sys

import onnx


def answer(path):
    with open(path, "rb") as file:
        data = file.read()
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception:
        return "no"
    return "same" if model.SerializeToString() == data else "other"


for line in sys.stdin:
    path = line.rstrip("\n")
    print(answer(path), path, sep="\t")
