"""Pages for tests: models with something special, verifications without a Keras."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np

from goldens import FIXTURES, Golden
from gru2np.convert import convert
from gru2np.reports.page import write_inspection, write_verification
from gru2np.verification.comparison import Float64, compare, distance
from gru2np.verification.evidence import NodeEvidence
from gru2np.verification.settings import RECORDED
from gru2np.verification.verify import verify
from gru2np_runtime.run.dispatch import make_plan
from modelfiles import with_keys

STACK = FIXTURES / "keras-3.15/mixed_stack/model.keras"
MASKED = FIXTURES / "keras-3.15/mask_bidirectional/model.keras"
MERGED = FIXTURES / "keras-3.15/mask_merges_two/model.keras"
NESTED = FIXTURES / "keras-3.15/nested_twice/model.keras"
WRAPPED = FIXTURES / "keras-2.2/image_sequence/model.h5"
STATEFUL = FIXTURES / "keras-3.15/stateful/model.keras"
CUSTOM = FIXTURES / "keras-3.15/custom_layers/model.keras"
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
TURNED = "\u202egnp.exe"
LONG = "long" * 2500


class Reader(HTMLParser):
    """Tags, attributes and text of a page; fails where tags do not close in order."""

    VOID = ("meta", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def inspected(path, target):
    write_inspection(target, path)
    return Reader(target.read_text("utf-8"))


def verified(found, target, **options):
    write_verification(target, found, STACK, **options)
    return Reader(target.read_text("utf-8"))


@cache
def recorded(wrong=None):
    """A stack beside what Keras recorded for every layer.

    Args:
        wrong: node and case of a layer that is made wrong.
    """
    golden = Golden(STACK.parent)
    (x,), (y,) = golden.arrays(0, "x"), golden.arrays(0, "y")
    found = verify(STACK, inputs=x, expected=y)
    taps = golden.taps()
    with convert(STACK) as conversion:
        graph = conversion.built.graph
        arrays = {path: conversion.array(path) for path in conversion.tensors}
    (given,) = found.evidence.cases
    cases = []
    for name, rows in (("all-rows", slice(None)), ("one-row", slice(1, 2))):
        fed, nodes, compared = x[rows], [], []
        for node in graph.nodes:
            layer, theirs = graph.layers[node.layer], taps[node.name][rows]
            prefix = f"{node.layer}/"
            weights = {
                path[len(prefix) :]: array
                for path, array in arrays.items()
                if path.startswith(prefix)
            }
            (ours,) = make_plan(layer, weights, fast=False).run([fed], None)
            if (node.name, name) == wrong:
                ours = ours + np.float32(0.01) * np.arange(ours.shape[-1], dtype="f4")
            exact = theirs.astype("f8")
            kind = type(layer).__name__
            nodes.append(
                NodeEvidence(
                    node.name, kind, (fed,), None, (theirs,), (ours,), (exact,)
                )
            )
            own = compare(node.name, ours, theirs, RECORDED, kind=kind, case=name)
            compared.append(own.judged(Float64(1e-8, distance(ours, exact))))
            fed = theirs
        pick = {
            kind: {key: array[rows] for key, array in getattr(given, kind).items()}
            for kind in ("inputs", "expected", "outputs")
        }
        if wrong and wrong[1] == name:
            pick["outputs"] = {key: y + 0.01 for key, y in pick["expected"].items()}
        outputs = [
            compare(key, pick["outputs"][key], y, RECORDED, case=name)
            for key, y in pick["expected"].items()
        ]
        case = replace(given, name=name, layers=tuple(compared), nodes=tuple(nodes))
        case = replace(case, compared=tuple(outputs))
        cases.append(replace(case, **pick))
    return replace(found, evidence=replace(found.evidence, cases=tuple(cases)))


def hostile(folder):
    """A model whose name and layers are named to break a page."""
    names = {"all": SCRIPT, "last": IMAGE, "apart": TURNED, "gru": LONG}
    path = folder / f"{IMAGE.replace('/', '')}.keras"

    def edit(text):
        for name, other in names.items():
            text = text.replace(json.dumps(name), json.dumps(other))
        return text

    return _edited(MASKED, path, edit)


def tall(folder):
    """A model of five hundred layers."""

    def edit(text):
        config = json.loads(text)
        config["config"]["layers"] += [
            with_keys(
                {
                    "module": "keras.layers",
                    "class_name": "Activation",
                    "config": {"name": f"step_{i}", "activation": "tanh"},
                    "registered_name": None,
                },
                "keras-3",
                "3.15.1",
            )
            for i in range(500)
        ]
        return json.dumps(config)

    return _edited(STACK, folder / "tall.keras", edit)


def _edited(model, path, edit):
    """A copy of a ``.keras`` file, its architecture edited."""
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "config.json":
                data = edit(data.decode()).encode()
            new.writestr(member, data)
    return path
