#!/usr/bin/env python3
"""Runs a reference model and a candidate in ONNX Runtime on the same seeded inputs.

    compare_models.py REFERENCE.onnx CANDIDATE.onnx [--no-check]

Prints one JSON object: for every output its SQNR in dB (null: equal), the graph optimizations' view of
operators, and whether onnx.checker accepts the candidate. Open dimensions are bound to what Whisper decoders
take: batch 1, a few tokens, a few cached positions.
"""
import argparse
import json
import sys

import numpy as np
import onnx
import onnxruntime

TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(int8)": np.int8,
}
SCALARS = {
    "max_length": 8, "min_length": 0, "num_beams": 2, "num_return_sequences": 1, "length_penalty": 1,
    "repetition_penalty": 1,
}
TOKENS = 4
PAST = 5


def extent(name, dimension, axis):
    """The length of one open dimension."""
    text = str(dimension).lower()
    if name in ("input_features", "audio_features", "mel") and axis > 0:
        return 80 if axis == 1 else 3000
    if axis == 0:
        return 1
    if "past" in text and "+" not in text or name.startswith("past"):
        return 1500 if "encoder" in name or "cross" in name else PAST
    if "encoder" in text or name == "encoder_hidden_states":
        return 1500
    if "n_audio" in text or "frames" in text:
        return 3000
    return TOKENS


def inputs_of(session, tokens, cached):
    """Seeded inputs for every graph input."""
    random = np.random.default_rng(7)
    feeds = {}
    with_past = any(i.name.startswith("past_key") for i in session.get_inputs()) and not cached == "first"
    for item in session.get_inputs():
        kind = TYPES[item.type]
        shape = [d if isinstance(d, int) else extent(item.name, d, a) for a, d in enumerate(item.shape)]
        name = item.name
        if name == "use_cache_branch":
            feeds[name] = np.array([with_past])
            continue
        if name in ("input_ids", "tokens", "decoder_input_ids"):
            if not isinstance(item.shape[-1], int):
                shape[-1] = 1 if with_past or tokens == 1 else TOKENS
            feeds[name] = random.integers(1, 60, shape).astype(kind)
        elif name in SCALARS:
            feeds[name] = np.full(shape, SCALARS[name], kind)
        elif kind in (np.int32, np.int64):
            low = {"offset": 0, "position_ids": 3, "cache_position": PAST}.get(name, 1)
            feeds[name] = np.full(shape, low, kind)
            if name == "cache_position":
                feeds[name] = np.arange(low, low + shape[-1]).astype(kind).reshape(shape)
        elif "mask" in name:
            feeds[name] = np.zeros(shape, kind)
        elif kind is np.bool_:
            feeds[name] = np.zeros(shape, kind)
        else:
            feeds[name] = random.standard_normal(shape).astype(kind) * (0.5 if "past" in name else 1)
            feeds[name] = feeds[name].astype(kind)
    return feeds


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(reference, candidate, cached):
    feeds = inputs_of(reference, TOKENS, cached)
    candidate_feeds = {
        i.name: feeds[i.name].astype(TYPES[i.type]) for i in candidate.get_inputs() if i.name in feeds}
    expected = reference.run(None, feeds)
    found = candidate.run(None, candidate_feeds)
    result = {}
    if "max_length" in feeds:
        return {"sequences": None}  # beams may differ; that it runs is what counts
    for item, first, second in zip(reference.get_outputs(), expected, found):
        if first.shape != second.shape:
            raise SystemExit(f"{item.name}: shape {second.shape}, expected {first.shape}")
        if first.dtype.kind != "f":
            result[item.name] = None
            continue
        first, second = first.astype(np.float64), second.astype(np.float64)
        noise = np.sum((first - second) ** 2)
        if not np.isfinite(noise):
            raise SystemExit(f"{item.name}: not finite")
        signal = np.sum(first ** 2)
        result[item.name] = None if noise == 0 else round(float(10 * np.log10(signal / noise)), 3)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference")
    parser.add_argument("candidate")
    parser.add_argument("--no-check", action="store_true")
    arguments = parser.parse_args()
    checked = False
    if not arguments.no_check:
        onnx.checker.check_model(arguments.candidate, full_check=False)
        checked = True
    reference, candidate = open_session(arguments.reference), open_session(arguments.candidate)
    runs = {"first": run(reference, candidate, "first")}
    if any(i.name == "use_cache_branch" for i in reference.get_inputs()):
        runs["cached"] = run(reference, candidate, "cached")
    worst = [v for r in runs.values() for v in r.values() if v is not None]
    json.dump({"checked": checked, "runs": runs, "worst": min(worst) if worst else None}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
