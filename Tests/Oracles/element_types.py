"""Prints the element types that onnx.shape_inference finds.

Usage: element_types.py MODEL...

A line per value: the number of its graph (0 is the main one, graphs of nodes follow in the order of a walk into
depth), the name, and the number of the element type. A line "=" stands between models.
"""

import sys

import onnx
from onnx import shape_inference


def graphs(graph):
    """The graph and all graphs inside, outer before inner, node by node."""
    result = [graph]
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs):
                result += graphs(inner)
    return result


def types(path):
    model = shape_inference.infer_shapes(onnx.load(path), strict_mode=False, data_prop=False)
    for number, graph in enumerate(graphs(model.graph)):
        produced = {name for node in graph.node for name in node.output if name}
        seen = set()
        for info in list(graph.value_info) + list(graph.output):
            number_of_type = info.type.tensor_type.elem_type
            if info.name in produced and info.name not in seen and number_of_type != 0:
                seen.add(info.name)
                print(number, info.name, number_of_type, sep="\t")


for place, path in enumerate(sys.argv[1:]):
    if place:
        print("=")
    types(path)
