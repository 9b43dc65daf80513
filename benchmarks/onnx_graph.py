"""The best graph for ONNX Runtime and OpenVINO: native recurrent operators.

Gates of ONNX's GRU stand as in Keras, z r h; an LSTM's are i o f c instead of i f c o.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models import GATES, read_weights

if TYPE_CHECKING:
    from pathlib import Path

    from models import Array, Workload

OPERATORS = {"gru": "GRU", "lstm": "LSTM", "simple_rnn": "RNN"}
ORDER = {"gru": [0, 1, 2], "lstm": [0, 3, 1, 2], "simple_rnn": [0]}


class _Graph:
    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self.helper: Any = helper
        self.numpy_helper: Any = numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, array: Array) -> str:
        self.constants.append(self.numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, inputs: list[str], outputs: list[str], **more: Any) -> str:
        self.nodes.append(self.helper.make_node(op, inputs, outputs, **more))
        return outputs[0]


def _gates(workload: Workload, array: Array) -> Array:
    parts = np.split(array, GATES[workload.cell], axis=-1)
    return np.concatenate([parts[i] for i in ORDER[workload.cell]], axis=-1)


def _weights(graph: _Graph, workload: Workload, number: int, layers: Any) -> list[str]:
    stacked: dict[str, list[Array]] = {"W": [], "R": [], "B": []}
    for weights in layers[number]:
        bias = weights["bias"]
        if bias.ndim == 1:
            bias = np.stack([bias, np.zeros_like(bias)])
        stacked["W"].append(_gates(workload, weights["kernel"]).T)
        stacked["R"].append(_gates(workload, weights["recurrent_kernel"]).T)
        stacked["B"].append(_gates(workload, bias).reshape(-1))
    return [
        graph.constant(f"{name}{number}", np.ascontiguousarray(np.stack(arrays)))
        for name, arrays in stacked.items()
    ]


def write_onnx(folder: Path, workload: Workload) -> None:
    """Write ``native.onnx``: x (batch, time, features).

    A stepped model takes x (1, batch, features) and the states, and gives both.
    """
    import onnx
    from onnx import TensorProto

    graph = _Graph()
    layers, head = read_weights(folder)
    floats = TensorProto.FLOAT
    value = graph.helper.make_tensor_value_info
    shape = [workload.batch, workload.time, workload.features]
    if workload.step and workload.time == 1:
        shape = [workload.time, workload.batch, workload.features]
    inputs = [value("x", floats, shape)]
    outputs = []
    alone = graph.constant("direction_axis", np.array([1], np.int64))
    y = "x"
    if not workload.step or workload.time > 1:
        y = graph.add("Transpose", ["x"], ["time_major"], perm=[1, 0, 2])
    for number in range(workload.layers):
        weights = _weights(graph, workload, number, layers)
        names = [f"h{number}", f"c{number}"][: workload.states]
        options: dict[str, Any] = {"hidden_size": workload.units}
        if workload.cell == "gru":
            options["linear_before_reset"] = 1
        if workload.bidirectional:
            options["direction"] = "bidirectional"
        given = [y, *weights]
        if workload.step:
            state = [1, workload.batch, workload.units]
            inputs.extend(value(name, floats, state) for name in names)
            outputs.extend(value(f"{name}_after", floats, state) for name in names)
            given = [y, *weights, "", *names]
        after = [f"{name}_after" for name in names]
        every = f"every{number}" if workload.returns_sequences(number) else ""
        graph.add(OPERATORS[workload.cell], given, [every, *after], **options)
        y = _joined(graph, workload, number, every, after[0], alone)
    if head is not None:
        kernel = graph.constant("kernel", head["kernel"])
        bias = graph.constant("bias", head["bias"])
        y = graph.add("Gemm", [y, kernel, bias], ["dense"])
    graph.add("Identity", [y], ["y"])
    last = workload.head or workload.width
    rows = [workload.batch, *([workload.time] if workload.sequences else []), last]
    outputs.insert(0, value("y", floats, rows))
    made = graph.helper.make_graph(
        graph.nodes, workload.name, inputs, outputs, graph.constants
    )
    opset = [graph.helper.make_opsetid("", 17)]
    model = graph.helper.make_model(made, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "native.onnx"))


def write_small_onnx(folder: Path, workload: Workload) -> None:
    """Write ``small.onnx``, native.onnx with weights of int8.

    Raises:
        ValueError: ONNX Runtime has no such operator.
    """
    from onnxruntime.quantization import quantize_dynamic

    if workload.cell != "lstm":
        raise ValueError(f"there is no quantised {OPERATORS[workload.cell]}")
    quantize_dynamic(folder / "native.onnx", folder / "small.onnx")


def _joined(
    graph: _Graph, workload: Workload, number: int, every: str, last: str, alone: str
) -> str:
    """(time, directions, batch, units) to what the next layer, or the user, reads."""
    final = number == workload.layers - 1
    if not every:
        if not workload.bidirectional:
            first = graph.constant(f"first{number}", np.array([0], np.int64))
            return graph.add("Squeeze", [last, first], [f"last{number}"])
        turned = graph.add("Transpose", [last], [f"turned{number}"], perm=[1, 0, 2])
        shape = np.array([workload.batch, workload.width], np.int64)
        shape_name = graph.constant(f"shape{number}", shape)
        return graph.add("Reshape", [turned, shape_name], [f"last{number}"])
    if not workload.bidirectional:
        y = graph.add("Squeeze", [every, alone], [f"steps{number}"])
        if not final:
            return y
        return graph.add("Transpose", [y], [f"turned{number}"], perm=[1, 0, 2])
    order = [2, 0, 1, 3] if final else [0, 2, 1, 3]
    turned = graph.add("Transpose", [every], [f"turned{number}"], perm=order)
    rows = (workload.batch, workload.time) if final else (workload.time, workload.batch)
    shape = np.array([*rows, workload.width], np.int64)
    shape_name = graph.constant(f"shape{number}", shape)
    return graph.add("Reshape", [turned, shape_name], [f"steps{number}"])
