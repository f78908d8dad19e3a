#!/usr/bin/env python3
"""Prints Sources/Validation/OperatorSchemas.swift: what the checker of ONNX asks of each operator.

    python Tests/Oracles/operator_schemas.py > Sources/Validation/OperatorSchemas.swift

Facts from the schemas of the `onnx` package: name, first version, deprecation, numbers of inputs and outputs,
attributes with type and whether they must be there. Versions that differ in none of these are left out.
"""
from onnx import defs

TYPES = {"FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "SPARSE_TENSOR": "x", "TYPE_PROTO": "y",
         "FLOATS": "F", "INTS": "I", "STRINGS": "S", "TENSORS": "T", "GRAPHS": "G", "SPARSE_TENSORS": "X",
         "TYPE_PROTOS": "Y"}
LIMIT = 106

HEAD = '''\
/// What the checker of ONNX asks of the operators of `ai.onnx`.
///
/// Made by `Tests/Oracles/operator_schemas.py` from the schemas of onnx {version}, up to operator set {newest}.
enum OperatorSchemaText {{
  static let newestVersion = {newest}

  /// A line for each operator and version that changes it: name, version (`-` before it: deprecated), least and most
  /// inputs, least and most outputs (`*`: any number), attributes with their type letter and `!` when required. A
  /// line that begins with `+` goes on with the line above.
  static let lines = """
'''


def count(number):
    return "*" if number >= 2**31 - 1 else str(number)


def kind(attribute):
    return TYPES[str(attribute.type).rsplit(".", maxsplit=1)[-1]]


def main():
    import onnx

    rows = {}
    newest = 0
    for schema in defs.get_all_schemas_with_history():
        if schema.domain:
            continue
        newest = max(newest, schema.since_version)
        attributes = [f"{name}:{kind(a)}{'!' if a.required else ''}" for name, a in sorted(schema.attributes.items())]
        facts = [count(schema.min_input), count(schema.max_input), count(schema.min_output),
                 count(schema.max_output), *attributes]
        rows.setdefault(schema.name, []).append((schema.since_version, schema.deprecated, facts))
    print(HEAD.format(version=onnx.__version__, newest=newest), end="")
    for name in sorted(rows):
        last = None
        for version, deprecated, facts in sorted(rows[name]):
            if (deprecated, facts) == last:
                continue
            last = (deprecated, facts)
            words = [name, ("-" if deprecated else "") + str(version), *facts]
            line = "   "
            for word in words:
                if len(line) + 1 + len(word) > LIMIT:
                    print(line)
                    line = "    +"
                line += " " + word
            print(line)
    print('    """\n}')


main()
