"""Says which documents a JSON Schema accepts.

    check_schema.py SCHEMA < DOCUMENTS.json

Standard input is a JSON list of documents. Prints a JSON list: for each document null, or what is wrong with it.
Ends with code 77 when jsonschema is not there.
"""

import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(77)

schema = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
answers = []
for document in json.load(sys.stdin):
    error = next(iter(validator.iter_errors(document)), None)
    answers.append(None if error is None else f"{error.json_path}: {error.message}")
print(json.dumps(answers))
