"""The base of every layer: attributes, weight shapes, output shapes, forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gru2np_runtime.attributes import Attributes, of_this_package

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gru2np_runtime.bind import Model

    Array = NDArray[Any]
    Shape = tuple[int | None, ...]
    Sizes = tuple[int, ...]
    ActivationSpec = str | Mapping[str, Any]
    FloatType = str

# How a layer treats the time axis of a sequence; see ``Layer.over_time``.
POINTWISE = "pointwise"
CARRIED = "carried"
LAST = "last"
ACROSS = "across"

# What a layer of this package states, in its class or in a base of it here; nothing
# holds for all.
STATED = ("multiply_adds", "over_time", "rows_apart")
# What a class of the user's own takes from no layer of this package that it builds on,
# for its ``forward`` may be another.
NOT_INHERITED = (
    *("compared", "knows", "multiply_adds", "origin", "reads_shape_alone"),
    *("refuses_others", "renumbers", "rows_apart", "turns", "usual"),
)

# Why a weight is always stored in full: see ``Layer.storage_axes``.
FEW = "few numbers beside the kernels, so that nothing is gained"
PER_ELEMENT = "each number is for one element, so that no two could share a scale"
HEADS = "a kernel of several heads, where nobody has measured what rounding costs"


class Layer(Attributes):
    """What a layer means, apart from its weights.

    A subclass declares its attributes as annotated class attributes, with or without
    a default; they are keyword-only, immutable, and exactly what a manifest holds.
    It overrides ``weight_shapes``, ``output_shapes`` and ``forward``.

    Args:
        layers: child layers by name, for layers made of layers.
        attributes: one value for each declared attribute without a default.

    Raises:
        TypeError: an attribute is unknown, missing or of the wrong type; the message
            names it.
        ValueError: an attribute's value is not legal.
    """

    # Boolean and integer inputs stay what they are where a layer only moves data.
    keeps_dtype: ClassVar[bool] = False
    # The same of a layer that computes in them, as Keras does.
    keeps_whole: ClassVar[bool] = False
    # Floating inputs are cast to the layer's dtype, as Keras does for all layers.
    casts_floats: ClassVar[bool] = True
    # The dtype of the output where it is neither of these: masks are bool.
    gives_dtype: ClassVar[str | None] = None
    # Merges take several inputs, recurrent layers their initial states.
    takes_several: ClassVar[bool] = False
    # The first input is (batch, time, ...) by this layer's own definition.
    is_sequence: ClassVar[bool] = False
    # Every row of a batch is computed apart from the others, so that a large input can
    # run some rows at a time; stated by every layer of this package.
    rows_apart: ClassVar[bool] = False
    # The attribute that inputs are compared with, in their own precision.
    compared: ClassVar[str] = ""
    # The output hangs on the shape of the input, and on none of its numbers.
    reads_shape_alone: ClassVar[bool] = False
    # Of each of its own weights, where bundles are stored small: the axis that each
    # number of an output has an index of (a column of a kernel makes one number, and
    # rounding in it troubles no other; a row of a table is one vector, and rare ones
    # are short), or the reason why it stays as it is.  Stated by every layer of this
    # package that has weights.
    storage_axes: ClassVar[Mapping[str, int | str]] = {}
    # The attribute that says how many ids its input may hold; empty where its input
    # is no ids.
    ids: ClassVar[str] = ""
    # What it gives tells nothing of the numbers it was given: places in a vocabulary,
    # whether a number is larger than another.  ``origin`` may lead back.
    renumbers: ClassVar[bool] = False
    # Numbers of its input that are none of ``knows`` are an error.
    refuses_others: ClassVar[bool] = False
    # Of a user's own layer: its output keeps the mask of its input.
    supports_masking: ClassVar[bool] = False
    # Of a user's own layer: ``forward`` is given the mask of its input.
    uses_mask: ClassVar[bool] = False
    # Of a user's own layer: weights that Keras does not train, and saves last.
    non_trainable: ClassVar[tuple[str, ...]] = ()
    # The number type that the layer computes in, ``float32`` or ``float64``.
    dtype: FloatType = "float32"

    if TYPE_CHECKING:
        # Child layers by name; none in most layers.
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
        """Attributes of a user's own layer from the options of its Keras class.

        As they are; override it where names or values differ.  Options that concern
        training (initializers, regularizers, ...) are not among them.
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
            ValueError: the inputs do not fit the layer, or are too many.
        """
        if len(shapes) > 1 and not self.takes_several:
            raise ValueError(f"expected one input, got {len(shapes)}")
        return self.weight_shapes(*shapes), self.output_shapes(*shapes)

    def result_dtype(self) -> str | None:
        """The dtype of the outputs; None where it is that of the first input."""
        if self.gives_dtype is not None or self.keeps_dtype:
            return self.gives_dtype
        return self.dtype

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of the outputs for inputs of these dtypes.

        Raises:
            ValueError: the layer does not take such inputs.
        """
        result = self.result_dtype()
        whole = not dtypes[0].startswith("float")
        if result is not None and not (whole and self.keeps_whole):
            return result
        cast = self.casts_floats and dtypes[0].startswith("float")
        return self.dtype if cast else dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array | tuple[Array, ...]:
        """Compute the outputs; ``mask`` is given only where the graph names one."""
        raise NotImplementedError(f"{self.op} has no forward pass")

    def over_time(self, *shapes: Shape) -> str:
        """How the layer treats axis 1 of an input that carries time steps there.

        Returns:
            ``POINTWISE``: every time step alone; ``CARRIED``: in order, with a state;
            ``LAST``: the last time step only, and the output has no time axis to step
            along; ``ACROSS``: all time steps at once, so it cannot run step by step.
            Stated by every layer of this package.
        """
        return ACROSS

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Multiply-adds of one call; stated by every layer of this package.

        Counted are the products of numbers with weights, and of tensors with each
        other (matrix products, convolutions, attention), each a multiplication and an
        addition.  Not counted is what goes number by number: biases, activations,
        normalization, merging, pooling.

        Args:
            inputs: shapes of the inputs, every size known.
            outputs: shapes of the outputs.
        """
        return 0

    def turns(self) -> tuple[float, ...]:
        """Numbers of its input on whose two sides it computes differently.

        Bounds of bins, thresholds, caps; none of most layers.  Whoever looks for faults
        has to look there.
        """
        return ()

    def knows(self) -> tuple[float, ...]:
        """Numbers of its input that are like no other: a vocabulary, a mask value."""
        return (getattr(self, self.compared),) if self.compared else ()

    def usual(
        self, weights: Mapping[str, Array], rank: int
    ) -> tuple[Array, Array] | None:
        """Centre and width of the numbers that an input of so many axes is made for.

        Both broadcast to the input.  None where nothing tells.
        """
        return None

    def origin(self, number: float) -> float | None:
        """A number of its input for which it gives this one, if it ``renumbers``."""
        return None

    def state_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """Shapes of the hidden states, (batch, ...), for a first input of this shape.

        None of a layer that carries no hidden state from time step to time step.
        """
        return ()

    def bind(self, **weights: Array) -> Model:
        """Give the layer its weights: a model of this one layer.

        Args:
            weights: arrays by weight name, in Keras' layout.

        Returns:
            A model that takes (batch, time, features), with ``step`` and all else.

        Raises:
            InputError: a weight is missing, unknown, or its shape does not fit.
        """
        # The one import of what stands above: a bound layer is a model.
        from gru2np_runtime.bind import bind

        return bind(self, weights)


def _is_stated(cls: type[Layer], fact: str) -> bool:
    """Whether the first class that says it is one of this package, below ``Layer``."""
    owner = next(base for base in cls.__mro__ if fact in base.__dict__)
    return owner is not Layer and of_this_package(owner)


def sized(shape: Shape, size: int = 1) -> Sizes:
    """A shape, sizes that are free set."""
    return tuple(size if n is None else n for n in shape)


def across(layer: Layer, *shapes: Shape) -> str:
    """All time steps at once; to be stated as a layer's ``over_time``."""
    return ACROSS


def stored(**axes: int | str) -> Mapping[str, int | str]:
    """Weights by name, each with its axis or its reason: see ``Layer.storage_axes``."""
    return axes


def no_products(layer: Layer, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
    """None: it goes number by number; to be stated as ``multiply_adds``."""
    return 0


class Elementwise(Layer):
    """A layer that treats every element alone; shapes and time pass through."""

    rows_apart = True
    multiply_adds = no_products

    def over_time(self, *shapes: Shape) -> str:
        """Time passes through."""
        return POINTWISE
