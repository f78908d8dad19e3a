"""Reads a JSON document from standard input as strictly as Python can, and prints its top-level keys, sorted."""

import json
import sys


def refuse(text):
    raise ValueError(f"{text} is no JSON number")


def unique(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key stands twice: {keys}")
    return dict(pairs)


document = json.loads(sys.stdin.buffer.read().decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)
print("\n".join(sorted(document)))
