"""Compares quantized models of fixed shapes with their float sources on speech, by ONNX Runtime.

Usage: compare_static.py CLIP.wav < PAIRS.json

Standard input is a JSON list of [source, candidate]; the answer is a list in the same order: "sqnr" of the worst
output in dB, "open" (names of values without a fixed shape), "operators", "types" (of the candidate's inputs and
outputs), "pairs" (types of QuantizeLinear with their counts). A pair that fails has "error" instead. The features of
the clip are those of scripts/oracle_accuracy.py; models with other inputs get seeded numbers.
"""
import collections
import importlib.util
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

path = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "oracle_accuracy.py"
spec = importlib.util.spec_from_file_location("oracle_accuracy", path)
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feeds_of(session, clip):
    random = np.random.default_rng(3)
    feeds = {}
    for item in session.get_inputs():
        if not all(isinstance(extent, int) for extent in item.shape):
            raise ValueError(f"input {item.name} has the open shape {item.shape}")
        if len(item.shape) == 3 and item.shape[1] == 80:
            mel = oracle.log_mel(oracle.read_wav(clip), 80)
            feeds[item.name] = np.ascontiguousarray(mel[:, :, :item.shape[2]], np.float32)
        elif "int" in item.type:
            feeds[item.name] = np.ones(item.shape, np.int64 if "64" in item.type else np.int32)
        else:
            feeds[item.name] = random.standard_normal(item.shape).astype(np.float32)
    return feeds


def fixed(info):
    tensor = info.type.tensor_type
    return tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim)


def compare(source, candidate, clip):
    onnx.checker.check_model(candidate, full_check=True)
    model = onnx.load(candidate)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    known = [*inferred.graph.input, *inferred.graph.output, *inferred.graph.value_info]
    described = {info.name for info in known}
    made = {name for node in model.graph.node for name in node.output if name}
    session = open_session(candidate)
    feeds = feeds_of(session, clip)
    worst = float("inf")
    names = [item.name for item in session.get_outputs()]
    for wanted, found in zip(open_session(source).run(names, feeds), session.run(names, feeds)):
        error = np.sum((wanted.astype(np.float64) - found) ** 2)
        signal = np.sum(wanted.astype(np.float64) ** 2)
        worst = min(worst, 10 * np.log10(signal / error) if error else 200.0)
    zeros = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    return {
        "sqnr": float(worst),
        "open": sorted({info.name for info in known if not fixed(info)} | (made - described)),
        "operators": collections.Counter(node.op_type for node in model.graph.node),
        "types": sorted({item.type for item in [*session.get_inputs(), *session.get_outputs()]}),
        "pairs": collections.Counter(
            onnx.TensorProto.DataType.Name(zeros[node.input[2]]) for node in model.graph.node
            if node.op_type == "QuantizeLinear"),
    }


def main():
    answer = []
    for source, candidate in json.load(sys.stdin):
        try:
            answer.append(compare(source, candidate, sys.argv[1]))
        except Exception as error:
            answer.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answer, sys.stdout)
    print()


if __name__ == "__main__":
    main()
