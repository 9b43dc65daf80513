"""TensorFlow's operations as tf.keras saved them, in the spelling of ``keras.ops``.

A ``TensorFlowOpLayer`` (TensorFlow 1.13 to 2.3) holds a node of a graph, with inputs by
position.  A ``TFOpLambda`` (since 2.4) names a Python function, and its call has the
arguments.  The call of a ``SlicingOpLambda`` has a slice.  All names are looked up in
the tables of ``tensorflow_names``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from gru2np.errors import Problem, UnsupportedModelError
from gru2np.generations import records
from gru2np.generations.tensorflow_names import FUNCTIONS, NODES
from gru2np.ir import Call, TensorRef

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES = frozenset({"SlicingOpLambda", "TFOpLambda", "TensorFlowOpLayer"})
MAX_OPERANDS = 1000
# Options that are words; any other text names a tensor.
WORDS = frozenset(
    [
        *("dtype", "whole_as", "mode", "direction", "ord", "out_type", "output_type"),
        "index_type",
    ]
)
_INTEGER = re.compile(r"-?[0-9]{1,18}")
DTYPES = {
    "DT_BOOL": "bool",
    "DT_DOUBLE": "float64",
    "DT_FLOAT": "float32",
    "DT_HALF": "float16",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_UINT8": "uint8",
}


def class_name(spec: Mapping[str, Any]) -> str:
    """``ops.<class>`` of a known operation, else ``tf.<name in TensorFlow>``."""
    config = records.record(spec.get("config"), "config")
    if spec["class_name"] == "SlicingOpLambda":
        return "ops.GetItem"
    if spec["class_name"] == "TFOpLambda":
        name = records.text(config.get("function"), "config.function")
        known = FUNCTIONS.get(name)
        return f"tf.{name}" if known is None else f"ops.{known.class_name}"
    name = _node(spec)
    if name == "StridedSlice":
        return "ops.GetItem"
    known = NODES.get(name)
    return f"tf.raw_ops.{name}" if known is None else f"ops.{known.class_name}"


def calls(where: str, spec: Mapping[str, Any]) -> tuple[Call, ...]:
    """The one call of an operation; empty if the operation is not known."""
    inbound = records.array(spec.get("inbound_nodes", []), f"{where}.inbound_nodes")
    if class_name(spec).startswith("tf.") or not inbound:
        return ()
    at = f"{where}.inbound_nodes[0]"
    if len(inbound) > 1:
        _refuse(spec, "an operation that is called more than once")
    call = records.array(inbound[0], at)
    if spec["class_name"] == "TensorFlowOpLayer":
        return (_of_node(at, spec, call),)
    flat = bool(call) and isinstance(call[0], str)
    references = [call] if flat else [records.array(item, at) for item in call]
    if not references or any(len(reference) != 4 for reference in references):
        raise records.fail(at, "[layer, call, output, arguments]", call)
    arguments = dict(records.record(references[0][3], at))
    if spec["class_name"] == "SlicingOpLambda":
        return (_slicing(at, spec, references, arguments),)
    return (_of_function(at, spec, references, arguments, flat),)


def _of_function(
    where: str,
    spec: Mapping[str, Any],
    references: list[list[Any]],
    arguments: dict[str, Any],
    flat: bool,
) -> Call:
    operation = FUNCTIONS[spec["config"]["function"]]
    operands: list[object] = [_first(item, where) for item in references]
    options = dict(operation.fixed)
    if spec["config"]["function"] == "einsum":
        _refuse(
            spec,
            "the file does not hold the tensors of tf.einsum, and Keras cannot load it "
            "either; write it with tf.matmul, tf.tensordot or a Dot layer",
        )
    if operation.first:
        options[operation.first] = operands[0] if flat else operands
        operands = []
    elif operation.class_name == "Counting":
        operands = [_limit(spec, operands, arguments, where)]
    elif flat == operation.takes_list:
        _refuse(spec, "arguments in another order than this version knows")
    for name in operation.operands[1:]:
        value = arguments.pop(name, None)
        if value is None:
            _refuse(spec, f"the argument {name!r} is missing")
        operands.append(_operand(value, where))
    for name, value in arguments.items():
        if name in operation.options:
            option = operation.options[name]
            sizes = option in operation.sizes
            options[option] = _sizes(value, where, 0) if sizes else value
        elif name not in operation.ignored and value != operation.neutral.get(name, ()):
            _refuse(
                spec, "an argument of the call that this version does not know", name
            )
    return _call(spec, operands, options)


def _of_node(where: str, spec: Mapping[str, Any], call: list[Any]) -> Call:
    """Operands by position: a constant if the config has one, else a reference."""
    config = spec["config"]
    constants = dict(records.record(config.get("constants"), where))
    references = [call] if call and isinstance(call[0], str) else call
    tensors = [records.reference(item, where) for item in references]
    operands: list[object] = []
    for position in range(len(tensors) + min(len(constants), MAX_OPERANDS)):
        if str(position) in constants:
            operands.append(constants.pop(str(position)))
        elif tensors:
            operands.append(tensors.pop(0))
    if constants or tensors:
        raise records.fail(where, "constants by position", config["constants"])
    attributes = _attributes(spec)
    if _node(spec) == "StridedSlice":
        return _call(spec, _strided_slice(spec, operands, attributes), {})
    operation = NODES[_node(spec)]
    options = dict(operation.fixed)
    for position, name in sorted(operation.positions.items(), reverse=True):
        if not -len(operands) <= position < len(operands):
            _refuse(spec, f"the operand {name!r} is missing")
        value = operands.pop(position)
        if isinstance(value, TensorRef) and name not in operation.sizes:
            _refuse(spec, f"{name} computed by the model itself")
        options[name] = value
    for name, option in operation.options.items():
        if attributes.get(name) is not None:
            options[option] = attributes[name]
    return _call(spec, operands, options)


def _call(
    spec: Mapping[str, Any], operands: list[object], options: dict[str, Any]
) -> Call:
    """Operands as inputs and constants, as in a node of Keras 3."""
    for name, value in options.items():
        if _holds_text(value) and name not in WORDS:
            _refuse(spec, f"{name} computed by the model itself")
    return Call(
        inputs=tuple(ref for ref in operands if isinstance(ref, TensorRef)),
        constants=tuple(
            # TensorFlow cast arrays to the dtype of the tensor.
            (position, list(value) if isinstance(value, list) else value)
            for position, value in enumerate(operands)
            if not isinstance(value, TensorRef)
        ),
        keywords=options,
    )


def _first(reference: list[Any], where: str) -> object:
    if reference[0] == "_CONSTANT_VALUE":
        return reference[2]
    return records.reference(reference, where)


def _operand(value: object, where: str) -> object:
    """A tensor if the value has the form of a reference, else the value."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return records.reference(value, where)
    return value


def _sizes(value: object, where: str, depth: int) -> object:
    """A shape with its tensors: one tensor, or a list of numbers and tensors."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return records.reference(value, where)
    if isinstance(value, list) and not depth:
        return [_sizes(item, where, 1) for item in value]
    return value


def _limit(
    spec: Mapping[str, Any],
    operands: list[object],
    arguments: dict[str, Any],
    where: str,
) -> object:
    """The limit of ``tf.range``, which starts at 0."""
    limit = arguments.pop("limit", None)
    if limit is not None and operands != [0]:
        _refuse(
            spec, "a range that does not start at 0; add the start to one that does"
        )
    return operands[0] if limit is None else _operand(limit, where)


def _slicing(
    where: str,
    spec: Mapping[str, Any],
    references: list[list[Any]],
    arguments: dict[str, Any],
) -> Call:
    value = arguments.get("slice_spec")
    items = value if isinstance(value, list) else [value]
    if len(references) != 1 or set(arguments) != {"slice_spec"}:
        raise records.fail(where, "one slice_spec", arguments)
    if items and isinstance(items[0], str):
        _refuse(spec, "a slice computed by the model itself")
    key = []
    for item in items:
        if isinstance(item, dict) and "class_name" not in item:
            if any(_holds_text(end) for end in item.values()):
                _refuse(spec, "a slice computed by the model itself")
            item = {"class_name": "__slice__", "config": item}
        key.append(item)
    return _call(spec, [_first(references[0], where), key], {})


def _strided_slice(
    spec: Mapping[str, Any], operands: list[object], attributes: Mapping[str, Any]
) -> list[object]:
    """The key that begin, end, strides and the bits of five masks stand for."""
    ends = operands[1:]
    lists = [end for end in ends if isinstance(end, list)]
    if len(operands) != 4 or len(lists) != 3 or len({len(end) for end in lists}) != 1:
        _refuse(spec, "a slice computed by the model itself")
    masks = []
    for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis"):
        mask = attributes.get(f"{name}_mask", 0)
        if not isinstance(mask, int):
            _refuse(spec, "expected an integer", f"{name}_mask", mask)
        masks.append(mask)
    key: list[object] = []
    for i, (start, stop, step) in enumerate(zip(*lists, strict=True)):
        begins, stops, ellipsis, new_axis, shrinks = (mask >> i & 1 for mask in masks)
        if ellipsis:
            key.append({"class_name": "__ellipsis__", "config": {}})
        elif new_axis:
            key.append(None)
        elif shrinks:
            key.append(start)
        else:
            bounds = {"start": None if begins else start, "step": step}
            bounds["stop"] = None if stops else stop
            key.append({"class_name": "__slice__", "config": bounds})
    return [operands[0], key]


def _node(spec: Mapping[str, Any]) -> str:
    return records.text(_definition(spec).get("op"), "config.node_def.op")


def _definition(spec: Mapping[str, Any]) -> dict[str, Any]:
    node = spec["config"].get("node_def")
    if not isinstance(node, dict):
        _refuse(spec, "an operation of TensorFlow whose name is not in the file")
    return node


def _attributes(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a node; files have 64-bit integers as strings."""
    attributes: dict[str, Any] = {}
    written = records.record(_definition(spec).get("attr", {}), "node_def.attr")
    for name, value in written.items():
        where = f"node_def.attr.{name}"
        for kind, inner in records.record(value, where).items():
            if kind == "type":
                attributes[name] = DTYPES.get(inner) if isinstance(inner, str) else None
            elif kind == "list":
                items = records.array(records.record(inner, where).get("i", []), where)
                attributes[name] = [_integer(item) for item in items] or None
            else:
                attributes[name] = _integer(inner) if kind == "i" else inner
    return attributes


def _integer(value: object) -> object:
    short = isinstance(value, str) and _INTEGER.fullmatch(value)
    return int(str(value)) if short else value


def _holds_text(value: object) -> bool:
    """Whether the value contains a name: a reference to a tensor."""
    items = value if isinstance(value, list) else [value]
    return any(
        _holds_text(item) if isinstance(item, list) else isinstance(item, str)
        for item in items
    )


def _refuse(
    spec: Mapping[str, Any],
    reason: str,
    option: str | None = None,
    value: object = None,
) -> NoReturn:
    name = str(spec.get("name") or spec["config"].get("name"))
    raise UnsupportedModelError(
        [Problem(name, spec["class_name"], reason, option, value)]
    )
