"""The base of every layer: attributes, weight shapes, output shapes, forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gru2np_runtime.attributes import Attributes, of_this_package
from gru2np_runtime.custom import raising
from gru2np_runtime.errors import CustomObjectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from gru2np_runtime.bind import Model

    Array = NDArray[Any]
    Shape = tuple[int | None, ...]
    Sizes = tuple[int, ...]
    ActivationSpec = str | Mapping[str, Any]
    FloatType = str

# How a layer treats the time axis of a sequence; see ``Layer.over_time``.
PER_STEP = "pointwise"
CARRIED = "carried"
LAST = "last"
ACROSS = "across"

# Facts that every layer class of this package must state, itself or in a base class
# below ``Layer``: no default is right for all layers.
STATED = ("multiply_adds", "over_time", "independent_rows")
# Facts that a custom layer does not inherit from a layer of this package, because its
# ``forward`` may compute something else.
NOT_INHERITED = (
    *("breakpoints", "compares_with", "discrete_output", "independent_rows"),
    *("multiply_adds", "only_special_values", "preimage", "reads_shape_alone"),
    *("special_values", "typical_input"),
)

# Reasons for storing a weight in full precision: see ``Layer.storage_axes``.
FEW = "small beside the kernels, so rounding it saves nothing"
PER_ELEMENT = "each number belongs to one element, so no two can share a scale"
HEADS = "a kernel of several heads: the cost of rounding it was never measured"


class Layer(Attributes):
    """A layer without its weights: attributes, shapes, dtypes and the forward pass.

    A subclass declares its attributes as annotated class attributes, with or without
    a default; they are keyword-only, immutable, and exactly what a manifest holds.
    It overrides ``weight_shapes``, ``output_shapes`` and ``forward``.

    Args:
        layers: child layers by name.
        attributes: one value for each declared attribute without a default.

    Raises:
        TypeError: an attribute is unknown, missing or of the wrong type; the message
            names it.
        ValueError: an attribute's value is not legal.
    """

    # Boolean and integer inputs keep their dtype: the layer only moves data.
    keeps_dtype: ClassVar[bool] = False
    # Integer inputs keep their dtype: the layer computes in integers, as Keras does.
    keeps_integers: ClassVar[bool] = False
    # Floating-point inputs are cast to the layer's dtype, as Keras does for all layers.
    casts_floats: ClassVar[bool] = True
    # The dtype of the output where neither of these decides it: masks are bool.
    gives_dtype: ClassVar[str | None] = None
    # The layer accepts several inputs: merges, recurrent layers with initial states.
    takes_several: ClassVar[bool] = False
    # The first input is (batch, time, ...) by the layer's definition.
    is_sequence: ClassVar[bool] = False
    # Rows of a batch do not depend on each other, so that a large input can run in
    # batches; stated by every layer of this package.
    independent_rows: ClassVar[bool] = False
    # The attribute that inputs are compared with, in the precision of the input.
    compares_with: ClassVar[str] = ""
    # The output depends on the shape of the input alone, not on its numbers.
    reads_shape_alone: ClassVar[bool] = False
    # For weights stored as float16 or int8, by name: the axis of the scales, or the
    # reason for storing the weight in full.  The axis is the one that an output number
    # has an index for: rounding in a column of a kernel changes one output only, and a
    # row of an embedding table is one vector, with a small norm for rare ids.  Stated
    # by every layer of this package that has weights.
    storage_axes: ClassVar[Mapping[str, int | str]] = {}
    # The attribute with the number of ids that the input may hold; empty where the
    # input does not hold ids.
    ids: ClassVar[str] = ""
    # Output numbers are labels, not quantities: indices in a vocabulary, results of
    # comparisons.  ``preimage`` may give an input number for an output number.
    discrete_output: ClassVar[bool] = False
    # Input numbers that are not in ``special_values()`` are an error.
    only_special_values: ClassVar[bool] = False
    # Custom layers: the output keeps the mask of the input.
    supports_masking: ClassVar[bool] = False
    # Custom layers: ``forward`` receives the mask of the input.
    uses_mask: ClassVar[bool] = False
    # Custom layers: weights that Keras does not train, which it saves last.
    non_trainable: ClassVar[tuple[str, ...]] = ()
    # The dtype that the layer computes in, ``float32`` or ``float64``.
    dtype: FloatType = "float32"

    if TYPE_CHECKING:
        # Child layers by name; most layers have none.
        layers: Mapping[str, Layer] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not of_this_package(cls):
            for fact in NOT_INHERITED:
                if _is_stated(cls, fact):
                    setattr(cls, fact, getattr(Layer, fact))
        elif "op" in cls.__dict__:
            weights = ("storage_axes",) * _is_stated(cls, "weight_shapes")
            for fact in (*STATED, *weights):
                if not _is_stated(cls, fact):
                    raise TypeError(f"{cls.__name__} does not state its {fact}")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Attributes of a custom layer from the options of its Keras class.

        Unchanged by default; override it where names or values differ.  Options that
        concern training (initializers, regularizers, ...) are left out before.
        """
        return options

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """Weight names and shapes, in Keras' order, for inputs of these shapes.

        Raises:
            ValueError: the inputs do not fit the layer.
        """
        return {}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Shapes of the outputs, batch axis included, for inputs of these shapes.

        Raises:
            ValueError: the inputs do not fit the layer.
        """
        return (shapes[0],)

    def infer(self, *shapes: Shape) -> tuple[dict[str, Shape], tuple[Shape, ...]]:
        """Shapes of the weights and of the outputs.

        Raises:
            ValueError: the inputs do not fit the layer, or there are too many.
            CustomObjectError: a custom class fails, or returns no shapes.
        """
        if len(shapes) > 1 and not self.takes_several:
            raise ValueError(f"expected one input, got {len(shapes)}")
        if not has_custom(self):
            return self.weight_shapes(*shapes), self.output_shapes(*shapes)
        with raising(f"the shapes of {self.op}", passing=ValueError):
            return (
                _checked_weights(self.op, self.weight_shapes(*shapes)),
                _checked_shapes(
                    f"{self.op}.output_shapes", self.output_shapes(*shapes)
                ),
            )

    def result_dtype(self) -> str | None:
        """The dtype of the outputs; None: the dtype of the first input."""
        if self.gives_dtype is not None or self.keeps_dtype:
            return self.gives_dtype
        return self.dtype

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of the outputs for inputs of these dtypes.

        Raises:
            ValueError: the layer does not support such inputs.
        """
        result = self.result_dtype()
        integer = not dtypes[0].startswith("float")
        if result is not None and not (integer and self.keeps_integers):
            return result
        cast = self.casts_floats and dtypes[0].startswith("float")
        return self.dtype if cast else dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array | tuple[Array, ...]:
        """Compute the outputs; ``mask`` is None unless the graph names one."""
        raise NotImplementedError(f"{self.op} has no forward pass")

    def over_time(self, *shapes: Shape) -> str:
        """How the layer treats axis 1 of an input whose axis 1 is the time axis.

        Stated by every layer of this package.

        Returns:
            ``PER_STEP``: per step, time steps do not depend on each other;
            ``CARRIED``: in order, with a state carried from step to step;
            ``LAST``: only the last time step is used, and the output has no time axis;
            ``ACROSS``: all time steps at once, so it cannot run step by step.
        """
        return ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Multiply-adds of one call; stated by every layer of this package.

        Counts the multiplications, each with its addition, of matrix products,
        convolutions and attention.  Element-by-element work is not counted: biases,
        activations, normalization, merging, pooling.

        Args:
            inputs: shapes of the inputs, every size known.
            outputs: shapes of the outputs.
        """
        return 0

    def breakpoints(self) -> tuple[float, ...]:
        """Breakpoints: input numbers where the layer changes its formula.

        Bounds of bins, thresholds, caps; empty for most layers.  Test inputs must lie
        on both sides of each.
        """
        return ()

    def special_values(self) -> tuple[float, ...]:
        """Input numbers with a meaning of their own: a vocabulary, a mask value."""
        return (getattr(self, self.compares_with),) if self.compares_with else ()

    def typical_input(
        self, weights: Mapping[str, Array], rank: int
    ) -> tuple[Array, Array] | None:
        """Mean and deviation of the numbers that an input of this rank should hold.

        Both broadcast to the input.  None where the layer states nothing about it.
        """
        return None

    def preimage(self, number: float) -> float | None:
        """An input number whose output is this one; see ``discrete_output``."""
        return None

    def state_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """Shapes of the hidden states, (batch, ...), for a first input of this shape.

        Empty for layers without a hidden state.
        """
        return ()

    def bind(self, *unnamed: object, **weights: ArrayLike) -> Model:
        """Give the layer its weights: a model of this one layer.

        Args:
            weights: arrays by weight name, in Keras' layout.

        Returns:
            A model with an input (batch, time, features), which has ``step`` too.

        Raises:
            InputError: a weight is missing, unknown, or its shape does not fit.
            TypeError: a weight is given without its name.
        """
        if unnamed:
            names = self.weight_shapes((None, None, None))
            raise TypeError(
                f"{self.op}: expected weights by name, got {len(unnamed)} without one: "
                f"bind({', '.join(f'{name}=...' for name in names)})"
            )
        # The one import against the order of modules: a bound layer is a model.
        from gru2np_runtime.bind import bind

        return bind(self, weights)


def _is_stated(cls: type[Layer], fact: str) -> bool:
    """Whether the class has the fact from a class of this package below ``Layer``."""
    owner = next(base for base in cls.__mro__ if fact in base.__dict__)
    return owner is not Layer and of_this_package(owner)


def is_custom(layer: Layer) -> bool:
    """Whether its class is the user's own."""
    return not of_this_package(type(layer))


def has_custom(layer: Layer) -> bool:
    """Whether its class, or that of a layer inside it, is the user's own."""
    return is_custom(layer) or any(map(has_custom, layer.layers.values()))


def _checked_weights(op: str, shapes: object) -> dict[str, Shape]:
    """What a custom class returned as shapes of its weights."""
    if not isinstance(shapes, dict) or not all(isinstance(key, str) for key in shapes):
        raise CustomObjectError(
            f"{op}.weight_shapes: expected a dict of shapes by name, got {shapes!r}"
        )
    for key, shape in shapes.items():
        if not _is_shape(shape):
            raise CustomObjectError(
                f"{op}.weight_shapes: expected a tuple of sizes for {key!r}, got "
                f"{shape!r}"
            )
    return {key: tuple(shape) for key, shape in shapes.items()}


def _checked_shapes(what: str, shapes: object) -> tuple[Shape, ...]:
    """What a custom class returned as shapes of its outputs."""
    if isinstance(shapes, (tuple, list)) and shapes and all(map(_is_shape, shapes)):
        return tuple(map(tuple, shapes))
    raise CustomObjectError(
        f"{what}: expected a tuple with the shape of each output, with None for open "
        f"sizes, got {shapes!r}"
    )


def _is_shape(shape: object) -> bool:
    return isinstance(shape, (tuple, list)) and all(map(_is_size, shape))


def _is_size(size: object) -> bool:
    return size is None or (
        isinstance(size, int) and not isinstance(size, bool) and size >= 0
    )


def sized(shape: Shape, size: int = 1) -> Sizes:
    """The shape with ``size`` for every size that is None."""
    return tuple(size if n is None else n for n in shape)


def across(layer: Layer, *shapes: Shape) -> str:
    """An ``over_time`` for layers that need all time steps at once."""
    return ACROSS


def stored(**axes: int | str) -> Mapping[str, int | str]:
    """A value for ``Layer.storage_axes``: an axis or a reason by weight name."""
    return axes


def no_products(layer: Layer, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
    """A ``multiply_adds`` for layers that compute element by element."""
    return 0


class Elementwise(Layer):
    """A layer that computes element by element and keeps the shape."""

    independent_rows = True
    multiply_adds = no_products

    def over_time(self, *shapes: Shape) -> str:
        """Per step."""
        return PER_STEP
