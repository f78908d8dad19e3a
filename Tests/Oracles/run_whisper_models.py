"""Runs Whisper models on ONNX Runtime with seeded inputs and writes inputs and outputs as files.

usage: run_whisper_models.py FOLDER MODEL...

FOLDER/index.json lists the cases in the form of make_node_tests.py, with the path of each model. A merged decoder
gives two cases, one for each value of `use_cache_branch`.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime
from onnx import numpy_helper

PAST = 5
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


def extent(name, axis, dimension, tokens):
    """The number for a dimension that the file leaves open."""
    if isinstance(dimension, int):
        return dimension
    if axis == 0 or "batch" in (dimension or "") or "n_audio" in (dimension or ""):
        return 1
    if name in ("input_ids", "tokens"):
        return tokens
    if name in ("mel", "input_features", "audio_features"):
        return 3000 if axis == 2 else 80
    if "encoder" in name or "cross" in name:
        if "decoder" not in name:
            return 1500
    return PAST


def value(random, entry, tokens, uses_cache):
    shape = [extent(entry.name, axis, d, tokens) for axis, d in enumerate(entry.shape)]
    kind = TYPES[entry.type]
    if entry.name == "use_cache_branch":
        return np.array([uses_cache])
    if entry.name == "attention_mask":
        mask = np.full(shape, -100, kind)
        mask[..., -8:] = 0
        return mask
    if entry.name in ("offset", "position_ids", "cache_position"):
        return np.full(shape, 0 if entry.name == "offset" else 7, kind)
    if np.issubdtype(kind, np.integer):
        return random.integers(0, 200, shape).astype(kind)
    return random.standard_normal(shape).astype(kind)


def run(folder, path, number, uses_cache=True):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    entries = session.get_inputs()
    has_past = any(e.name.startswith(("past_", "k_cache")) for e in entries) and uses_cache
    random = np.random.default_rng(7)
    feeds = {e.name: value(random, e, 1 if has_past else 3, uses_cache) for e in entries}
    results = session.run(None, feeds)
    here = folder / str(number)
    here.mkdir()

    def write(stem, name, array):
        file = f"{stem}.pb"
        (here / file).write_bytes(numpy_helper.from_array(array).SerializeToString())
        return {"name": name, "kind": "tensor", "files": [file]}

    return {
        "name": str(number),
        "model": path,
        "note": "use_cache_branch" if uses_cache else "",
        "inputs": [write(f"input_{i}", name, array) for i, (name, array) in enumerate(feeds.items())],
        "outputs": [
            write(f"output_{i}", entry.name, array)
            for i, (entry, array) in enumerate(zip(session.get_outputs(), results))
        ],
        "isMerged": "use_cache_branch" in feeds,
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    cases = []
    for path in sys.argv[2:]:
        cases.append(run(folder, path, len(cases)))
        if cases[-1]["isMerged"]:
            cases.append(run(folder, path, len(cases), uses_cache=False))
    (folder / "index.json").write_text(json.dumps({"cases": cases}))


if __name__ == "__main__":
    main()
