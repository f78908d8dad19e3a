"""Writes small models into a folder for tests of the backends.

`whole.onnx` is one linear layer with the types that the NPU takes (16-bit activations, 8-bit weights per channel,
32-bit bias, opset 21, fixed shape); `dynamic.onnx` is the same with a batch of any size; `erf.onnx` has an Erf that
the NPU does not take; `add.onnx` adds two inputs that share a dimension; `identity_<type>.onnx` hand their input on.

usage: make_npu_models.py FOLDER
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def save(folder, name, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(array, key) for key, array in constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, folder / f"{name}.onnx")


def linear(folder, name, batch):
    random = np.random.default_rng(1)
    width, height = 32, 16
    weight_scale = random.uniform(0.001, 0.002, height).astype(np.float32)
    input_scale = np.float32(1 / 8192)
    constants = [
        ("w", random.integers(-127, 128, (height, width)).astype(np.int8)), ("ws", weight_scale),
        ("wz", np.zeros(height, np.int8)), ("b", random.integers(-1000, 1000, height).astype(np.int32)),
        ("bs", input_scale * weight_scale), ("bz", np.zeros(height, np.int32)), ("xs", input_scale),
        ("xz", np.uint16(32768)), ("ys", np.float32(1 / 4096)), ("yz", np.uint16(32768)),
    ]
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["xq"], name="quantize_input"),
        node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"], name="dequantize_input"),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], name="dequantize_weight", axis=0),
        node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], name="dequantize_bias", axis=0),
        node("Gemm", ["xd", "wd", "bd"], ["yf"], name="linear", transB=1),
        node("QuantizeLinear", ["yf", "ys", "yz"], ["yq"], name="quantize_output"),
        node("DequantizeLinear", ["yq", "ys", "yz"], ["y"], name="dequantize_output"),
    ]
    save(folder, name, nodes, [("x", FLOAT, [batch, width])], [("y", FLOAT, [batch, height])], constants)


def main():
    folder = pathlib.Path(sys.argv[1])
    linear(folder, "whole", 4)
    linear(folder, "dynamic", "batch")
    save(
        folder, "erf",
        [helper.make_node("Exp", ["x"], ["e"], name="exponential"),
         helper.make_node("Erf", ["e"], ["f"], name="error_function"),
         helper.make_node("Add", ["f", "x"], ["y"], name="sum")],
        [("x", FLOAT, [4, 32])], [("y", FLOAT, [4, 32])])
    save(
        folder, "add", [helper.make_node("Add", ["a", "b"], ["y"], name="sum")],
        [("a", FLOAT, ["n", 3]), ("b", FLOAT, ["n", 3])], [("y", FLOAT, ["n", 3])])
    for number in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16, 21, 22):
        name = helper.tensor_dtype_to_string(number).split(".")[1].lower()
        nodes, constants = [helper.make_node("Identity", ["x"], ["y"], name="same")], ()
        if number in (21, 22):
            # The runtime has no Identity for four bits.
            nodes = [helper.make_node("DequantizeLinear", ["x", "one"], ["f"], name="there"),
                     helper.make_node("QuantizeLinear", ["f", "one"], ["y"], name="back", output_dtype=number)]
            constants = [("one", np.float32(1))]
        save(
            folder, f"identity_{name}", nodes, [("x", number, [2, "n"])], [("y", number, [2, "n"])], constants)


main()
