"""Repeats edits of JSON documents on Python's dictionaries and demands the same documents.

    json_edits.py < CASES.json

Standard input is a JSON list of {"before": text, "edits": [...], "after": text}. An edit is ["set", path, key, value],
["remove", path, key] or ["rename", path, key, new key], with path a list of keys. The order of members counts; a
renamed member keeps its place. Prints the number of cases that agree, and fails at the first that does not.
"""

import json
import sys


def unique(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key stands twice: {keys}")
    return dict(pairs)


def refuse(text):
    raise ValueError(f"{text} is no JSON number")


def read(text):
    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)


def ordered(value):
    """Objects as lists of pairs, so that their order counts; numbers apart from truth values."""
    if isinstance(value, dict):
        return ("object", [(key, ordered(inner)) for key, inner in value.items()])
    if isinstance(value, list):
        return ("list", [ordered(inner) for inner in value])
    return (isinstance(value, bool), value)


def apply(document, edit):
    kind, path, key = edit[:3]
    node = document
    for step in path:
        node = node[step]
    if kind == "set":
        node[key] = edit[3]
    elif kind == "remove":
        node.pop(key, None)
    else:
        pairs = [(edit[3] if old == key else old, inner) for old, inner in node.items()]
        node.clear()
        node.update(pairs)


def main():
    cases = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    for number, case in enumerate(cases):
        document = read(case["before"])
        for edit in case["edits"]:
            apply(document, edit)
        if ordered(document) != ordered(read(case["after"])):
            sys.exit(f"case {number} differs: {json.dumps(case)}\nexpected {json.dumps(document)}")
    print(len(cases))


if __name__ == "__main__":
    main()
