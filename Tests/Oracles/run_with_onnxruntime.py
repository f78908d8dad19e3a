"""Runs a model with Python's onnxruntime on one thread, on inputs made up from names and shapes.

Writes each input and output as raw bytes into a folder, and prints a JSON object with two lists, `inputs` and
`outputs`, whose entries have `name`, `type` (ONNX's number), `shape` and `file`.

usage: run_with_onnxruntime.py MODEL FOLDER
"""

import json
import math
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

DTYPES = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16}


def extent(dimension, tensor):
    """One for everything that has a name, except lengths that graphs compute with."""
    if dimension.HasField("dim_value"):
        return dimension.dim_value
    name = dimension.dim_param
    if name == "T":
        return 3000 if tensor == "mel" else 1500
    if name == "encoder_sequence_length":
        return 1500
    return 3 if name.startswith("past") else 1


def made_up(tensor, seed):
    number = tensor.type.tensor_type.elem_type
    shape = [extent(d, tensor.name) for d in tensor.type.tensor_type.shape.dim]
    count = math.prod(shape)
    dtype = DTYPES[number]
    if dtype == np.bool_:
        values = np.ones(count)
    elif np.issubdtype(dtype, np.integer):
        values = np.arange(count) % 5 + 2
    else:
        values = 0.7 * np.sin(0.37 * np.arange(count) + seed)
    return number, values.reshape(shape).astype(dtype)


def main():
    path, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [made_up(tensor, seed) + (tensor.name,) for seed, tensor in enumerate(graph.input)
              if tensor.name not in constants]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    results = session.run(None, {name: values for _, values, name in inputs})
    report = {"inputs": [], "outputs": []}
    for index, (number, values, name) in enumerate(inputs):
        file = f"input{index}.bin"
        (folder / file).write_bytes(values.tobytes())
        report["inputs"].append({"name": name, "type": number, "shape": list(values.shape), "file": file})
    for index, (tensor, values) in enumerate(zip(session.get_outputs(), results)):
        file = f"output{index}.bin"
        (folder / file).write_bytes(np.ascontiguousarray(values).tobytes())
        number = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
        report["outputs"].append({"name": tensor.name, "type": number, "shape": list(values.shape), "file": file})
    print(json.dumps(report))


main()
