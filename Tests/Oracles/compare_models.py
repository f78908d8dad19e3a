#!/usr/bin/env python3
"""Runs a reference model and a candidate in ONNX Runtime on the same seeded inputs.

    compare_models.py REFERENCE.onnx CANDIDATE.onnx [--no-check]
    compare_models.py --batch < PAIRS.json

Prints one JSON object: for every output its SQNR in dB (null: equal), the candidate's operators with their
counts (subgraphs included), and whether onnx.checker accepts it. Open dimensions are bound to what Whisper
decoders take: batch 1, a few tokens, a few cached positions.

With --batch, standard input is a JSON list of [reference, candidate], and the answer is a list in the same
order; a pair that fails has "error" instead of the rest, and the others go on.
"""
import argparse
import collections
import functools
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


def operators(graph, counts):
    """Counts the nodes of a graph and of the graphs inside its nodes."""
    for node in graph.node:
        counts[node.op_type] += 1
        for attribute in node.attribute:
            for inner in [attribute.g] * attribute.HasField("g") + list(attribute.graphs):
                operators(inner, counts)
    return counts


def outputs(session, feeds):
    """Outputs by name; floats as doubles."""
    found = session.run(None, feeds)
    return {
        item.name: value.astype(np.float64) if value.dtype.kind == "f" else value
        for item, value in zip(session.get_outputs(), found)}


@functools.lru_cache(maxsize=2)
def expectations(path):
    """The reference's inputs and outputs for each way to run it: without and, where there is one, with a past."""
    session = open_session(path)
    ways = ["first"]
    if any(i.name == "use_cache_branch" for i in session.get_inputs()):
        ways.append("cached")
    result = {}
    for way in ways:
        feeds = inputs_of(session, TOKENS, way)
        result[way] = feeds, outputs(session, feeds)
    return result


def losses(candidate, feeds, expected):
    """SQNR in dB by output."""
    candidate_feeds = {
        i.name: feeds[i.name].astype(TYPES[i.type]) for i in candidate.get_inputs() if i.name in feeds}
    found = outputs(candidate, candidate_feeds)
    if list(found) != list(expected):
        raise ValueError(f"outputs are {list(found)}, expected {list(expected)}")
    if "max_length" in feeds:
        return {"sequences": None}  # beams may differ; that it runs is what counts
    result = {}
    for name, first in expected.items():
        second = found[name]
        if first.shape != second.shape:
            raise ValueError(f"{name}: shape {second.shape}, expected {first.shape}")
        if first.dtype.kind != "f":
            result[name] = None
            continue
        noise = np.sum((first - second) ** 2)
        if not np.isfinite(noise):
            raise ValueError(f"{name}: not finite")
        result[name] = None if noise == 0 else round(float(10 * np.log10(np.sum(first ** 2) / noise)), 3)
    return result


def compare(reference, candidate, check=True):
    if check:
        onnx.checker.check_model(candidate, full_check=False)
    session = open_session(candidate)
    runs = {way: losses(session, *expected) for way, expected in expectations(reference).items()}
    worst = [value for run in runs.values() for value in run.values() if value is not None]
    counts = operators(onnx.load(candidate, load_external_data=False).graph, collections.Counter())
    return {"checked": check, "runs": runs, "worst": min(worst) if worst else None, "operators": counts}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", nargs="?")
    parser.add_argument("candidate", nargs="?")
    parser.add_argument("--no-check", action="store_true")
    parser.add_argument("--batch", action="store_true")
    arguments = parser.parse_args()
    if not arguments.batch:
        answer = compare(arguments.reference, arguments.candidate, not arguments.no_check)
    else:
        answer = []
        for reference, candidate in json.load(sys.stdin):
            try:
                answer.append(compare(reference, candidate))
            except Exception as error:
                answer.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answer, sys.stdout)
    print()


if __name__ == "__main__":
    main()
