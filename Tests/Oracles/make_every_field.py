"""Writes models in which every message and every field of the ONNX schema is filled.

Usage: make_every_field.py FOLDER

  every-field.onnx   all fields, all unions, edge values, unknown fields in every message
  odd-wire.onnx      the same, smaller, with what protobuf-c does not read: groups, known numbers with an
                     unexpected wire type
  small.onnx         the upper levels of the same with short values, for the fuzzer
  types.onnx         one tensor of each element type, as raw bytes ("NAME raw") and typed ("NAME typed")
"""

import os
import struct
import sys

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor as Field

INT64 = [-1, 0, 1, 127, 128, -(2**63), 2**63 - 1, 2**32, -(2**31)]
INT32 = [-1, 0, 1, 300, -(2**31), 2**31 - 1]
TEXTS = ["", "a", "größe", "語\U0001f600", "with\x01control", "x" * 300]
BYTES = [b"", b"\x00", bytes(range(256)), b"\xff\xfe"]
FLOATS = [0x80000000, 0x7FA00001, 0xFFC12345, 0x00000001, 0x7F800000, 0x3F800000]
DOUBLES = [0x8000000000000000, 0x7FF4000000000001, 0x0000000000000001, 0x3FF0000000000000]


def varint(value):
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number, wire):
    return varint(number << 3 | wire)


UNKNOWN = (
    tag(3000, 0) + varint(-1)
    + tag(536870911, 2) + varint(3) + b"abc"
    + tag(1000, 1) + struct.pack("<Q", 0x0123456789ABCDEF)
    + tag(19000, 5) + struct.pack("<I", 0xDEADBEEF)
    + tag(3000, 0) + varint(300)
)
GROUPS = (
    tag(2000, 3) + tag(1, 0) + varint(5) + tag(2, 3) + tag(7, 2) + varint(2) + b"hi" + tag(2, 4) + tag(2000, 4)
    + tag(2001, 3) + tag(2001, 4)
)


class Filler:
    """Fills messages by their descriptors; counters walk through the edge values and unions."""

    def __init__(self, depth, repeats, unknown, limit=1000, floats=FLOATS):
        self.floats = floats
        self.depth = depth
        self.limit = limit
        self.repeats = repeats
        self.unknown = unknown
        self.turns = {}
        self.filled = set()

    def turn(self, key, choices):
        number = self.turns.get(key, 0)
        self.turns[key] = number + 1
        return choices[number % len(choices)]

    def fill(self, message, depth):
        descriptor = message.DESCRIPTOR
        chosen = {
            union.name: self.turn((descriptor.full_name, union.name), self.open_fields(union.fields, depth))
            for union in descriptor.oneofs
        }
        for field in descriptor.fields:
            if field.containing_oneof is not None and chosen[field.containing_oneof.name] is not field:
                continue
            self.fill_field(message, field, depth)
        if self.unknown:
            message.MergeFromString(self.unknown)

    def open_fields(self, fields, depth):
        if depth < self.depth:
            return list(fields)
        return [field for field in fields if not self.is_recursive(field)] or list(fields)

    def is_recursive(self, field):
        return field.message_type is not None and field.message_type.name in ("Sequence", "Map", "Optional")

    def fill_field(self, message, field, depth):
        self.filled.add(field.full_name)
        if field.message_type is not None:
            self.fill_message_field(message, field, depth)
        elif field.type in (Field.TYPE_FLOAT, Field.TYPE_DOUBLE):
            # As wire bytes: the payloads of NaNs do not survive Python's floats.
            message.MergeFromString(self.float_bytes(field))
        elif field.is_repeated:
            count = 2 * self.repeats
            getattr(message, field.name).extend(self.scalar(field) for _ in range(count))
        else:
            setattr(message, field.name, self.scalar(field))

    def fill_message_field(self, message, field, depth):
        if depth >= self.depth:
            if not field.is_repeated:
                getattr(message, field.name).SetInParent()
            return
        if not field.is_repeated:
            self.fill(getattr(message, field.name), depth + 1)
            return
        for _ in range(self.repeats):
            self.fill(getattr(message, field.name).add(), depth + 1)
        if self.repeats > 1:
            getattr(message, field.name).add()  # present, but empty

    def float_bytes(self, field):
        wide = field.type == Field.TYPE_DOUBLE
        patterns = DOUBLES if wide else self.floats
        form, wire = ("<Q", 1) if wide else ("<I", 5)
        if not field.is_repeated:
            return tag(field.number, wire) + struct.pack(form, self.turn(field.full_name, patterns))
        return b"".join(tag(field.number, wire) + struct.pack(form, pattern) for pattern in patterns)

    def scalar(self, field):
        key = field.full_name
        if field.type == Field.TYPE_INT64:
            return self.turn(key, INT64)
        if field.type == Field.TYPE_UINT64:
            return self.turn(key, [value % 2**64 for value in INT64])
        if field.type == Field.TYPE_INT32:
            return self.turn(key, INT32)
        if field.type == Field.TYPE_ENUM:
            return self.turn(key, [value.number for value in field.enum_type.values])
        if field.type == Field.TYPE_STRING:
            return self.turn(key, [text for text in TEXTS if len(text) < self.limit])
        if field.type == Field.TYPE_BYTES:
            return self.turn(key, [data for data in BYTES if len(data) < self.limit])
        raise SystemExit(f"the schema has a field of a new type: {key}")


def filled(depth, repeats, unknown, **options):
    model = onnx.ModelProto()
    filler = Filler(depth, repeats, unknown, **options)
    filler.fill(model, 0)
    return model, filler.filled


def all_fields(descriptor, found):
    """The full names of the fields of a message and of every message below it."""
    for field in descriptor.fields:
        if field.full_name not in found:
            found.add(field.full_name)
            if field.message_type is not None:
                all_fields(field.message_type, found)
    return found


def odd_wire():
    # Without the signaling NaN, which Python's floats make quiet when proto_tree.py prints them.
    model, _ = filled(5, 1, UNKNOWN + GROUPS, floats=[bits for bits in FLOATS if bits != 0x7FA00001])
    # Known numbers with wire types that are not theirs: kept as unknown fields.
    odd = tag(1, 5) + b"\x01\x02\x03\x04" + tag(7, 0) + varint(9) + tag(25, 1) + bytes(8)
    model.MergeFromString(odd)
    model.graph.MergeFromString(tag(1, 0) + varint(1) + tag(2, 3) + tag(2, 4))
    return model


def types():
    model = onnx.ModelProto(ir_version=10)
    model.graph.name = "types"
    model.opset_import.add(version=21)
    number_of = {}
    for name, number in onnx.TensorProto.DataType.items():
        if name not in ("UNDEFINED", "STRING"):
            number_of[name] = number
    for name, number in number_of.items():
        kind = onnx.helper.tensor_dtype_to_np_dtype(number)
        values = np.array([0, 1, 1, 0, 1, 1, 1], dtype=np.float32).astype(kind)
        if name in ("INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE"):
            values[1] = -1
        raw = onnx.numpy_helper.from_array(values, name + " raw")
        assert raw.HasField("raw_data"), name
        model.graph.initializer.append(raw)
        typed = onnx.helper.make_tensor(name + " typed", number, [7], values)
        if name not in ("COMPLEX64", "COMPLEX128"):
            assert not typed.HasField("raw_data"), name
        model.graph.initializer.append(typed)
    return model


def main():
    folder = sys.argv[1]

    def write(name, data):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)

    model, names = filled(7, 2, UNKNOWN)
    missing = all_fields(onnx.ModelProto.DESCRIPTOR, set()) - names
    if missing:
        raise SystemExit(f"never filled: {sorted(missing)}")
    write("every-field.onnx", model.SerializeToString())
    write("odd-wire.onnx", odd_wire().SerializeToString())
    write("small.onnx", filled(3, 1, b"", limit=20)[0].SerializeToString())
    write("types.onnx", types().SerializeToString())


main()
