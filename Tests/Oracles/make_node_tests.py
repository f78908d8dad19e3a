"""Writes ONNX's own node tests as files: a model, its inputs and its outputs for each case.

usage: make_node_tests.py FOLDER

FOLDER/index.json lists the cases; each value is a tensor, a sequence of tensors or an optional (null when empty).
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

warnings.filterwarnings("ignore")
from onnx.backend.test.case.node import collect_testcases  # noqa: E402


def kind_of(type_proto):
    which = type_proto.WhichOneof("value")
    if which == "tensor_type":
        return "tensor"
    if which == "sequence_type":
        return "sequence"
    if which == "optional_type":
        inner = type_proto.optional_type.elem_type.WhichOneof("value")
        return "optional-sequence" if inner == "sequence_type" else "optional"
    return "other"


def write_value(folder, stem, info, value):
    """One input or output; None when it cannot be written as tensors."""
    kind = kind_of(info.type)
    if kind == "other":
        return None
    if value is None:
        items = None
    elif kind in ("sequence", "optional-sequence"):
        items = list(value)
    else:
        items = [value]
    files = None
    if items is not None:
        files = []
        for number, item in enumerate(items):
            if isinstance(item, onnx.TensorProto):
                tensor = item
            else:
                try:
                    tensor = numpy_helper.from_array(np.asarray(item))
                except (TypeError, ValueError, KeyError, NotImplementedError, RuntimeError):
                    return None
            name = f"{stem}_{number}.pb"
            (folder / name).write_bytes(tensor.SerializeToString())
            files.append(name)
    return {"name": info.name, "kind": kind, "files": files}


def main():
    target = pathlib.Path(sys.argv[1])
    index = []
    skipped = []
    for case in collect_testcases():
        if case.model is None or not case.data_sets:
            skipped.append(case.name)
            continue
        folder = target / case.name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(case.model.SerializeToString())
        inputs, outputs = case.data_sets[0]
        graph = case.model.graph
        read = [
            write_value(folder, f"input_{i}", info, value) for i, (info, value) in enumerate(zip(graph.input, inputs))
        ]
        made = [
            write_value(folder, f"output_{i}", info, value)
            for i, (info, value) in enumerate(zip(graph.output, outputs))
        ]
        if None in read or None in made:
            skipped.append(case.name)
            continue
        index.append(
            {
                "name": case.name,
                "rtol": case.rtol,
                "atol": case.atol,
                "operators": sorted({(n.domain + "." if n.domain else "") + n.op_type for n in graph.node}),
                "inputs": read,
                "outputs": made,
            }
        )
    (target / "index.json").write_text(json.dumps({"cases": index, "unwritable": skipped}))


if __name__ == "__main__":
    main()
