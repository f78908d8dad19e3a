"""Judges quantized models by ONNX's reference evaluator and ONNX Runtime.

Usage: check_quantized.py < JOBS.json

Standard input is a JSON list of jobs: "reference" and "candidate" are models, "weights" lists what to look at:
"name", "source" (the model that holds the weight), and either "axis", "block" (0: none) and "range" for integers
in the weight's shape, or "bits", "block", "transposed" for MatMulNBits. The answer is a list in the same order:
"problems" (texts), "sqnr" (the worst output in dB, null when all are equal), "types" (of inputs and outputs) and
"scales" (by weight).
"""

import itertools
import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

KINDS = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(int64)": np.int64, "tensor(bool)": np.bool_,
}


def walk(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from walk(attribute.g)


def constants(model):
    """All constants by name, as arrays; the messages too."""
    result = {}
    for graph in walk(model.graph):
        for tensor in graph.initializer:
            result[tensor.name] = tensor
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                result[node.output[0]] = node.attribute[0].t
    return result


def array(tensor):
    return numpy_helper.to_array(tensor)


def quantize_linear(values, scale, zero_point, axis, block):
    """QuantizeLinear of opset 21 by ONNX's reference evaluator."""
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], axis=axis, block_size=block)
    kind = zero_point.data_type
    graph = helper.make_graph(
        [node], "q",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, values.shape),
         helper.make_tensor_value_info("s", TensorProto.FLOAT, scale.shape)],
        [helper.make_tensor_value_info("y", kind, values.shape)], [zero_point])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    return ReferenceEvaluator(model).run(None, {"x": values, "s": scale})[0]


def expected_scale(values, axis, block, levels, kind):
    """max|w| / levels in float32, 1 where it is 0; blocks of 4 bits: the value of largest magnitude / -8."""
    magnitude = np.abs(values)
    if block:
        count = -(-values.shape[axis] // block)
        parts = [np.take(values, range(i * block, min((i + 1) * block, values.shape[axis])), axis)
                 for i in range(count)]
        top = np.stack([part.max(axis) for part in parts], axis)
        bottom = np.stack([part.min(axis) for part in parts], axis)
        if levels == 7:
            scale = (np.where(top > -bottom, top, bottom) / np.float32(-8)).astype(np.float32)
            return np.where(scale != 0, scale, np.float32(1))
        largest = np.maximum(top, -bottom)
    elif kind == 0:
        largest = np.max(magnitude)
    else:
        largest = np.max(magnitude, tuple(i for i in range(values.ndim) if i != axis))
    scale = (largest / np.float32(levels)).astype(np.float32)
    return np.where(scale > 0, scale, np.float32(1))


def check_linear(entry, source, candidate, answer):
    name = entry["name"]
    values = array(source[name]).astype(np.float32)
    stored = candidate[name + "_quantized"]
    scale = array(candidate[name + "_scale" if name + "_scale" in candidate else name + "_row_scale"])
    if scale.ndim == 2 and not entry["block"]:
        scale = scale[:, 0]
    answer["scales"][name] = scale.astype(np.float64).reshape(-1).tolist()
    if name + "_zero_point" in candidate and entry["block"]:
        zero = candidate[name + "_zero_point"]
    else:
        zero = helper.make_tensor("z", stored.data_type, scale.shape, [0] * scale.size)
    zero = onnx.TensorProto.FromString(zero.SerializeToString())
    zero.name = "z"
    integers = quantize_linear(values, scale, zero, entry["axis"], entry["block"]).astype(np.int32)
    if entry["range"] == "clipped":
        integers = np.maximum(integers, -127)
    found = array(stored).astype(np.int32)
    if found.shape != integers.shape or not np.array_equal(found, integers):
        wrong = np.count_nonzero(found != integers) if found.shape == integers.shape else -1
        answer["problems"].append(f"{name}: {wrong} integers differ from QuantizeLinear")
    if entry["range"] == "maximum":
        levels = {TensorProto.INT8: 127, TensorProto.INT4: 7}[stored.data_type]
        wanted = expected_scale(values, entry["axis"], entry["block"], levels, scale.ndim)
        if scale.tobytes() != wanted.reshape(scale.shape).tobytes():
            answer["problems"].append(f"{name}: scales differ from those of the maximum")
    if name + "_row_scale" in candidate and name + "_scale" in candidate:
        if array(candidate[name + "_row_scale"])[:, 0].tobytes() != scale.tobytes():
            answer["problems"].append(f"{name}: the two copies of the scales differ")


def check_blocks(entry, source, candidate, answer):
    """MatMulNBits: unpacks, and compares every value with round(w / scale) + zero point."""
    name, bits, size = entry["name"], entry["bits"], entry["block"]
    values = array(source[name]).astype(np.float32)
    values = values if entry["transposed"] else values.T
    n, k = values.shape
    blocks = -(-k // size)
    packed = array(candidate[f"{name}_Q{bits}"])
    scales = array(candidate[name + "_scales"]).reshape(n, blocks)
    answer["scales"][name] = scales.astype(np.float64).reshape(-1).tolist()

    def nibbles(data, count):
        return np.stack([data & 15, data >> 4], -1).reshape(*data.shape[:-1], -1)[..., :count]

    if packed.shape != (n, blocks, size * bits // 8):
        answer["problems"].append(f"{name}: values of shape {packed.shape}")
        return
    codes = (nibbles(packed, size) if bits == 4 else packed).reshape(n, blocks * size)[:, :k].astype(np.float64)
    middle = 1 << (bits - 1)
    zeros = np.full((n, blocks), middle, np.float64)
    if name + "_zero_points" in candidate:
        raw = array(candidate[name + "_zero_points"]).reshape(n, -1)
        zeros = (nibbles(raw, blocks) if bits == 4 else raw).astype(np.float64)
    column_scale = np.repeat(scales, size, 1)[:, :k]
    column_zero = np.repeat(zeros, size, 1)[:, :k]
    rounded = np.rint(values / column_scale).astype(np.float64) + column_zero
    low = 1 if bits == 8 and name + "_zero_points" not in candidate else 0
    wanted = np.clip(rounded, low, (1 << bits) - 1)
    if not np.array_equal(codes, wanted):
        answer["problems"].append(f"{name}: {np.count_nonzero(codes != wanted)} codes differ from round(w/scale)+zero")
    error = np.abs(values - (codes - column_zero) * column_scale)
    if entry.get("range") == "maximum" and np.any(error > np.abs(column_scale) * 1.001):
        answer["problems"].append(f"{name}: an error of more than a step")


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feeds(runner):
    """Seeded inputs; every combination of flags."""
    random = np.random.default_rng(3)
    fixed, flags = {}, []
    for value in runner.get_inputs():
        shape = [extent if isinstance(extent, int) else 3 for extent in value.shape]
        kind = KINDS[value.type]
        if kind == np.bool_:
            flags.append(value.name)
        elif np.issubdtype(kind, np.floating):
            fixed[value.name] = random.standard_normal(shape).astype(np.float32).astype(kind)
        else:
            fixed[value.name] = random.integers(0, 5, shape).astype(kind)
    for states in itertools.product([False, True], repeat=len(flags)):
        yield fixed | {name: np.array(state) for name, state in zip(flags, states)}


def compare(job, answer):
    left, right = session(job["reference"]), session(job["candidate"])
    answer["types"] = [value.type for value in list(right.get_inputs()) + list(right.get_outputs())]
    kinds = {value.name: KINDS[value.type] for value in right.get_inputs()}
    worst = None
    for inputs in feeds(left):
        expected = left.run(None, inputs)
        found = right.run(None, {name: data.astype(kinds[name]) for name, data in inputs.items() if name in kinds})
        for one, other in zip(expected, found, strict=True):
            if one.shape != other.shape:
                answer["problems"].append(f"shape {other.shape}, expected {one.shape}")
                return
            one, other = one.astype(np.float64), other.astype(np.float64)
            finite = np.isfinite(one)
            if not np.array_equal(finite, np.isfinite(other)) or not np.array_equal(one[~finite], other[~finite]):
                answer["problems"].append("infinities are elsewhere")
            noise = np.sum((one[finite] - other[finite]) ** 2)
            if noise > 0:
                sqnr = float(10 * np.log10(np.sum(one[finite] ** 2) / noise))
                worst = sqnr if worst is None else min(worst, sqnr)
    answer["sqnr"] = worst


def judge(job):
    answer = {"problems": [], "sqnr": None, "types": [], "scales": {}}
    try:
        onnx.checker.check_model(job["candidate"], full_check=True)
    except Exception as error:
        answer["problems"].append(f"onnx.checker: {str(error).splitlines()[0]}")
    candidate = constants(onnx.load(job["candidate"]))
    for entry in job["weights"]:
        source = constants(onnx.load(entry["source"]))
        (check_blocks if "bits" in entry else check_linear)(entry, source, candidate, answer)
    try:
        compare(job, answer)
    except Exception as error:
        answer["problems"].append(f"ONNX Runtime: {str(error).splitlines()[0]}")
    return answer


json.dump([judge(job) for job in json.load(sys.stdin)], sys.stdout)
