"""Reads an exported configuration as an application would, and prints it as JSON with sorted keys.

    read_config.py FORMAT [VARIABLE] < CONFIG

Python is executed, as an import does. YAML ends with code 77 when PyYAML is not there.
"""

import json
import sys


def read(form, text):
    if form == "json":
        return json.loads(text)
    if form == "toml":
        import tomllib

        return tomllib.loads(text)
    if form == "yaml":
        try:
            import yaml
        except ImportError:
            sys.exit(77)
        return yaml.safe_load(text)
    scope = {}
    exec(compile(text, "config.py", "exec"), scope)
    return scope[sys.argv[2] if len(sys.argv) > 2 else "WHISPER_CONFIG"]


print(json.dumps(read(sys.argv[1], sys.stdin.buffer.read().decode("utf-8")), sort_keys=True))
