#!/usr/bin/env python3
"""Breaks models in ways that are easy to make and asks the checker of ONNX about each.

    break_models.py SEED COUNT FOLDER MODEL...

Writes the broken models into FOLDER and prints a JSON line for each: path, change, refused, reason.
"""
import json
import pathlib
import random
import sys

import onnx

OPERATORS = ["Relu", "Gelu", "Concat", "Conv", "Softmax", "Upsample", "Cast", "Attention"]


def graphs(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def swap(nodes, first, second):
    one, other = onnx.NodeProto(), onnx.NodeProto()
    one.CopyFrom(nodes[first])
    other.CopyFrom(nodes[second])
    nodes[first].CopyFrom(other)
    nodes[second].CopyFrom(one)


def changes(model, rng):
    """Functions by name, each of which breaks the model in place."""
    graph = rng.choice(list(graphs(model.graph)))
    node = rng.choice(graph.node)
    made = {
        "unknown operator": lambda: setattr(node, "op_type", "Nope"),
        "other operator": lambda: setattr(node, "op_type", rng.choice(OPERATORS)),
        "other domain": lambda: setattr(node, "domain", rng.choice(["foo", "com.microsoft", "ai.onnx.ml"])),
        "one input more": lambda: node.input.append(node.input[0] if node.input else "zz"),
        "one output more": lambda: node.output.append("extra"),
        "unknown attribute": lambda: node.attribute.append(onnx.helper.make_attribute("odd", 3)),
        "no operator set": lambda: model.ClearField("opset_import"),
        "other operator set": lambda: setattr(model.opset_import[0], "version", rng.choice([1, 5, 9, 13, 22])),
        "other IR version": lambda: setattr(model, "ir_version", rng.choice([0, 1, 2, 3, 5, 15, 99])),
        "no graph name": lambda: setattr(graph, "name", ""),
        "other order": lambda: swap(graph.node, rng.randrange(len(graph.node)), rng.randrange(len(graph.node))),
        "name used twice": lambda: node.output.__setitem__(0, graph.node[0].output[0]),
    }
    if node.input:
        made["one input less"] = lambda: node.input.pop()
    if node.attribute:
        attribute = rng.choice(node.attribute)
        made["one attribute less"] = lambda: node.attribute.remove(attribute)
        made["attribute twice"] = lambda: node.attribute.append(attribute)
        made["attribute of other type"] = lambda: setattr(attribute, "type", rng.choice([1, 2, 3, 4, 6, 7, 8]))
    if graph.initializer:
        tensor = rng.choice(graph.initializer)
        made["one initializer less"] = lambda: graph.initializer.remove(tensor)
        made["longer shape"] = lambda: tensor.dims.append(2)
        made["other type"] = lambda: setattr(tensor, "data_type", rng.choice([0, 1, 7, 10]))
    if graph.input:
        made["input without type"] = lambda: graph.input[0].ClearField("type")
    if graph.output:
        made["output without shape"] = lambda: graph.output[0].type.tensor_type.ClearField("shape")
        made["output from nowhere"] = lambda: setattr(graph.output[0], "name", "nothing")
    return made


def main():
    rng = random.Random(int(sys.argv[1]))
    folder = pathlib.Path(sys.argv[3])
    for number in range(int(sys.argv[2])):
        model = onnx.load(rng.choice(sys.argv[4:]))
        made = changes(model, rng)
        name = rng.choice(sorted(made))
        made[name]()
        path = str(folder / f"broken-{number:03}.onnx")
        with open(path, "wb") as file:
            file.write(model.SerializeToString())
        reason = None
        try:
            onnx.checker.check_model(path)
        except Exception as error:  # the checker has no error type of its own for all of them
            reason = str(error).split("\n", maxsplit=1)[0][:160]
        print(json.dumps({"path": path, "change": name, "refused": reason is not None, "reason": reason}))


main()
