"""Runs an encoder that gives cross caches and a decoder of fixed shapes with Python's onnxruntime, a token a step.

The caches are kept as the documentation says: token p goes to slot p, the mask is 0 for the slots before p and for its
last element, and -100 elsewhere. Writes the logits of all steps as raw float32.

usage: run_static_decoder.py ENCODER DECODER FEATURES OUTPUT TOKEN...
FEATURES holds raw float32 of the encoder's input.
"""

import sys

import numpy as np
import onnx
import onnxruntime


def session(path):
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main():
    encoder, decoder = session(sys.argv[1]), session(sys.argv[2])
    features = np.fromfile(sys.argv[3], np.float32).reshape(1, -1, 3000)
    names = [output.name for output in encoder.get_outputs()]
    cross = dict(zip(names, encoder.run(None, {encoder.get_inputs()[0].name: features})))
    shapes = {value.name: value.shape for value in decoder.get_inputs()}
    length = shapes["attention_mask"][-1]
    caches = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if name.endswith("_in")}
    outputs = [output.name for output in decoder.get_outputs()]
    rows = []
    for position, token in enumerate(int(word) for word in sys.argv[5:]):
        mask = np.full((1, 1, 1, length), -100, np.float32)
        mask[..., :position] = 0
        mask[..., -1] = 0
        feeds = {"input_ids": np.array([[token]], np.int32), "attention_mask": mask,
                 "position_ids": np.array([position], np.int32)}
        feeds |= caches | {name: cross[name] for name in shapes if "_cross_" in name}
        results = dict(zip(outputs, decoder.run(None, feeds)))
        rows.append(results["logits"].reshape(-1))
        for name, cache in caches.items():
            new = results[name.removesuffix("_in") + "_new"]
            if position == length - 1:
                continue
            if name.startswith("k_"):
                cache[..., position] = new[..., 0]
            else:
                cache[:, :, position] = new[:, :, 0]
    np.stack(rows).astype(np.float32).tofile(sys.argv[4])


main()
