"""Quantizes models as ONNX Runtime's own tool does: quantize_dynamic with s8 weights per channel.

    quantize_with_onnxruntime.py SOURCE TARGET

Prints the operators of the result with their counts as JSON, subgraphs included.
"""
import collections
import json
import logging
import sys

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic


def operators(graph, counts):
    for node in graph.node:
        counts[node.op_type] += 1
        for attribute in node.attribute:
            for inner in [attribute.g] * attribute.HasField("g") + list(attribute.graphs):
                operators(inner, counts)
    return counts


logging.getLogger().setLevel(logging.ERROR)
source, target = sys.argv[1:]
quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)
print(json.dumps(operators(onnx.load(target, load_external_data=False).graph, collections.Counter())))
