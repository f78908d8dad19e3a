#!/usr/bin/env python3
"""Median latency of several ONNX models side by side, measured with ONNX Runtime.

    python scripts/oracle_latency.py A.onnx B.onnx ... [--threads 2] [--runs 15] [--dim NAME=N] [--json]

All sessions are open at once and the runs are interleaved (A B C, B C A, ...), so that a disturbance on the
machine falls on all of them. Ratios are against the first model: below 1 is faster. Inputs are made from the
shapes: seeded normal numbers, zeros for integers, False for booleans. Unknown dimensions get 1, except
`encoder_sequence_length` 1500 and `past_decoder_sequence_length` 32; `--dim` sets others by name.

Requirements: numpy, onnxruntime (measured with 2.4.6 and 1.32.0).
"""
import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
         "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}
KNOWN_DIMENSIONS = {"encoder_sequence_length": 1500, "past_decoder_sequence_length": 32, "T": 3000}


def make_feeds(session, dimensions):
    random = np.random.default_rng(0)
    feeds = {}
    for value in session.get_inputs():
        if value.type not in TYPES:
            raise SystemExit(f"input {value.name} has type {value.type}, which this script does not make")
        shape = [d if isinstance(d, int) else dimensions.get(d, 1) for d in value.shape]
        kind = TYPES[value.type]
        floating = np.issubdtype(kind, np.floating)
        feeds[value.name] = (random.standard_normal(shape) if floating else np.zeros(shape)).astype(kind)
    return feeds


def open_session(path, threads):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle sessions must not spin
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15, help="timed runs of each model")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=N")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    dimensions = dict(KNOWN_DIMENSIONS)
    for item in args.dim:
        name, _, value = item.partition("=")
        if not value.isdigit():
            parser.error(f"--dim {item}: expected NAME=N")
        dimensions[name] = int(value)

    sessions = [open_session(path, args.threads) for path in args.models]
    feeds = [make_feeds(session, dimensions) for session in sessions]
    for session, feed in zip(sessions, feeds):
        for _ in range(args.warmup):
            session.run(None, feed)
    times = [[] for _ in sessions]
    for round_index in range(args.runs):
        for i in range(len(sessions)):
            i = (i + round_index) % len(sessions)
            start = time.perf_counter()
            sessions[i].run(None, feeds[i])
            times[i].append(time.perf_counter() - start)

    first = statistics.median(times[0])
    rows = []
    for path, values in zip(args.models, times):
        median = statistics.median(values)
        rows.append({"model": str(path), "median_s": median, "min_s": min(values), "ratio": median / first})
    if args.json:
        json.dump({"threads": args.threads, "runs": args.runs, "results": rows}, sys.stdout, indent=2)
        print()
        return
    width = max(len(r["model"]) for r in rows)
    print(f"{'model':<{width}}  median ms     min ms  ratio   ({args.threads} threads, {args.runs} runs)")
    for r in rows:
        median, minimum = 1000 * r["median_s"], 1000 * r["min_s"]
        print(f"{r['model']:<{width}}  {median:9.2f}  {minimum:9.2f}  {r['ratio']:5.3f}")


if __name__ == "__main__":
    main()
