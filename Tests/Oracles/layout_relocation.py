"""Makes models that name data files in every place, and compares a model with its relocated form.

usage: layout_relocation.py make FOLDER
       layout_relocation.py compare ORIGINAL RELOCATED OLD=NEW...

`make` writes `everywhere.onnx` (initializers, subgraphs, functions, sparse tensors, attributes, EPContext nodes; data
in `w.data` and `deep/other.bin`, programs in `p.bin`). `compare` prints JSON: whether the two differ in nothing but
names of data files, and whether the relocated file has the very bytes that the onnx package writes.
"""

import json
import pathlib
import sys

import onnx
from onnx import TensorProto, helper


def external(name, location, offset, length, count):
    tensor = TensorProto()
    tensor.name = name
    tensor.data_type = TensorProto.FLOAT
    tensor.dims.append(count)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def make(folder):
    folder = pathlib.Path(folder)
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "w.data").write_bytes(bytes(range(256)))
    (folder / "deep" / "other.bin").write_bytes(bytes(64))
    (folder / "p.bin").write_bytes(b"program")
    inner = helper.make_graph(
        [helper.make_node("Identity", ["deep_w"], ["inner_out"])],
        "inner",
        [],
        [helper.make_tensor_value_info("inner_out", TensorProto.FLOAT, [4])],
        [external("deep_w", "deep/other.bin", 0, 16, 4)],
    )
    nodes = [
        helper.make_node("Constant", [], ["c"], value=external("c_value", "w.data", 0, 16, 4)),
        helper.make_node("If", ["cond"], ["picked"], then_branch=inner, else_branch=inner),
        helper.make_node("EPContext", [], ["x"], domain="com.microsoft", embed_mode=0, main_context=1,
                         ep_cache_context="p.bin", source="Qnn"),
        helper.make_node("EPContext", [], ["y"], domain="com.microsoft", embed_mode=1, ep_cache_context="p.bin"),
        helper.make_node("Other", [], ["z"], domain="w.data", text="w.data", ep_cache_context="p.bin"),
    ]
    sparse = onnx.SparseTensorProto()
    sparse.values.CopyFrom(external("s", "w.data", 64, 16, 4))
    sparse.indices.CopyFrom(external("", "w.data", 96, 32, 4))
    sparse.dims.append(10)
    graph = helper.make_graph(
        nodes,
        "w.data",
        [helper.make_tensor_value_info("cond", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [4])],
        [external("a", "w.data", 16, 16, 4), external("b", "stays.bin", 0, 16, 4)],
        sparse_initializer=[sparse],
    )
    function = helper.make_function(
        "local", "F", [], ["f"],
        [helper.make_node("Constant", [], ["f"], value=external("f_value", "w.data", 32, 16, 4))],
        [helper.make_opsetid("", 18)],
    )
    model = helper.make_model(graph, functions=[function], producer_name="w.data")
    model.metadata_props.add(key="location", value="w.data")
    (folder / "everywhere.onnx").write_bytes(model.SerializeToString())


def tensors(message):
    """Every tensor below a message, found by walking all fields."""
    for descriptor, value in message.ListFields():
        if descriptor.type != descriptor.TYPE_MESSAGE:
            continue
        for item in value if descriptor.is_repeated else [value]:
            if isinstance(item, TensorProto):
                yield item
            yield from tensors(item)


def nodes(message):
    for descriptor, value in message.ListFields():
        if descriptor.type != descriptor.TYPE_MESSAGE:
            continue
        for item in value if descriptor.is_repeated else [value]:
            if isinstance(item, onnx.NodeProto):
                yield item
            yield from nodes(item)


def relocate(model, names):
    for tensor in tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = names.get(entry.value, entry.value)
    for node in nodes(model):
        modes = [a.i for a in node.attribute if a.name == "embed_mode"]
        if node.op_type == "EPContext" and modes == [0]:
            for attribute in node.attribute:
                if attribute.name == "ep_cache_context":
                    text = attribute.s.decode()
                    attribute.s = names.get(text, text).encode()


def compare(original, relocated, pairs):
    names = dict(pair.split("=", 1) for pair in pairs)
    first, second = pathlib.Path(original).read_bytes(), pathlib.Path(relocated).read_bytes()
    model = onnx.ModelProto.FromString(first)
    is_canonical = model.SerializeToString() == first
    relocate(model, names)
    print(json.dumps({
        "same_message": model == onnx.ModelProto.FromString(second),
        "is_canonical": is_canonical,
        "same_bytes": model.SerializeToString() == second,
    }))


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    compare(sys.argv[2], sys.argv[3], sys.argv[4:])
