"""The manifest, ``manifest.json``, and its strict reader.

MANIFEST_VERSION is the version of what a manifest means.  To change it:

1. Raise it if an old runtime would misread the new manifest.  A new key or op, which an
   old runtime refuses, needs no new version.
2. Keep reading every older version: where the forms differ, the version selects one.
3. Add a bundle of the old version to the tests, and describe the change in
   ``docs/bundle.md``, ``docs/bundle.schema.json`` and, under "Format", the changelog.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gru2np_runtime.bundle.manifest_rules import (
    check_graphs,
    check_shapes,
    check_storage,
)
from gru2np_runtime.bundle.members import read_weight
from gru2np_runtime.bundle.record import Record, reference_of, wrong
from gru2np_runtime.custom import OWN, CustomFunction
from gru2np_runtime.data import Structure
from gru2np_runtime.errors import BundleError
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.layers import FAMILY, layer_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np_runtime.bundle.manifest_proof import Proof
    from gru2np_runtime.bundle.members import Member, WeightRecord
    from gru2np_runtime.custom_objects import CustomObjects
    from gru2np_runtime.layer import Layer

MANIFEST_VERSION = 2
FORMAT = "gru2np"
INPUT_DTYPES = ("bool", "float32", "float64", "int32", "int64", "uint8")
MAX_DEPTH = 50
# The origin of the model, for people; each a string or null.
SOURCE = (
    *("file_name", "sha256", "container"),
    *("keras_version", "backend", "tensorflow_version", "saved_by"),
)
# Kinds of custom objects, which ``load`` is given by name: classes, or a function.
CUSTOM_KINDS = ("layer", "cell", "function")
# A component of a path: all but letters, digits, _ - . and space is encoded as %XX.
# Nodes that compute a mask are named with #, which no layer's name contains.
_COMPONENT = re.compile(r"(?!\.+$)(?:[A-Za-z0-9_\-. #]|%[0-9A-F]{2})+")


class Manifest:
    """A manifest that has been read and checked.

    Attributes:
        custom: the custom objects by name: ``kind``, and ``per_step``, which states
            whether a function works per step; None if unknown.
        source: the keys of ``SOURCE``; in version 1 any keys.
        part: the ``inputs`` and ``outputs`` that the exporter was given, if the bundle
            is a part of the model in the source; None for a whole model.
    """

    __slots__ = (
        "custom",
        "graph",
        "inputs",
        "name",
        "outputs",
        "part",
        "proof",
        "source",
        "storage",
        "titles",
        "weights",
    )

    def __init__(
        self,
        *,
        graph: Graph,
        weights: list[WeightRecord],
        name: str,
        inputs: Structure,
        outputs: Structure,
        titles: dict[str, tuple[str, str]],
        source: dict[str, Any],
        custom: dict[str, dict[str, Any]],
        storage: dict[str, Any] | None = None,
        proof: Proof | None = None,
        part: dict[str, list[str]] | None = None,
    ) -> None:
        self.graph = graph
        self.weights = weights
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.titles = titles
        self.source = source
        self.custom = custom
        self.storage = storage
        self.proof = proof
        self.part = part

    def members(self) -> Iterator[Member]:
        """Every array that the bundle must contain, in order."""
        for weight in self.weights:
            yield from weight.members()
        if self.proof is not None:
            yield from self.proof.members()


def read_manifest(
    value: object, custom_objects: CustomObjects | None = None
) -> Manifest:
    """Check a manifest and build its graph.

    Args:
        value: the manifest.
        custom_objects: classes and functions of the user's own, by name.

    Raises:
        CustomObjectError: one of them is of the wrong kind.
        BundleError: a rule is broken; the message ends with the path.
    """
    root = Record(value, "$")
    if root.value.get("format") != FORMAT:
        raise BundleError("manifest: expected `gru2np` - at `$.format`: no bundle")
    root.string("format")
    version = root.take("version", int, "int")
    if version > MANIFEST_VERSION:
        raise BundleError(
            f"this bundle has manifest version {version}, this runtime reads up to "
            f"{MANIFEST_VERSION}: update gru2np, or export the model again with this "
            "version"
        )
    if version < 1:
        raise BundleError("manifest: expected at least 1 - at `$.version`")
    root.string("producer")
    name = root.string("name")
    source = _read_source(root, version)
    custom = _read_custom(root) if version > 1 else None
    part = _read_part(root) if version > 1 else None
    reader = _Reader(custom_objects, custom, version)
    inputs, outputs = root.record("inputs"), root.record("outputs")
    graph = reader.graph(root.record("graph"), "", 0)
    structures = [
        _read_structure(record, len(ports))
        for record, ports in ((inputs, graph.inputs), (outputs, graph.outputs))
    ]
    storage, proof = None, None
    if "storage" in root.value or "proof" in root.value:
        from gru2np_runtime.bundle.manifest_proof import read_proof, read_storage

        inputs_by_name = _by_name(structures[0], graph.inputs)
        outputs_by_name = _by_name(structures[1], graph.outputs)
        if "storage" in root.value:
            storage = read_storage(root.record("storage"), list(outputs_by_name))
        if "proof" in root.value:
            record = root.record("proof")
            proof = read_proof(record, inputs_by_name, outputs_by_name)
    root.refuse_unknown()
    reader.check_custom()
    if version == 1 and storage is not None:
        # Version 1 does not distinguish float16 in the Keras file from small storage.
        for weight in reader.weights:
            weight.small = weight.dtype == storage["dtype"]
    check_storage(storage, reader.weights)
    check_shapes(graph, reader.weights)
    check_graphs(graph)
    return Manifest(
        graph=graph,
        weights=reader.weights,
        name=name,
        inputs=structures[0],
        outputs=structures[1],
        titles=reader.titles,
        source=source,
        custom=custom or {},
        storage=storage,
        proof=proof,
        part=part,
    )


def _read_source(root: Record, version: int) -> dict[str, Any]:
    if version == 1:
        # In version 1 the source may have any keys.
        return dict(root.take("source", dict, "object"))
    source = root.record("source")
    for key in SOURCE:
        value = source.take(key, object, "str or null")
        if value is not None and not isinstance(value, str):
            raise wrong("str or null", value, f"{source.path}.{key}")
    source.refuse_unknown()
    return dict(source.value)


def _read_custom(root: Record) -> dict[str, dict[str, Any]]:
    """The custom objects by name; empty without a record of them."""
    custom: dict[str, dict[str, Any]] = {}
    if "custom" not in root.value:
        return custom
    group = root.record("custom")
    for name in group.value:
        record = Record(group.take(name, dict, "object"), f"{group.path}[{name!r}]")
        kind = record.choice("kind", CUSTOM_KINDS)
        per_step = record.take("per_step", object, "bool or null")
        record.refuse_unknown()
        # A class states it itself.
        if per_step is not None and (
            kind != "function" or not isinstance(per_step, bool)
        ):
            expected = "bool or null" if kind == "function" else "null"
            raise wrong(expected, per_step, f"{record.path}.per_step")
        custom[name] = {"kind": kind, "per_step": per_step}
    return custom


def _read_part(root: Record) -> dict[str, list[str]] | None:
    """The tensors that the exporter was told to make inputs and outputs."""
    if "part" not in root.value:
        return None
    record = root.record("part")
    part: dict[str, list[str]] = {}
    for key in ("inputs", "outputs"):
        part[key] = names = record.take(key, list, "array")
        if not all(isinstance(name, str) for name in names):
            raise BundleError(f"manifest: expected strings - at `{record.path}.{key}`")
    record.refuse_unknown()
    if not any(part.values()):
        raise BundleError(f"manifest: expected a tensor - at `{record.path}`")
    return part


def _by_name(structure: Structure, ports: Sequence[Port]) -> dict[str, Port]:
    return dict(zip(structure.names, ports))


def _read_structure(record: Record, count: int) -> Structure:
    kind = record.choice("kind", ("one", "list", "dict"))
    names = record.take("names", list, "array")
    record.refuse_unknown()
    strings = all(isinstance(name, str) for name in names)
    if not strings or len(names) != count or len(set(names)) != count:
        raise BundleError(
            f"manifest: expected {count} different names - at `{record.path}.names`"
        )
    if kind == "one" and count != 1:
        raise BundleError(f"manifest: expected one array - at `{record.path}.kind`")
    return Structure(kind, names)


class _Reader:
    """Reads nested layers and graphs; collects their weights and titles."""

    def __init__(
        self,
        custom_objects: CustomObjects | None,
        declared: Mapping[str, Mapping[str, Any]] | None,
        version: int,
    ) -> None:
        self.classes: dict[str, type[Layer]] = {}
        self.functions: dict[str, CustomFunction] = {}
        if custom_objects:
            from gru2np_runtime.custom_objects import checked

            for given in checked(custom_objects).values():
                if isinstance(given, CustomFunction):
                    self.functions[given] = given
                else:
                    self.classes[given.op] = given
        # The manifest's record of custom objects; None in version 1.
        self.declared = declared
        self.used: set[str] = set()
        self.version = version
        self.weights: list[WeightRecord] = []
        self.titles: dict[str, tuple[str, str]] = {}

    def graph(self, record: Record, prefix: str, depth: int) -> Graph:
        """A graph; ``prefix`` is put before the paths of its layers."""
        inputs = []
        for port in record.records("inputs"):
            inputs.append(
                Port(
                    port.string("name"),
                    port.shape("shape"),
                    port.choice("dtype", INPUT_DTYPES),
                )
            )
            if not inputs[-1].shape:
                raise BundleError(f"manifest: expected a batch axis - at `{port.path}`")
            port.refuse_unknown()
        layers = {}
        group = record.record("layers")
        for path, value in group.value.items():
            if not all(_COMPONENT.fullmatch(part) for part in path.split("/")):
                raise BundleError(
                    f"manifest: illegal path `{path}` - at `{group.path}`"
                )
            layer = Record(value, f"{group.path}[{path!r}]")
            layers[path] = self.layer(layer, prefix + path, depth)
        nodes = []
        for node in record.records("nodes"):
            sources = node.take("inputs", list, "array")
            nodes.append(
                Node(
                    node.string("name"),
                    node.string("layer"),
                    [
                        reference_of(ref, f"{node.path}.inputs[{i}]")
                        for i, ref in enumerate(sources)
                    ],
                    node.reference("mask") if "mask" in node.value else None,
                )
            )
            if not sources:
                raise BundleError(
                    f"manifest: expected inputs - at `{node.path}.inputs`"
                )
            node.refuse_unknown()
        outputs = []
        for port in record.records("outputs"):
            outputs.append(
                Port(
                    port.string("name"),
                    port.shape("shape"),
                    port.choice("dtype", INPUT_DTYPES),
                    port.reference("source"),
                )
            )
            port.refuse_unknown()
        if not inputs or not outputs:
            raise BundleError(f"manifest: no inputs or no outputs - at `{record.path}`")
        record.refuse_unknown()
        try:
            return Graph(inputs, nodes, outputs, layers)
        except ValueError as error:
            raise BundleError(f"manifest: {error} - at `{record.path}`") from None

    def layer(self, record: Record, path: str, depth: int) -> Layer:
        """A layer and the layers inside it."""
        if depth > MAX_DEPTH:
            raise BundleError(f"manifest: layers nested too deep - at `{record.path}`")
        op = record.string("op")
        if "keras" in record.value:
            keras = record.record("keras")
            self.titles[path] = (keras.string("name"), keras.string("class_name"))
            keras.refuse_unknown()
        for name, value in record.record("weights").value.items():
            weight = Record(value, f"{record.path}.weights.{name}")
            if not all(_COMPONENT.fullmatch(part) for part in name.split("/")):
                raise BundleError(
                    f"manifest: illegal name or hash - at `{weight.path}`"
                )
            self.weights.append(read_weight(weight, f"{path}/{name}", self.version))
        if op == "graph":
            graph = record.record("graph")
            record.refuse_unknown()
            return self.graph(graph, f"{path}/", depth + 1)
        attributes = record.take("attributes", dict, "object")
        children = {}
        if "layers" in record.value:
            group = record.record("layers")
            for name, value in group.value.items():
                inner = Record(value, f"{group.path}.{name}")
                children[name] = self.layer(inner, f"{path}/{name}", depth + 1)
        record.refuse_unknown()
        kind = self._class(op, f"{record.path}.op")
        self._give_functions(kind, attributes, f"{record.path}.attributes")
        try:
            return kind(layers=children, **attributes)
        except (OverflowError, TypeError, ValueError) as error:
            raise BundleError(
                f"manifest: {error} - at `{record.path}.attributes`"
            ) from None

    def check_custom(self) -> None:
        """Check that every declared custom object is used.

        Raises:
            BundleError: one is not; the message names it.
        """
        for name in sorted((self.declared or {}).keys() - self.used):
            raise BundleError(
                f"manifest: {name!r} is used nowhere - at `$.custom[{name!r}]`"
            )

    def _class(self, op: str, where: str) -> type[Layer]:
        """The class of an op; ``where`` is the path for messages."""
        if op in FAMILY:
            return layer_class(op)
        if not op.startswith(OWN):
            raise BundleError(f"manifest: unknown op `{op}` - at `{where}`")
        self._check_declared(op, ("layer", "cell"), where)
        if op not in self.classes:
            raise _not_given("class", op, where)
        return self.classes[op]

    def _give_functions(
        self, kind: type[Layer], attributes: dict[str, Any], where: str
    ) -> None:
        """Put custom functions in the place of their names."""
        for name, annotation in kind.attribute_kinds().items():
            value = attributes.get(name)
            if (
                annotation not in ("ActivationSpec", "CustomFunction")
                or not isinstance(value, str)
                or not value.startswith(OWN)
            ):
                continue
            self._check_declared(value, ("function",), f"{where}.{name}")
            if value not in self.functions:
                raise _not_given("function", value, f"{where}.{name}")
            attributes[name] = self.functions[value]

    def _check_declared(self, name: str, kinds: tuple[str, ...], where: str) -> None:
        """Check that ``$.custom`` has a name with its prefix as one of these kinds."""
        if self.declared is None:
            return
        name = name[len(OWN) :]
        self.used.add(name)
        if self.declared.get(name, {}).get("kind") not in kinds:
            raise BundleError(
                f"manifest: expected `$.custom` to name {name!r} as a "
                f"{' or a '.join(kinds)} - at `{where}`"
            )


def _not_given(kind: str, name: str, where: str) -> BundleError:
    name = name[len(OWN) :]
    return BundleError(
        f"the bundle needs the custom {kind} {name!r}, which is not in it: give yours "
        f"with --custom-objects FILE.py, or in Python with load(..., "
        f"custom_objects={{{name!r}: {name}}}) - at `{where}`"
    )
