#!/usr/bin/env python3
"""Runs exports and their prepared forms in ONNX Runtime on the same seeded inputs.

    compare_prepared.py < PAIRS.json

Standard input is a JSON list of [source, prepared]; the answer is a list in the same order. For each pair:
"worst", the largest difference of an output relative to the output's largest value; "operators" of the prepared
model; "open", the names of values whose shape it does not say. A pair that fails has "error" instead. Every input of the
prepared model must have a fixed shape; inputs that only the source has are zeros, and use_cache_branch is false
unless the prepared model takes caches. Where the source takes or gives float16, the prepared model has float.
"""
import collections
import json
import sys

import numpy as np
import onnx
import onnxruntime

KINDS = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(bool)": np.bool_,
}


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feeds_of(session):
    """Seeded inputs for a model of fixed shapes."""
    random = np.random.default_rng(3)
    feeds = {}
    for item in session.get_inputs():
        if not all(isinstance(extent, int) for extent in item.shape):
            raise ValueError(f"input {item.name} has the open shape {item.shape}")
        kind = KINDS[item.type]
        if item.name == "attention_mask":
            feeds[item.name] = np.full(item.shape, -100, kind)
            feeds[item.name][..., -12:] = 0
        elif kind in (np.int64, np.int32):
            feeds[item.name] = random.integers(0, 40, item.shape).astype(kind)
        else:
            feeds[item.name] = random.standard_normal(item.shape).astype(kind)
    return feeds


def compare(source, prepared):
    onnx.checker.check_model(prepared, full_check=True)
    candidate = open_session(prepared)
    reference = open_session(source)
    feeds = feeds_of(candidate)
    all_feeds = dict(feeds)
    for item in reference.get_inputs():
        if item.name in feeds:
            if item.type == "tensor(float16)":
                all_feeds[item.name] = feeds[item.name].astype(np.float16)
            continue
        if item.name == "use_cache_branch":
            all_feeds[item.name] = np.array([any(name.startswith("past_") for name in feeds)])
            continue
        shape = [extent if isinstance(extent, int) else 1 for extent in item.shape]
        all_feeds[item.name] = np.zeros(shape, KINDS[item.type])
    names = [item.name for item in candidate.get_outputs()]
    if names != [item.name for item in reference.get_outputs()]:
        raise ValueError(f"outputs are {names}")
    worst = 0.0
    for name, wanted, found in zip(names, reference.run(names, all_feeds), candidate.run(names, feeds)):
        if wanted.dtype == np.float16:
            wanted = wanted.astype(np.float32)
        if wanted.shape != found.shape or wanted.dtype != found.dtype:
            raise ValueError(f"{name}: {found.dtype}{found.shape}, expected {wanted.dtype}{wanted.shape}")
        if not np.isfinite(found).all():
            raise ValueError(f"{name}: not finite")
        if wanted.size:
            difference = np.abs(wanted.astype(np.float64) - found).max()
            worst = max(worst, float(difference / max(np.abs(wanted).max(), 1e-30)))
    graph = onnx.load(prepared, load_external_data=False).graph
    known = {
        info.name for info in [*graph.value_info, *graph.output]
        if all(d.HasField("dim_value") for d in info.type.tensor_type.shape.dim)}
    made = {name for node in graph.node for name in node.output if name}
    return {
        "worst": worst, "operators": collections.Counter(node.op_type for node in graph.node),
        "open": sorted(made - known)}


def main():
    answer = []
    for source, prepared in json.load(sys.stdin):
        try:
            answer.append(compare(source, prepared))
        except Exception as error:
            answer.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answer, sys.stdout)
    print()


if __name__ == "__main__":
    main()
