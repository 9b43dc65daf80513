"""What the commands print with --json, against ``docs/output.schema.json``."""

import json

import jsonschema

from goldens import ROOT

SCHEMA = json.loads((ROOT / "docs" / "output.schema.json").read_text("utf-8"))


def check(command, printed):
    """Assert that a text is one object of a command, as the schema describes it.

    Returns:
        The object.
    """
    record = json.loads(printed)
    described = {"$ref": f"#/$defs/{command}", "$defs": SCHEMA["$defs"]}
    jsonschema.validate(record, described, jsonschema.Draft202012Validator)
    return record
