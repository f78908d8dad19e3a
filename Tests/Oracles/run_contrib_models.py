"""Makes small models of com.microsoft operators, runs them on ONNX Runtime and writes inputs and outputs as files.

usage: run_contrib_models.py FOLDER

FOLDER/index.json lists the cases as run_whisper_models.py does.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"
random = np.random.default_rng(11)


def floats(*shape):
    return random.standard_normal(shape).astype(np.float32)


def blocked(n, k, bits, block):
    """Random codes, scales of either sign, and zero points of MatMulNBits."""
    blocks = (k + block - 1) // block
    codes = random.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8)
    scales = (random.standard_normal(n * blocks) * 0.05).astype(np.float32)
    zeros = random.integers(0, 256, n * (blocks if bits == 8 else (blocks + 1) // 2)).astype(np.uint8)
    return codes, scales, zeros


def cases():
    """Name, operator, inputs (None is left out), attributes, number of outputs."""
    x, bias = floats(2, 5, 32), floats(32)
    yield "gelu", "Gelu", [x], {}, 1
    yield "bias-gelu", "BiasGelu", [x, bias], {}, 1
    yield "fast-gelu", "FastGelu", [x], {}, 1
    yield "fast-gelu-bias", "FastGelu", [x, bias], {}, 1
    yield "quick-gelu", "QuickGelu", [x], {"alpha": 1.702}, 1
    yield "quick-gelu-2", "QuickGelu", [x], {"alpha": 2.0}, 1
    skip, scale, shift = floats(2, 5, 32), floats(32), floats(32)
    yield "skip", "SkipLayerNormalization", [x, skip, scale, shift], {"epsilon": 1e-5}, 1
    yield "skip-bias", "SkipLayerNormalization", [x, skip, scale, shift, bias], {"epsilon": 1e-5}, 4
    yield "skip-plain", "SkipSimplifiedLayerNormalization", [x, skip, scale], {"epsilon": 1e-5}, 1
    a, b = floats(2, 3, 7, 8), floats(2, 3, 8, 9)
    yield "fused", "FusedMatMul", [a, b], {"alpha": 0.25}, 1
    yield "fused-t", "FusedMatMul", [a.swapaxes(2, 3).copy(), b.swapaxes(2, 3).copy()], {"transA": 1, "transB": 1}, 1
    for bits, block, k, n, rows in [(4, 32, 96, 33, 7), (4, 16, 50, 17, 1), (4, 128, 400, 20, 30), (8, 32, 96, 33, 3)]:
        codes, scales, zeros = blocked(n, k, bits, block)
        attributes = {"K": k, "N": n, "bits": bits, "block_size": block}
        name = f"nbits-{bits}-{block}-{k}-{rows}"
        yield name, "MatMulNBits", [floats(rows, k), codes, scales], attributes, 1
        yield name + "-zeros", "MatMulNBits", [floats(2, rows, k), codes, scales, zeros], attributes, 1
    q, k, v = floats(1, 4, 32), floats(1, 6, 32), floats(1, 6, 32)
    yield "mha", "MultiHeadAttention", [q, k, v], {"num_heads": 2}, 1
    yield "mha-bias", "MultiHeadAttention", [q, k, v, floats(96)], {"num_heads": 2}, 1
    yield "mha-causal", "MultiHeadAttention", [q, q, q], {"num_heads": 2, "unidirectional": 1}, 1
    yield "mha-cross", "MultiHeadAttention", [q, floats(1, 2, 9, 16), floats(1, 2, 9, 16)], {"num_heads": 2}, 1
    past = [None, None, None, floats(1, 2, 3, 16), floats(1, 2, 3, 16)]
    yield "mha-past", "MultiHeadAttention", [q, q, q] + past, {"num_heads": 2}, 3
    added = [None, None, floats(1, 1, 4, 6)]
    yield "mha-added", "MultiHeadAttention", [q, k, v] + added, {"num_heads": 2, "scale": 0.2}, 1
    weights, projection = floats(32, 96) * 0.2, floats(96)
    yield "attention", "Attention", [q, weights, projection], {"num_heads": 2}, 1
    yield "attention-causal", "Attention", [q, weights, projection], {"num_heads": 2, "unidirectional": 1}, 1
    old = floats(2, 1, 2, 3, 16)
    yield (
        "attention-past", "Attention", [q, weights, projection, None, old], {"num_heads": 2, "unidirectional": 1}, 2
    )
    step, zero = np.array(0.01, np.float32), np.array(32768, np.uint16)
    yield "quantize-16", "QuantizeLinear", [x, step, zero], {}, 1
    yield "dequantize-16", "DequantizeLinear", [random.integers(0, 65536, (3, 8)).astype(np.uint16), step, zero], {}, 1
    yield "dequantize-axis", "DequantizeLinear", [
        random.integers(-128, 128, (3, 8)).astype(np.int8), np.abs(floats(8)) + 0.01,
        random.integers(-128, 128, 8).astype(np.int8)], {"axis": 1}, 1


def main():
    folder = pathlib.Path(sys.argv[1])
    listed = []
    for name, operator, arrays, attributes, count in cases():
        here = folder / name
        here.mkdir()
        names = ["" if array is None else f"x{i}" for i, array in enumerate(arrays)]
        outputs = [f"y{i}" for i in range(count)]
        if operator == "SkipLayerNormalization" and count == 4:
            # ONNX Runtime's processor gives no means or deviations.
            outputs = ["y0", "", "", "y3"]
        node = helper.make_node(operator, names, outputs, domain=MS, **attributes)
        feeds = {n: array for n, array in zip(names, arrays) if n}
        graph = helper.make_graph(
            [node],
            name,
            [
                helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                for n, array in feeds.items()
            ],
            [
                helper.make_tensor_value_info(
                    n, TensorProto.UINT16 if operator == "QuantizeLinear" else TensorProto.FLOAT, None)
                for n in outputs if n
            ],
        )
        model = helper.make_model(
            graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(MS, 1)])
        path = here / "model.onnx"
        onnx.save(model, path)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        results = session.run(None, feeds)

        def write(stem, value_name, array):
            (here / f"{stem}.pb").write_bytes(numpy_helper.from_array(array).SerializeToString())
            return {"name": value_name, "kind": "tensor", "files": [f"{stem}.pb"]}

        listed.append(
            {
                "name": name,
                "model": str(path),
                "note": operator,
                "inputs": [write(f"input_{n}", n, array) for n, array in feeds.items()],
                "outputs": [
                    write(f"output_{entry.name}", entry.name, array)
                    for entry, array in zip(session.get_outputs(), results)
                ],
            }
        )
    (folder / "index.json").write_text(json.dumps({"cases": listed}))


if __name__ == "__main__":
    main()
