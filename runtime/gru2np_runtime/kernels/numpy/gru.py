"""The loops of a GRU: gates z, r and the candidate, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.packed import Gate, Packed, Workspace, into, with_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array
    from gru2np_runtime.layers.cells import GRUCell


class PackedGRU(Packed):
    """Biases and the scale of the gates are inside the weights."""

    def __init__(self, layer: GRUCell, weights: Mapping[str, Array]) -> None:
        units = layer.units
        self.layer = layer
        self.gate = Gate(layer.recurrent_activation)
        # 1 / (1 + exp(-a)) divides twice where the other form multiplies and adds.
        self.exponential = layer.reset_after and self.gate.name == "sigmoid"
        scale = -1.0 if self.exponential else self.gate.scale
        input_bias = recurrent_bias = None
        if "bias" in weights:
            bias = np.atleast_2d(weights["bias"])
            input_bias = bias[0]
            recurrent_bias = bias[1] if layer.reset_after else None
        kernel = with_row(weights["kernel"], input_bias)
        recurrent = np.array(weights["recurrent_kernel"])
        if recurrent_bias is not None:
            recurrent = with_row(recurrent, recurrent_bias)
        for matrix in (kernel, recurrent):
            matrix[:, : 2 * units] *= scale
        kernel[-1, : 2 * units] += self.gate.offset
        super().__init__(kernel, recurrent, units)
        self.gates_kernel = self.candidate_kernel = recurrent
        if not layer.reset_after:
            self.gates_kernel = np.ascontiguousarray(recurrent[:, : 2 * units])
            self.candidate_kernel = np.ascontiguousarray(recurrent[:, 2 * units :])

    def workspace(self, time: int, batch: int) -> Workspace:
        """Buffers with the loop that fits."""
        if not self.layer.reset_after:
            return ResetBefore(self, time, batch)
        kind = ExponentialResetAfter if self.exponential else ResetAfter
        return kind(self, time, batch)


class GRUWorkspace(Workspace):
    """Buffers of every form of GRU."""

    packed: PackedGRU

    def __init__(self, packed: PackedGRU, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        units = packed.units
        self.total = self.empty(3 * units)
        self.zr = self.total[: 2 * units]
        self.z, self.r = self.zr[:units], self.zr[units:]
        self.m = self.total[2 * units :]
        self.difference = self.empty(units)
        self.gate = packed.gate.into(self.zr.shape, packed.dtype)
        self.activate = into(packed.layer.activation)
        self.rows = [
            (*product, x_zr, x_h, h, following)
            for product, x_zr, x_h, h, following in zip(
                self.products,
                self.projected[:, : 2 * units],
                self.projected[:, 2 * units :],
                self.h,
                self.h[1:],
            )
        ]


class ExponentialResetAfter(GRUWorkspace):
    """Sigmoid gates, a product before the reset: ten calls a step."""

    def __init__(self, packed: PackedGRU, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        self.one = self.full(2 * packed.units, 1.0)

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """``h' = hh + (h - hh) / (1 + e_z)``, ``e`` being exp of the negative sum."""
        add, divide, subtract = np.add, np.divide, np.subtract
        exp, activate = np.exp, self.activate
        total, zr, z, r, m = self.total, self.zr, self.z, self.r, self.m
        difference, one = self.difference, self.one
        for dot, operand, x_zr, x_h, h, following in rows:
            dot(operand, total)
            add(zr, x_zr, zr)
            exp(zr, zr)
            add(zr, one, zr)
            divide(m, r, m)
            add(m, x_h, m)
            activate(m, m)
            subtract(h, m, difference)
            divide(difference, z, difference)
            add(difference, m, following)


class ResetAfter(GRUWorkspace):
    """Any gates, a product before the reset."""

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """``h' = hh + z * (h - hh)``."""
        add, multiply, subtract = np.add, np.multiply, np.subtract
        gate, activate = self.gate, self.activate
        total, zr, z, r, m = self.total, self.zr, self.z, self.r, self.m
        difference = self.difference
        for dot, operand, x_zr, x_h, h, following in rows:
            dot(operand, total)
            add(zr, x_zr, zr)
            gate(zr, zr)
            multiply(r, m, m)
            add(m, x_h, m)
            activate(m, m)
            subtract(h, m, difference)
            multiply(difference, z, difference)
            add(difference, m, following)


class ResetBefore(GRUWorkspace):
    """Any gates, a product after the reset."""

    packed: PackedGRU

    def __init__(self, packed: PackedGRU, time: int, batch: int) -> None:
        super().__init__(packed, time, batch)
        gates, candidate = packed.gates_kernel, packed.candidate_kernel
        self.reset = self.difference
        self.second: tuple[Any, Array]
        if batch == 1:
            self.rows = [(h.dot, gates, *row[2:]) for h, row in zip(self.h, self.rows)]
            self.second = (self.reset.dot, candidate)
        else:
            dot = gates.T.dot
            self.rows = [(dot, *row[1:]) for row in self.rows]
            self.second = (candidate.T.dot, self.reset)

    def run(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """``hh = activation(x_h + (r * h) @ U_h)``."""
        add, multiply, subtract = np.add, np.multiply, np.subtract
        gate, activate = self.gate, self.activate
        zr, z, r, m = self.zr, self.z, self.r, self.m
        reset, difference = self.reset, self.difference
        second, second_operand = self.second
        for dot, operand, x_zr, x_h, h, following in rows:
            dot(operand, zr)
            add(zr, x_zr, zr)
            gate(zr, zr)
            multiply(r, h, reset)
            second(second_operand, m)
            add(m, x_h, m)
            activate(m, m)
            subtract(h, m, difference)
            multiply(difference, z, difference)
            add(difference, m, following)
