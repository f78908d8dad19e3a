#!/usr/bin/env python3
"""Differences of tensors by numpy, in double precision.

Reads JSON lines from standard input: {"reference": [bits, ...], "candidate": [bits, ...]} with the bit patterns of
float32 numbers, and prints a JSON line for each: sqnr_db, cosine, largest_error, mean_error; numbers as text, so that
infinities and NaN come through.
"""
import json
import sys

import numpy as np


def main():
    for line in sys.stdin:
        case = json.loads(line)
        r, c = (np.array(case[k], np.uint32).view(np.float32).astype(np.float64) for k in ("reference", "candidate"))
        with np.errstate(all="ignore"):
            noise, signal = np.sum((r - c) ** 2), np.sum(r * r)
            scale = np.sqrt(signal * np.sum(c * c))
            answer = {
                "sqnr_db": 10 * np.log10(signal / noise) if noise else np.inf,
                "cosine": np.sum(r * c) / scale if scale else float("nan"),
                "largest_error": np.max(np.abs(r - c)),
                "mean_error": np.mean(np.abs(r - c)),
            }
        print(json.dumps({key: repr(float(value)) for key, value in answer.items()}))


main()
