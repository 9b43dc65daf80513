"""Plans that run in the compiled kernel.

Every size and stride is checked here: the library does not check what it reads and
writes.  Options that the kernel lacks run in the plain recurrence.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.c.library import level as widest_level
from gru2np_runtime.kernels.c.threads import row_ranges, run_all
from gru2np_runtime.kernels.plain.recurrent import Recurrence
from gru2np_runtime.plan import Carry, small_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.kernels.c.library import Library
    from gru2np_runtime.layer import ActivationSpec, Array, Layer
    from gru2np_runtime.layers.recurrent import Recurrent
    from gru2np_runtime.plan import Plan, Small

# The enumerations of kernel.c.
GRU_AFTER, GRU_BEFORE, LSTM, SIMPLE_RNN, DENSE = range(5)
ACTIVATIONS = {
    "linear": 0,
    "tanh": 1,
    "sigmoid": 2,
    "hard_sigmoid": 3,
    "relu": 4,
    "softmax": 5,
}
SOFTMAX = ACTIVATIONS["softmax"]
# Output of a masked step; the index of the state is added to "state".
MASKED = {"previous": 0, "state": 1, "zero": 3, "zero_in_input_order": 0}
# What kernels are packed as, by the bytes of a number: the enumeration of kernel.c.
_STORAGES = {4: 0, 2: 1, 1: 2}
_DTYPES = {4: np.float32, 2: np.float16, 1: np.int8}
# The fields of struct weights in kernel.c.
_WEIGHTS = struct.Struct("3P")
# The fields of struct call in run.h.
_CALL = struct.Struct("7P10q")
# Only the newest type stubs declare that an array is a buffer.
_BYTE: Any = ctypes.c_char.from_buffer
# Weights start at a cache line; bytes.
_ALIGNMENT = 64


class Kernel:
    """A kernel with its bias, to be packed.

    Attributes:
        weights: (terms, columns), float32.
        bias: (columns,), float32; None for zeros.
        small: the same kernel as the bundle stores it, if that is small.
    """

    def __init__(
        self, weights: Array, bias: Array | None = None, small: Small | None = None
    ) -> None:
        self.weights = weights
        self.bias = bias
        self.small = small

    def stored(
        self, library: Library, level: int
    ) -> tuple[Array, Array | None, Array | None]:
        """Kernel, scales and bias as they are packed: small if the level can."""
        kernel, scales, bias = self.weights, None, self.bias
        if self.small is not None:
            array = self.small.array
            if library.gru2np_stores(level, _STORAGES[array.itemsize]):
                kernel, scales = array, self.small.scales
        # In the byte order of this machine.
        kernel = readable(kernel, _DTYPES[kernel.itemsize])
        return kernel, _floats(scales), _floats(bias)


class Packed:
    """A layer packed for the library: a struct layer, and weights in panels.

    Its vectors are those of ``level``, by default the widest of this machine.

    Attributes:
        address: of the struct.
        storage: the smallest dtype of its kernels as they are packed.
        width: units, padded to whole panels.
        products: multiplications for one row and one time step.
    """

    def __init__(
        self,
        library: Library,
        kind: int,
        activations: tuple[int, float, int, float],
        kernel: Kernel,
        recurrent: Kernel | None = None,
        level: int | None = None,
    ) -> None:
        if level is None:
            level = widest_level(library)
        features, columns = kernel.weights.shape
        gates = {GRU_AFTER: 3, GRU_BEFORE: 3, LSTM: 4}.get(kind, 1)
        units = columns // gates
        self.library = library
        self.features, self.units = features, units
        self._record = np.zeros(library.gru2np_record(), np.uint8)
        self.address = address_of(self._record)
        kernels = [kernel] if recurrent is None else [kernel, recurrent]
        stored = [k.stored(library, level) for k in kernels]
        sizes = [arrays[0].itemsize for arrays in stored]
        self.storage = _DTYPES[min(sizes)].__name__
        storages = [_STORAGES[size] for size in sizes]
        size = library.gru2np_describe(
            self.address,
            level,
            kind,
            *activations,
            features,
            units,
            storages[0],
            storages[-1],
        )
        if size < 0:
            raise ValueError(f"level {level} does not run on this machine")
        self._packed = _aligned(size)
        for rows, (array, scales, bias) in zip((features, units), stored):
            shapes = (rows, gates * units), (gates * units,), (gates * units,)
            for given, shape in zip((array, scales, bias), shapes):
                if given is not None and given.shape != shape:
                    raise ValueError(f"expected weights of {shape}, got {given.shape}")
        records = [
            _WEIGHTS.pack(*(0 if a is None else a.ctypes.data for a in arrays))
            for arrays in stored
        ]
        packed = address_of(self._packed)
        library.gru2np_pack(self.address, records[0], records[-1], packed)
        self.width = library.gru2np_width(self.address)
        self.products = sum(k.weights.size for k in kernels)


class CompiledRecurrence(Recurrence):
    """Runs a GRU, an LSTM or a SimpleRNN in the compiled kernel."""

    kernel = "c"

    def __init__(
        self, layer: Recurrent, weights: Mapping[str, Array], packed: Packed
    ) -> None:
        super().__init__(layer, weights)
        self.packed = packed
        self.masked = MASKED[layer.masked_output]
        if layer.masked_output == "state":
            self.masked += layer.masked_state

    def description(self) -> str:
        """In the compiled kernel, and how it keeps the weights if that is small."""
        storage = self.packed.storage
        return "c" if storage == "float32" else f"c, {storage} weights"

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """x: (batch, time, features); mask: (batch, time), True where valid."""
        layer, packed = self.layer, self.packed
        batch_axis = self.batch_axis
        batch, time = x.shape[batch_axis], x.shape[1 - batch_axis]
        units = packed.units
        state_shape = (batch, units)
        if (
            not batch
            or not time
            or x.dtype != np.float32
            or x.shape[2] != packed.features
            or any(state.shape != state_shape for state in carry.states)
            or (carry.previous is not None and carry.previous.shape != state_shape)
            or (mask is not None and mask.shape != x.shape[:2])
        ):
            # Nothing to run, or sizes for which the plain recurrence raises an error.
            return super().advance(x, mask, carry)
        if x.strides[2] != 4 or not x.flags.aligned:
            x = readable(x)
        library = packed.library
        size, count = batch * units, len(carry.states)
        ranges = row_ranges(batch, time * packed.products)
        rows_per_part = max(stop - first for first, stop in ranges)
        work = library.gru2np_workspace(packed.address, rows_per_part, time)
        # One block holds the states, the last output and the workspaces.
        used = (count + 1) * size
        block = np.empty(used + len(ranges) * work, np.float32)
        states_and_last = block[:used].reshape(count + 1, batch, units)
        for i in range(count):
            states_and_last[i] = carry.states[i]
        states_and_last[count] = 0.0 if carry.previous is None else carry.previous
        start = address_of(block)
        outputs = None
        y_address = y_row = y_time = mask_address = mask_row = mask_time = 0
        if layer.return_sequences:
            outputs = np.empty((*x.shape[:2], units), np.float32)
            y_address = address_of(outputs)
            y_row, y_time = outputs.strides[batch_axis], outputs.strides[1 - batch_axis]
        if mask is not None:
            mask = mask.astype(bool, copy=False)
            mask_address = address_of(mask)
            mask_row, mask_time = mask.strides[batch_axis], mask.strides[1 - batch_axis]
        x_address, x_row = address_of(x), x.strides[batch_axis]
        calls = []
        for i, (first, stop) in enumerate(ranges):
            state = start + 4 * first * units
            calls.append(
                [
                    _CALL.pack(
                        x_address + first * x_row,
                        mask_address + first * mask_row,
                        state,
                        state + 4 * (count - 1) * size,
                        state + 4 * count * size,
                        y_address + first * y_row,
                        start + 4 * (used + i * work),
                        stop - first,
                        time,
                        x_row // 4,
                        x.strides[1 - batch_axis] // 4,
                        mask_row,
                        mask_time,
                        y_row // 4,
                        y_time // 4,
                        layer.go_backwards,
                        self.masked,
                    )
                ]
            )
        run_all(
            lambda call: library.gru2np_run(packed.address, call),
            calls,
            (x, mask, block, outputs, packed),
        )
        # The copy frees the workspace.
        after = states_and_last.copy()
        states = [after[i] for i in range(count)]
        last = after[count]
        result = last.copy() if outputs is None else outputs
        zeroed = layer.masked_output == "zero_in_input_order"
        if zeroed and mask is not None and outputs is not None:
            # Keras pairs outputs in processing order with the mask in input order.
            outputs[~mask] = 0.0
        returned = [state.copy() for state in states] if layer.return_state else []
        return (result, *returned), Carry(states, last)


def address_of(array: Array) -> int:
    """Address of an array's data; usually four times as fast as ``ctypes.data``."""
    try:
        return ctypes.addressof(_BYTE(array))
    except (TypeError, ValueError, BufferError):
        # The array is read-only or not contiguous.
        address: int = array.__array_interface__["data"][0]
        return address


def readable(array: Array, dtype: Any = np.float32) -> Array:
    """The array in C order, each number at a multiple of its size: a copy if it is not.

    ``np.ascontiguousarray`` returns an array that is contiguous and not aligned.
    """
    return np.require(array, dtype, ("C", "A"))


def compiled(
    library: Library, layer: Layer, weights: Mapping[str, Array]
) -> Plan | None:
    """The compiled plan of a recurrent layer; None if the kernel lacks an option."""
    if layer.dtype != "float32":
        return None
    if any(array.dtype != np.float32 for array in weights.values()):
        return None
    packed = pack_recurrent(library, layer, weights)
    return None if packed is None else CompiledRecurrence(layer, weights, packed)  # type: ignore[arg-type]


def pack_recurrent(
    library: Library, layer: Any, weights: Mapping[str, Array], level: int | None = None
) -> Packed | None:
    """A recurrent layer packed; None if the kernel lacks one of its options."""
    activation = _activation(layer.activation)
    gate = _activation(getattr(layer, "recurrent_activation", "sigmoid"))
    if activation is None or gate is None or SOFTMAX in (activation[0], gate[0]):
        return None
    bias = weights.get("bias")
    recurrent_bias = None
    kind = {"lstm": LSTM, "simple_rnn": SIMPLE_RNN, "gru": GRU_BEFORE}[layer.op]
    if kind == GRU_BEFORE and layer.reset_after:
        kind = GRU_AFTER
        if bias is not None:
            bias, recurrent_bias = bias
    small = small_of(weights)
    kernel = Kernel(weights["kernel"], bias, small.get("kernel"))
    recurrent = Kernel(
        weights["recurrent_kernel"], recurrent_bias, small.get("recurrent_kernel")
    )
    return Packed(library, kind, (*activation, *gate), kernel, recurrent, level)


def pack_dense(
    library: Library, layer: Any, weights: Mapping[str, Array], level: int | None = None
) -> Packed | None:
    """A Dense layer packed; None if the kernel lacks its activation."""
    activation = _activation(layer.activation)
    if activation is None or any(w.dtype != np.float32 for w in weights.values()):
        return None
    small = small_of(weights).get("kernel")
    kernel = Kernel(weights["kernel"], weights.get("bias"), small)
    return Packed(library, DENSE, (*activation, 0, 0.0), kernel, level=level)


def _activation(specification: ActivationSpec) -> tuple[int, float] | None:
    """Number and slope of an activation; None if the kernel lacks it."""
    if isinstance(specification, str):
        number = ACTIVATIONS.get(specification)
        return None if number is None else (number, 0.0)
    known = set(specification) == {"function", "slope"}
    if known and specification["function"] == "hard_sigmoid":
        return ACTIVATIONS["hard_sigmoid"], specification["slope"]
    return None


def _floats(array: Array | None) -> Array | None:
    return None if array is None else readable(array)


def _aligned(size: int) -> Array:
    """An array of ``size`` bytes that starts at a cache line."""
    block = np.empty(size + _ALIGNMENT, np.uint8)
    start = -address_of(block) % _ALIGNMENT
    return block[start : start + size]
