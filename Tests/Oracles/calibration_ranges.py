#!/usr/bin/env python3
"""Quantization ranges by numpy, in double precision, from the values themselves.

Reads JSON from standard input: {"bits": [...], "percentile": P, "levels": N, "found": [LOW, HIGH],
"found_symmetric": [LOW, HIGH]} with the bit patterns of float32 numbers, and prints JSON: count, min, max; the counts
of the histogram; percentile (for either end the neighbours of its rank) and magnitude; the least squared errors of
rounding and clipping over a grid of ranges (error, symmetric_error) and those of the found ranges (found_error,
found_symmetric_error); the threshold of the least divergence (entropy).
"""
import json
import sys

import numpy as np

BINS = 2048
FLOOR = 1e-6  # Taken for bins that the quantized histogram leaves empty.
PARTS = 200  # Ends of the grid, in equal steps from the widest range towards zero.


def histogram(values):
    """Counts over the narrowest -2^e ..< 2^e that holds all magnitudes, and the width of a bin."""
    edges = np.ldexp(1.0, int(np.ceil(np.log2(np.max(np.abs(values)))))) * np.linspace(-1, 1, BINS + 1)
    return np.histogram(values, edges)[0], edges[1] - edges[0]


def integers(low, high, levels, symmetric):
    """The step, the least and the greatest integer, where 0 stands for 0."""
    if symmetric:
        most = levels // 2 - 1
        return high / most, -most, most
    step = (high - low) / (levels - 1)
    least = int(np.rint(low / step))
    return step, least, least + levels - 1


def squared_error(values, low, high, levels, symmetric):
    step, least, most = integers(low, high, levels, symmetric)
    return np.sum((values - step * np.clip(np.rint(values / step), least, most)) ** 2)


def least_error(values, levels, symmetric):
    """The least squared error over the grid, whose ranges all include 0."""
    ordered = np.sort(values)
    # With sums of powers up to each value, a level costs the same for few values as for many.
    sums = [np.concatenate(([0.0], np.cumsum(ordered**power))) for power in (0, 1, 2)]

    def quick_error(low, high):
        step, least, most = integers(low, high, levels, symmetric)
        numbers = np.arange(least, most + 1)
        cuts = np.searchsorted(ordered, step * (numbers[:-1] + 0.5))
        ends = np.concatenate(([0], cuts, [ordered.size]))
        count, first, second = (np.diff(total[ends]) for total in sums)
        return np.sum(second - 2 * step * numbers * first + (step * numbers) ** 2 * count)

    parts = np.arange(1, PARTS + 1) / PARTS
    low, high = min(ordered[0], 0.0), max(ordered[-1], 0.0)
    if symmetric:
        ranges = [(-m, m) for m in max(-low, high) * parts]
    else:
        lows, highs = (end * parts if end else [0.0] for end in (low, high))
        ranges = [(a, b) for a in lows for b in highs]
    best = min(ranges, key=lambda ends: quick_error(*ends))
    return squared_error(values, *best, levels, symmetric)


def divergence(counts, window, levels):
    """Of all values clipped to the bins of the window, from the values within it after quantization to levels."""
    start, end = window
    inside = counts[start:end].astype(np.float64)
    clipped = inside.copy()
    clipped[0] += counts[:start].sum()
    clipped[-1] += counts[end:].sum()
    # A level holds the bins whose number says so; what is in it spreads over its bins that are not empty.
    level = np.repeat(np.arange(levels), np.diff(np.arange(levels + 1) * inside.size // levels))
    mass, filled = (np.bincount(level, weights, levels) for weights in (inside, inside > 0))
    spread = np.where(inside > 0, (mass / np.maximum(filled, 1))[level], 0) / inside.sum()
    p, q = clipped / clipped.sum(), np.maximum(spread, FLOOR)
    some = p > 0
    return np.sum(p[some] * np.log(p[some] / q[some]))


def entropy_threshold(counts, width, levels):
    """Whole bins on either side of zero, no further than values are; the wider threshold of equals."""
    zero = counts.size // 2
    used = np.flatnonzero(counts)
    below, above = max(0, zero - used[0]), max(0, used[-1] + 1 - zero)
    best = (np.inf, max(below, above))
    for reach in range(1, max(below, above) + 1):
        window = zero - min(reach, below), zero + min(reach, above)
        if window[1] - window[0] >= levels and counts[slice(*window)].any():
            best = min(best, (divergence(counts, window, levels), reach), key=lambda found: (found[0], -found[1]))
    return best[1] * width


def main():
    request = json.load(sys.stdin)
    levels, tail = request["levels"], 1 - request["percentile"] / 100
    values = np.array(request["bits"], np.uint32).view(np.float32).astype(np.float64)
    counts, width = histogram(values)
    answer = {
        "count": values.size,
        "min": np.min(values),
        "max": np.max(values),
        "percentile": [[np.quantile(values, part, method=side) for side in ("lower", "higher")]
                       for part in (tail / 2, 1 - tail / 2)],
        "counts": counts.tolist(),
        "magnitude": np.quantile(np.abs(values), 1 - tail),
        "error": least_error(values, levels, False),
        "symmetric_error": least_error(values, levels, True),
        "found_error": squared_error(values, *request["found"], levels, False),
        "found_symmetric_error": squared_error(values, *request["found_symmetric"], levels, True),
        "entropy": entropy_threshold(counts, width, levels),
    }
    print(json.dumps(answer))


main()
