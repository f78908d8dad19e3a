"""Prints models as Python's protobuf understands them, in the text form of proto_tree.c.

Usage: proto_tree.py [FILE]...

For what libprotobuf-c does not read as the specification says: groups, known fields of an unexpected wire type,
and the pieces of a message in a oneof. Python's floats make signaling NaNs quiet, so files should have none.
"""

import struct
import sys

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.unknown_fields import UnknownFieldSet


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


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def unknown_value(field):
    """The bytes of an unknown field after its tag."""
    number, wire, data = field.field_number, field.wire_type, field.data
    if wire == 0:
        return varint(data)
    if wire == 1:
        return struct.pack("<Q", data)
    if wire == 5:
        return struct.pack("<I", data)
    if wire == 2:
        return varint(len(data)) + data
    inner = b"".join(tag(part.field_number, part.wire_type) + unknown_value(part) for part in data)
    return inner + tag(number, 4)


def tree(message, lines):
    for field in sorted(message.DESCRIPTOR.fields, key=lambda field: field.number):
        values = getattr(message, field.name)
        if not field.is_repeated:
            if not message.HasField(field.name):
                continue
            values = [values]
        if field.message_type is not None:
            for value in values:
                lines.append(f"{field.number} {{")
                tree(value, lines)
                lines.append("}")
        elif field.type in (Field.TYPE_STRING, Field.TYPE_BYTES):
            for value in values:
                data = value.encode() if isinstance(value, str) else value
                lines.append(f"{field.number} s {len(data)} {fnv(data)}")
        elif field.is_repeated:
            form = {
                Field.TYPE_INT64: "<i8", Field.TYPE_UINT64: "<u8", Field.TYPE_INT32: "<i4",
                Field.TYPE_FLOAT: "<f4", Field.TYPE_DOUBLE: "<f8",
            }[field.type]
            if len(values):
                data = np.array(list(values), dtype=form).tobytes()
                lines.append(f"{field.number} n {len(values)} {fnv(data)}")
        elif field.type == Field.TYPE_FLOAT:
            bits = np.array(values[0], dtype="<f4").view("<u4")
            lines.append(f"{field.number} f {int(bits):08x}")
        else:
            lines.append(f"{field.number} i {values[0]}")
    for field in UnknownFieldSet(message):
        data = unknown_value(field)
        lines.append(f"? {field.field_number} {field.wire_type} {len(data)} {fnv(data)}")


for path in sys.argv[1:]:
    with open(path, "rb") as file:
        lines = [f"== {path}"]
        tree(onnx.ModelProto.FromString(file.read()), lines)
        print("\n".join(lines))
