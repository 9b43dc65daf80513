"""Every reference of a manifest names something: each is broken in every way."""

import copy
import json
import re

import pytest

import goldens
from bundle_edits import written
from gru2np_runtime import BundleError, load
from gru2np_runtime.bundle.container import (
    MANIFEST,
    read_members,
)
from shared_files import CASES

BUNDLES = (
    "keras-2.2/masking_sequential",
    "keras-3.15/encoder_decoder",
    "keras-3.15/masking_gru",
    "keras-3.15/heads_masked",
    "keras-3.15/bidirectional_cells",
    "keras-3.15/nested_twice",
    "keras-3.15/several_inputs_outputs",
    "keras-3.15/slicing",
    "keras-3.15/time_distributed_model",
    "keras-3.15/whole_numbers",
)
SHARED = CASES / "damaged_bundles"
WRONG_TYPES = (None, True, 1.5, [], {}, [0])
NO_NAMES = ("", "no such name", "../x", *WRONG_TYPES, 0)
NO_NUMBERS = (-1, 2**63, 10**30, *WRONG_TYPES, "0")
NO_SHAPES = ([], [-1], [None, "1"], [None, 10**6], [None] * 9, "x", None)
NO_DTYPES = ("object", "int8", "", "x", *WRONG_TYPES, 0)


def graphs(graph):
    """A graph's record, and those of the graphs inside it."""
    yield graph
    waiting = list(graph["layers"].values())
    while waiting:
        layer = waiting.pop()
        waiting += layer.get("layers", {}).values()
        if "graph" in layer:
            yield from graphs(layer["graph"])


def layers(records):
    """Layers' records, each with the object that holds it by name."""
    for name, layer in list(records.items()):
        yield records, name
        yield from layers(layer.get("layers", {}))
        if "graph" in layer:
            yield from layers(layer["graph"]["layers"])


def outputs_of(bundle):
    """How many outputs each input and node of the whole graph has."""
    known, _ = load(bundle).graph.infer_nodes()
    return {name: len(shapes) for name, shapes in known.items()}


def reference(holder, key, counts, where):
    """Changes of ``[name, output number]``; the number next to the last one."""
    name, number = holder[key]
    # Of the graphs inside, which have one output a node here.
    count = counts.get(name, 1)
    for other in NO_NAMES:
        yield holder, key, [other, number], f"{where} names {other!r}"
    for other in (count, *NO_NUMBERS):
        yield holder, key, [name, other], f"{where} takes {other!r}"
    for other in (name, [], [name], [name, number, 0], {}, 0, [number, name]):
        yield holder, key, other, f"{where} = {other!r}"


def changes(manifest, counts):
    """Every reference of a manifest, each with every damage: holder, key, value."""
    for graph in graphs(manifest["graph"]):
        for node in graph["nodes"]:
            at = f"node {node['name']}"
            for i in range(len(node["inputs"])):
                yield from reference(node["inputs"], i, counts, f"{at} input {i}")
            yield node, "inputs", [], f"{at} without inputs"
            if "mask" in node:
                yield from reference(node, "mask", counts, f"{at} mask")
                numbers = node["inputs"][0]
                yield node, "mask", numbers, f"{at} mask is no boolean"
            for name in NO_NAMES:
                yield node, "layer", name, f"{at} layer {name!r}"
        for port in graph["outputs"]:
            at = f"output {port['name']}"
            yield from reference(port, "source", counts, at)
            for shape in NO_SHAPES:
                yield port, "shape", shape, f"{at} shape {shape}"
            for dtype in (*NO_DTYPES, {"bool": "float64"}.get(port["dtype"], "bool")):
                yield port, "dtype", dtype, f"{at} dtype {dtype}"
        for port in graph["inputs"]:
            for shape in ([], [-1], [None, "1"], "x", None, [None, 2**63]):
                yield port, "shape", shape, f"input {port['name']} shape {shape}"
            for dtype in NO_DTYPES:
                yield port, "dtype", dtype, f"input {port['name']} dtype {dtype}"
            for name in ("no such name", *WRONG_TYPES, 0):
                yield port, "name", name, f"input {port['name']} called {name!r}"
        first = graph["nodes"][0]
        yield first, "name", graph["inputs"][0]["name"], "a node called as an input"
    for holder, name in layers(manifest["graph"]["layers"]):
        layer, at = holder[name], f"layer {name}"
        for op in ("no_such_op", "graph", "custom>None", "", *WRONG_TYPES, 0):
            if op != layer["op"]:
                yield layer, "op", op, f"{at} op {op!r}"
        for weight, record in layer["weights"].items():
            what = f"{at} weight {weight}"
            for shape in (record["shape"] + [1], [n + 1 for n in record["shape"]]):
                yield record, "shape", shape, f"{what} shape {shape}"
            for dtype in NO_DTYPES:
                yield record, "dtype", dtype, f"{what} dtype {dtype!r}"
            yield record, "sha256", "0", f"{what} hash"
            yield layer["weights"], weight, GONE, f"{what} gone"
            for value in WRONG_TYPES:
                yield layer["weights"], weight, value, f"{what} = {value!r}"
        if "keras" in layer:
            for key in ("name", "class_name"):
                for value in (*WRONG_TYPES, 0):
                    yield layer["keras"], key, value, f"{at} {key} {value!r}"
        yield holder, name, GONE, f"{at} gone"
        for value in WRONG_TYPES:
            yield holder, name, value, f"{at} = {value!r}"
    for key in ("inputs", "outputs"):
        names = manifest[key]["names"]
        for other in ([*names, "more"], names[1:], [*names[1:], 0], [], None, "x"):
            yield manifest[key], "names", other, f"{key} called {other!r}"
        for kind in ("tuple", "", *WRONG_TYPES, 0):
            yield manifest[key], "kind", kind, f"{key} of kind {kind!r}"
    for custom in ({"X": {"kind": "layer", "per_step": None}}, [], None, {"X": 0}):
        yield manifest, "custom", custom, f"custom = {custom!r}"


GONE = object()


@pytest.mark.parametrize("case", BUNDLES)
def test_every_reference_is_checked_at_load(case):
    bundle = goldens.Golden(goldens.FIXTURES / case).bundle()
    manifest = json.loads(bytes(read_members(bundle)[MANIFEST]))
    counts = outputs_of(bundle)
    taken, tried = [], 0
    for holder, key, value, words in changes(manifest, counts):
        before = copy.copy(holder)
        if value is GONE:
            del holder[key]
        else:
            holder[key] = value
        try:
            load(written(bundle, manifest))
        except BundleError:
            tried += 1
        else:
            taken.append(words)
        finally:
            if isinstance(holder, list):
                holder[:] = before
            else:
                holder.clear()
                holder.update(before)
    assert not taken
    assert tried > 100
    # All is as it was.
    load(written(bundle, manifest))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            "mask_output_1.npz",
            r"'mask_minus_one#mask' has no output \d+ - at `\$\.graph",
        ),
        (
            "mask_output_huge.npz",
            r"'masking_1#mask' has no output 18446744073709551616",
        ),
    ],
)
def test_a_mask_that_is_no_output_is_refused(file, said):
    path = SHARED / file
    if not path.exists():
        pytest.skip(f"no {path}")
    with pytest.raises(BundleError, match=re.compile(said)):
        load(path)


def test_a_layer_that_nothing_calls_is_refused():
    bundle = goldens.Golden(goldens.FIXTURES / "keras-2.2/gru").bundle()
    manifest = json.loads(bytes(read_members(bundle)[MANIFEST]))
    dead = {"op": "identity", "attributes": {"dtype": "float32"}, "weights": {}}
    manifest["graph"]["layers"]["dead"] = dead
    with pytest.raises(BundleError, match="layer 'dead' is called nowhere"):
        load(written(bundle, manifest))
