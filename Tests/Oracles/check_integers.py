"""Recomputes every integer weight of quantized models with ONNX's own QuantizeLinear and demands the same bits.

    check_integers.py < PAIRS.json

Standard input is a JSON list of [source, quantized]. For each pair the answer lists the integer weights that were
compared and how: "channel" or "block" (s8, one scale per channel or block), or "matmul-nbits" (u8 around 128,
blocks). The scale is demanded to be max|w| / 127 to the last bit, and the integers to be what onnx.reference
computes from the stored scale. A weight of the quantized model is found in the source by its name: whisperq calls
the integers `<weight>_quantized` and the scales `<weight>_scale` or `_row_scale`, in MatMulNBits `<weight>_Q8`. Any difference is
an "error" with the first place.
"""
import json
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def constants(graph, found):
    """Initializers and Constant nodes of a graph and of the graphs inside its nodes, by name."""
    for tensor in graph.initializer:
        found[tensor.name] = numpy_helper.to_array(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                found[node.output[0]] = numpy_helper.to_array(attribute.t)
            for inner in [attribute.g] * attribute.HasField("g") + list(attribute.graphs):
                constants(inner, found)
    return found


def quantize(values, scale, axis, block_size=0):
    """What ONNX's reference evaluator says QuantizeLinear gives, s8 without zero point."""
    key = (axis, block_size)
    if key not in quantize.sessions:
        node = helper.make_node(
            "QuantizeLinear", ["x", "s"], ["y"], axis=axis, output_dtype=onnx.TensorProto.INT8,
            **({"block_size": block_size} if block_size else {}))
        ports = [helper.make_tensor_value_info(n, t, None) for n, t in
                 [("x", onnx.TensorProto.FLOAT), ("s", onnx.TensorProto.FLOAT), ("y", onnx.TensorProto.INT8)]]
        graph = helper.make_graph([node], "q", ports[:2], ports[2:])
        quantize.sessions[key] = ReferenceEvaluator(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]))
    return quantize.sessions[key].run(None, {"x": values, "s": scale})[0]


quantize.sessions = {}


def same(name, what, found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape or found.dtype != expected.dtype:
        raise ValueError(f"{name}: {what} are {found.dtype}{found.shape}, expected {expected.dtype}{expected.shape}")
    if found.tobytes() != expected.tobytes():
        places = np.argwhere(found != expected)
        place = tuple(int(i) for i in places[0]) if len(places) else "a sign of zero"
        raise ValueError(f"{name}: {len(places)} {what} differ, the first at {place}: "
                         f"{found[place] if len(places) else ''}, expected {expected[place] if len(places) else ''}")


def scales_of(largest):
    """max|w| / 127 in float32; a row of zeros has its own rule and is left to the integers."""
    return largest / np.float32(127)


def check_channels(name, weight, integers, scale):
    """One scale per channel of the first or the last axis."""
    axes = [a for a in {0, weight.ndim - 1} if weight.shape[a] == scale.size]
    matches = []
    for axis in axes:
        largest = np.abs(weight).max(axis=tuple(i for i in range(weight.ndim) if i != axis))
        expected = scales_of(largest)
        if np.array_equal(np.where(largest > 0, expected, scale.ravel()), scale.ravel()):
            matches.append(axis)
    if not matches:
        raise ValueError(f"{name}: the scales are not max|w| / 127 along any axis")
    same(name, "integers", integers, quantize(weight, scale.ravel(), matches[0]))
    return "channel"


def check_blocks(name, weight, integers, scale):
    """DequantizeLinear's blocks along one axis."""
    axis = next(a for a in range(weight.ndim) if scale.shape[a] != weight.shape[a])
    size = -(-weight.shape[axis] // scale.shape[axis])
    padded = np.moveaxis(weight, axis, 0)
    rest = -padded.shape[0] % size
    padded = np.pad(padded, [(0, rest)] + [(0, 0)] * (weight.ndim - 1))
    blocks = padded.reshape((scale.shape[axis], size) + padded.shape[1:])
    largest = np.moveaxis(np.abs(blocks).max(axis=1), 0, axis)
    same(name, "scales", scale, np.where(largest > 0, scales_of(largest), scale))
    same(name, "integers", integers, quantize(weight, scale, axis, size))
    return "block"


def check_bits(name, weight, node, result):
    """MatMulNBits of 8 bits: u8 around 128, blocks along K of [N, K]."""
    attributes = {a.name: a.i for a in node.attribute}
    if attributes["bits"] != 8:
        return None
    size, columns, rows = attributes["block_size"], attributes["K"], attributes["N"]
    blocks = -(-columns // size)
    integers = result[node.input[1]].reshape(rows, blocks * size).astype(np.int16) - 128
    scale = result[node.input[2]].reshape(rows, blocks)
    error = None
    for table in [t for t in (weight.T, weight) if t.shape == (rows, columns)]:
        padded = np.pad(table, [(0, 0), (0, blocks * size - columns)])
        largest = np.abs(padded.reshape(rows, blocks, size)).max(axis=2)
        try:
            same(name, "scales", scale, np.where(largest > 0, scales_of(largest), scale))
            same(name, "integers", integers.astype(np.int8), quantize(padded, scale, 1, size))
            return "matmul-nbits"
        except ValueError as problem:
            error = error or problem
    raise error or ValueError(f"{name}: its shape {weight.shape} is not {rows} by {columns}")


def matmul_nbits(graph, found):
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            found.append(node)
        for attribute in node.attribute:
            for inner in [attribute.g] * attribute.HasField("g") + list(attribute.graphs):
                matmul_nbits(inner, found)
    return found


def check(source_path, quantized_path):
    source = constants(onnx.load(source_path).graph, {})
    model = onnx.load(quantized_path)
    result = constants(model.graph, {})
    compared = {}
    for name, integers in result.items():
        base = name.removesuffix("_quantized")
        if base == name or integers.dtype != np.int8 or base not in source:
            continue
        weight = source[base].astype(np.float32)
        scale = next((result[base + e] for e in ("_scale", "_row_scale", "_scales") if base + e in result), None)
        if scale is None:
            raise ValueError(f"{base}: there is no '{base}_scale'")
        if weight.shape != integers.shape:
            weight = weight.T
        blocked = scale.ndim == weight.ndim
        compared[base] = (check_blocks if blocked else check_channels)(base, weight, integers, scale)
    for node in matmul_nbits(model.graph, []):
        base = node.input[1].removesuffix("_Q8")
        if base in source and base not in compared:
            how = check_bits(base, source[base].astype(np.float32), node, result)
            if how:
                compared[base] = how
    return compared


answers = []
for pair in json.load(sys.stdin):
    try:
        answers.append({"compared": check(*pair)})
    except Exception as error:
        answers.append({"error": f"{type(error).__name__}: {error}"})
json.dump(answers, sys.stdout)
