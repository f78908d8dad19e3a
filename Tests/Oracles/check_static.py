"""Judges static Q/DQ models against their plans, with numpy and ONNX's reference evaluator.

Usage: check_static.py < JOBS.json

Standard input is a JSON list of jobs: "source" is the float model, "candidate" the model with Q/DQ pairs, "plan" the
plan that says what should stand where. Every node of the source must have a name. The answer is a list in the same
order: "problems" (texts), "checked" (nodes compared), "unequal" (the part of numbers that are one level off, which
another order of summation gives), "sqnr" (of the worst output against the source in dB).

Each node is looked at by itself: from what ONNX Runtime computed in front of it, numpy computes what must stand
behind it.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

LIMITS = {
    "u8": (0, 255), "s8": (-128, 127), "u16": (0, 65535), "s16": (-32768, 32767), "s4": (-8, 7),
    "s32": (-2**31, 2**31 - 1),
}
# Symmetric weights leave out the lowest level.
WEIGHT_LIMITS = dict(LIMITS, s8=(-127, 127), s4=(-7, 7), s16=(-32767, 32767))
TYPES = {
    "u8": TensorProto.UINT8, "s8": TensorProto.INT8, "u16": TensorProto.UINT16, "s16": TensorProto.INT16,
    "s4": TensorProto.INT4, "s32": TensorProto.INT32,
}
PAIR = ("QuantizeLinear", "DequantizeLinear")


def parameters(entry):
    return np.float32(entry["parameters"]["scale"]), int(entry["parameters"]["zero_point"])


def levels(values, scale, zero, limits):
    """saturate(round half even(x / scale) + zero point), x / scale in float32."""
    quotient = np.rint((values.astype(np.float32) / scale).astype(np.float32)).astype(np.float64)
    return np.clip(quotient + zero, *limits)


def faked(values, kind, scale, zero):
    return ((levels(values, scale, zero, LIMITS[kind]) - zero).astype(np.float32) * scale).astype(np.float32)


class Candidate:
    def __init__(self, path):
        self.model = onnx.load(path)
        self.graph = self.model.graph
        self.tensors = {tensor.name: tensor for tensor in self.graph.initializer}
        self.nodes = {node.name: node for node in self.graph.node}
        self.producers = {name: node for node in self.graph.node for name in node.output}

    def array(self, name):
        return numpy_helper.to_array(self.tensors[name])

    def pair(self, name):
        """(source, type, scale, zero point) of the Q/DQ pair that gives a value."""
        dequantize = self.producers.get(name)
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            return None
        quantize = self.producers.get(dequantize.input[0])
        if quantize is None or quantize.op_type != "QuantizeLinear":
            return None
        if list(quantize.input[1:]) != list(dequantize.input[1:]):
            return None
        zero = self.tensors[quantize.input[2]]
        return quantize.input[0], zero.data_type, self.array(quantize.input[1]), int(numpy_helper.to_array(zero))

    def node(self, name):
        """The node of a name; one that was replaced by another form has a number behind it."""
        return self.nodes[name] if name in self.nodes else self.nodes[name + "_1"]

    def attribute(self, node, name, default):
        return next((item.i for item in node.attribute if item.name == name), default)


class Judge:
    def __init__(self, job):
        self.plan = job["plan"]
        self.source = onnx.load(job["source"])
        self.candidate = Candidate(job["candidate"])
        self.path = job["candidate"]
        self.constants = {t.name: numpy_helper.to_array(t) for t in self.source.graph.initializer}
        self.activations = {entry["tensor"]: entry for entry in self.plan["activations"]}
        self.conversions = {(entry["node"], entry["input"]): entry for entry in self.plan["conversions"]}
        self.weights = {(entry["node"], entry["input"]): entry for entry in self.plan["weights"]}
        self.biases = {node.name: node.input[2] for node in self.source.graph.node if len(node.input) > 2}
        self.floats = {entry["node"] for entry in self.plan.get("float_nodes", [])}
        self.problems = []
        self.checked = 0
        self.unequal = 0
        self.count = 0

    def run(self):
        onnx.checker.check_model(self.path, full_check=True)
        if self.candidate.model.opset_import[0].version < 21:
            self.problems.append("the opset is below 21")
        self.check_edges()
        feeds = self.feeds()
        values = self.compute(feeds)
        for node in self.source.graph.node:
            self.check_node(node, values)
        return {
            "problems": self.problems, "checked": self.checked, "unequal": self.unequal / max(1, self.count),
            "sqnr": self.compare(feeds, values)}

    def feeds(self):
        random = np.random.default_rng(5)
        result = {}
        for item in self.source.graph.input:
            shape = [d.dim_value for d in item.type.tensor_type.shape.dim]
            if item.type.tensor_type.elem_type == TensorProto.INT64:
                result[item.name] = random.integers(0, 3, shape)
            else:
                result[item.name] = random.uniform(-1.1, 1.1, shape).astype(np.float32)
        return result

    def compute(self, feeds):
        """Every value of the source that the candidate still has, by ONNX Runtime."""
        model = onnx.ModelProto()
        model.CopyFrom(self.candidate.model)
        outputs = {item.name for item in model.graph.output}
        names = [name for node in self.source.graph.node for name in node.output if name]
        for name in names:
            if name not in self.candidate.producers:
                raise ValueError(f"the candidate has no value {name}")
            if name not in outputs:
                model.graph.output.append(helper.make_empty_tensor_value_info(name))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        values = dict(zip(names, session.run(names, feeds)))
        for name, value in feeds.items():
            entry = self.activations.get(name)
            values[name] = value if entry is None else faked(value, entry["type"], *parameters(entry))
        return values

    def compare(self, feeds, values):
        """The worst output against the float model, with all of the runtime's optimizations."""
        worst = float("inf")
        names = [item.name for item in self.source.graph.output]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3

        def outputs(model):
            return onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(names, feeds)

        for wanted, found in zip(outputs(self.source), outputs(self.candidate.model)):
            if wanted.dtype != found.dtype or wanted.shape != found.shape:
                self.problems.append(f"an output is {found.dtype}{found.shape}")
                continue
            error = np.sum((wanted.astype(np.float64) - found) ** 2)
            signal = np.sum(wanted.astype(np.float64) ** 2)
            worst = min(worst, 10 * np.log10(signal / error) if error > 0 else 200.0)
        return worst

    def check_edges(self):
        """Between nodes that are no pairs stands a pair, unless a side is float in the plan."""
        added = {f"{name}_bias" for name in self.activations}
        names = {node.name for node in self.source.graph.node}
        for node in self.candidate.graph.node:
            if node.op_type in PAIR or node.name in self.floats:
                continue
            if node.name.removesuffix("_1") not in names and node.name not in added:
                self.problems.append(f"{node.name}: nobody asked for this {node.op_type}")
            for name in node.input:
                producer = self.candidate.producers.get(name)
                if producer is not None and producer.op_type != "DequantizeLinear":
                    if producer.name not in self.integers():
                        self.problems.append(f"{node.name} takes {name} from {producer.op_type}")

    def integers(self):
        """Nodes whose results have no pair: integers and floats."""
        return {
            node.name for node in self.source.graph.node
            if not any(name in self.activations for name in node.output)}

    # Operands

    def operand(self, node, index, values):
        """What must stand at an operand, after a look at what does."""
        name = node.input[index]
        found = self.candidate.node(node.name)
        if name in self.constants:
            entry = self.weights.get((node.name, index))
            if entry is None:
                if index < len(found.input) and found.input[index] != name:
                    self.problems.append(f"{node.name}: operand {index} was changed")
                return self.constants[name]
            return self.weight(node, index, entry, found)
        entry = self.conversions.get((node.name, index))
        if entry is None:
            self.check_plain(node, name, found.input[index])
            return values[name]
        pair = self.candidate.pair(found.input[index])
        scale, zero = parameters(entry)
        if pair is None or pair[1:] != (TYPES[entry["type"]], scale, zero):
            self.problems.append(f"{node.name}: operand {index} has the pair {pair}, expected {entry}")
        else:
            self.check_plain(node, name, pair[0])
        return faked(values[name], entry["type"], scale, zero)

    def check_plain(self, node, name, found):
        if found == name:
            if name in self.activations and name not in self.candidate.producers:
                self.problems.append(f"{node.name} takes the input {name} without a pair")
            return
        pair = self.candidate.pair(found)
        if pair is None or pair[0] != name or name not in self.activations:
            self.problems.append(f"{node.name} takes {found} for {name}")

    def weight(self, node, index, entry, found):
        values = self.constants[node.input[index]]
        label = f"{entry['weight']} at {node.name}"
        if entry["role"] == "bias" and self.weights[(node.name, 1)]["granularity"] == "block":
            return values  # it is added behind, see `behind`
        dequantize = self.candidate.producers[found.input[index]]
        if dequantize.op_type != "DequantizeLinear":
            raise ValueError(f"{label} comes from {dequantize.op_type}")
        stored = self.candidate.tensors[dequantize.input[0]]
        integers = numpy_helper.to_array(stored).astype(np.float64)
        scale = self.candidate.array(dequantize.input[1])
        zero = self.candidate.tensors[dequantize.input[2]]
        zeros = numpy_helper.to_array(zero).astype(np.float64)
        if stored.data_type != TYPES[entry["type"]] or zero.data_type != stored.data_type:
            self.problems.append(f"{label}: {stored.data_type} and {zero.data_type}, expected {entry['type']}")
        if zeros.shape != scale.shape:
            self.problems.append(f"{label}: zero points {zeros.shape} beside scales {scale.shape}")
        if entry["role"] not in ("operand", "table") and zeros.any():
            self.problems.append(f"{label}: a zero point that is not 0")
        axis = self.candidate.attribute(dequantize, "axis", 1)
        block = self.candidate.attribute(dequantize, "block_size", 0)
        wide = self.spread(label, values, scale, axis, block, entry)
        if entry["role"] == "bias":
            self.check_bias(node, label, values, integers, scale)
        elif entry.get("parameters"):
            wanted = parameters(entry)
            if (scale, zeros) != wanted:
                self.problems.append(f"{label}: {scale}, {zeros}, expected {wanted}")
            limits = LIMITS[entry["type"]]
            if not np.array_equal(integers, levels(values, wanted[0], wanted[1], limits)):
                self.problems.append(f"{label}: levels differ from QuantizeLinear's")
        else:
            wanted = levels(values, wide, 0, WEIGHT_LIMITS[entry["type"]])
            if not np.array_equal(integers, wanted):
                self.problems.append(f"{label}: {np.count_nonzero(integers != wanted)} integers differ")
            if entry["range"] == "maximum" and entry["role"] != "bias":
                self.check_maximum(label, values, scale, axis, block, entry)
        offset = zeros if zeros.ndim == 0 else 0
        return ((integers - offset).astype(np.float32) * wide).astype(np.float32)

    def spread(self, label, values, scale, axis, block, entry):
        """The scales in the shape of the weight, from where the plan wants them."""
        if scale.ndim == 0:
            if entry["granularity"] != "tensor" and entry["role"] != "bias":
                self.problems.append(f"{label}: one scale")
            return scale
        if axis != entry["axis"]:
            self.problems.append(f"{label}: axis {axis}, expected {entry['axis']}")
        if block:
            shape = list(values.shape)
            shape[axis] = -(-shape[axis] // block)
            if list(scale.shape) != shape or block != entry["block_size"]:
                self.problems.append(f"{label}: scales {scale.shape} of blocks of {block}")
            return np.take(np.repeat(scale, block, axis), range(values.shape[axis]), axis)
        if scale.shape != (values.shape[axis],):
            self.problems.append(f"{label}: {scale.shape} scales")
        return scale.reshape([-1 if place == axis else 1 for place in range(values.ndim)])

    def check_maximum(self, label, values, scale, axis, block, entry):
        if block:
            return
        axes = tuple(place for place in range(values.ndim) if place != axis) if scale.ndim else None
        largest = np.abs(values).max(axis=axes).astype(np.float32)
        top = WEIGHT_LIMITS[entry["type"]][1]
        wanted = np.where(largest > 0, largest.astype(np.float64) / top, scale)
        # A bias that would not fit 32 bits makes the scale larger, which `check_bias` proves.
        bias = self.constants.get(self.biases.get(entry["node"]), np.zeros(()))
        usual = np.isclose(scale, wanted, rtol=2e-7, atol=0)
        needed = (np.abs(bias) > 0) & (scale > wanted) | (largest < 1e-30)
        if not np.all(usual | needed) or not np.all(scale > 0):
            self.problems.append(f"{label}: scales differ from those of the maximum")

    def check_bias(self, node, label, values, integers, scale):
        found = self.candidate.node(node.name)
        pair = self.candidate.pair(found.input[0])
        weight = self.candidate.producers[found.input[1]]
        wanted = (np.float32(pair[2]) * self.candidate.array(weight.input[1])).astype(np.float32)
        if scale.tobytes() != wanted.tobytes():
            self.problems.append(f"{label}: the scales are not the products of the operands' scales")
        if np.abs(integers).max() > 2**30 + 2**10:
            self.problems.append(f"{label}: an element uses more than half of 32 bits")
        if not np.array_equal(integers, np.rint(values.astype(np.float64) / scale.astype(np.float64))):
            self.problems.append(f"{label}: integers differ from round(b / scale)")

    # Nodes

    def check_node(self, node, values):
        operands = [self.operand(node, index, values) if name else None for index, name in enumerate(node.input)]
        blocked = self.weights.get((node.name, 1), {}).get("granularity") == "block"
        bias = (node.name, 2) in self.weights and blocked
        results = self.evaluate(node, operands[:2] if bias else operands)
        self.checked += 1
        for name, result in zip(node.output, results):
            if not name:
                continue
            entry = self.activations.get(name)
            if entry is None:
                if result.dtype == np.float32 and node.name not in self.floats:
                    self.problems.append(f"{name} has no levels")
                np.testing.assert_allclose(values[name], result, rtol=1e-4, atol=1e-5)
                continue
            pair = self.candidate.pair(name)
            scale, zero = parameters(entry)
            if pair is None or pair[1:] != (TYPES[entry["type"]], scale, zero):
                self.problems.append(f"{name} comes from the pair {pair}, expected {entry}")
            wanted = self.behind(node, name, result, operands) if bias else result
            wanted = faked(wanted, entry["type"], scale, zero)
            steps = np.abs(wanted.astype(np.float64) - values[name]) / np.float64(scale)
            self.unequal += int(np.count_nonzero(steps > 0.5))
            self.count += steps.size
            if steps.max() > (2.01 if bias else 1.01):
                self.problems.append(f"{name}: {steps.max():.1f} levels off")

    def behind(self, node, name, product, operands):
        """The sum of a product of blocked weights and its bias, both with 16-bit levels."""
        add = self.candidate.producers[self.candidate.pair(name)[0]]
        if add.op_type != "Add":
            raise ValueError(f"{name} comes from {add.op_type}")
        _, kind, scale, zero = self.candidate.pair(add.input[0])
        limits = LIMITS["u16"]
        if kind != TYPES["u16"]:
            self.problems.append(f"{name}: the product has the type {kind}")
        rounded = (levels(product, scale, zero, limits) - zero) * np.float64(scale)
        dequantize = self.candidate.producers[add.input[1]]
        offset = self.candidate.array(dequantize.input[0]).astype(np.float64)
        offset -= float(self.candidate.array(dequantize.input[2]))
        bias = offset * np.float64(self.candidate.array(dequantize.input[1]))
        if np.abs(bias - operands[2]).max() > 0.51 * float(self.candidate.array(dequantize.input[1])):
            self.problems.append(f"{name}: the bias behind the product is another one")
        return (rounded + bias).astype(np.float32)

    def evaluate(self, node, operands):
        node = onnx.NodeProto.FromString(node.SerializeToString())
        del node.input[len(operands):]
        for index, operand in enumerate(operands):
            if operand is not None:
                node.input[index] = f"operand_{index}"
        names = [name for name in node.input if name]
        arrays = {f"operand_{i}": value for i, value in enumerate(operands) if value is not None}
        kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
        graph = helper.make_graph(
            [node], "node",
            [helper.make_tensor_value_info(name, kinds[arrays[name].dtype], arrays[name].shape) for name in names],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output if name])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
        return ReferenceEvaluator(model).run(None, arrays)



def main():
    answer = []
    for job in json.load(sys.stdin):
        try:
            answer.append(Judge(job).run())
        except Exception as error:
            answer.append({
                "problems": [f"{type(error).__name__}: {error}"], "checked": 0, "unequal": 0, "sqnr": 0})
    json.dump(answer, sys.stdout)
    print()


if __name__ == "__main__":
    main()
