"""Strategies of single layers: random legal options, as plain dicts."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

ACTIVATIONS = [
    *("tanh", "sigmoid", "hard_sigmoid", "relu", "linear", "softplus", "softsign"),
    *("elu", "selu", "softmax", "swish", "gelu"),
]
# Gates that grow with their state leave no digits to compare.
GATES = ["sigmoid", "tanh", "hard_sigmoid", "softsign", "softmax"]
# No dimension is told from another where all are equal, so they differ.
UNITS = st.sampled_from([2, 1, 3, 4])
SMALL = st.sampled_from([3, 2, 1])


@dataclass(frozen=True)
class Context:
    """What holds for a whole model.

    Attributes:
        keras: the package that builds it.
        time: the declared length of its sequences; None leaves it open.
        stateful: whether its recurrent layers may keep their states.
        mask_value: the number that fills masked steps.
        depth: of models around the one at hand.
    """

    keras: str
    time: int | None
    stateful: bool
    mask_value: float
    depth: int = 0

    @property
    def keras_3(self):
        return self.keras == "keras"


@dataclass(frozen=True)
class Tensor:
    """A tensor of a model that is being drawn.

    Attributes:
        kind: vector, sequence, ids, mask, or sequences (of sequences).
        features: size of its last axis.
    """

    kind: str
    features: int


def flags(draw, spec, *names):
    """Options that are true or left out, so that a description stays short."""
    for name in names:
        if draw(st.booleans()):
            spec[name] = True
    return spec


def rarely(draw):
    """True about once in five; simplest is False."""
    return draw(st.sampled_from([False, False, False, False, True]))


def gates(draw, spec, kind, context):
    """Options of the equations, of a layer or of a cell."""
    if draw(st.booleans()):
        spec["activation"] = draw(st.sampled_from(ACTIVATIONS))
    if not kind.startswith("SimpleRNN") and draw(st.booleans()):
        spec["recurrent_activation"] = draw(st.sampled_from(GATES))
    if kind.startswith("GRU") and draw(st.booleans()):
        spec["reset_after"] = False
    if rarely(draw):
        spec["use_bias"] = False
    if rarely(draw):
        spec["dropout"] = 0.25
    if not context.keras_3 and not kind.startswith("SimpleRNN"):
        # Its other way traces several graphs for each layer; it is drawn rarely.
        spec["implementation"] = 2 if rarely(draw) else 1
    return spec


def cell(draw, context, units=None):
    """A cell and the size of its output."""
    kind = draw(st.sampled_from(["GRUCell", "LSTMCell", "SimpleRNNCell"]))
    units = units or draw(UNITS)
    return gates(draw, {"class": kind, "units": units}, kind, context), units


def cells(draw, context, units=None):
    """One cell, or a stack of them; its output's size and the sizes of its states."""
    # Keras 3 itself fails on a stack of one cell that has one state.
    many = draw(st.sampled_from([0, 2, 3] + [1] * (not context.keras_3)))
    if not many:
        one, size = cell(draw, context, units)
        return one, size, states_of(one)
    stack = [cell(draw, context)[0] for _ in range(many - 1)]
    last, size = cell(draw, context, units)
    stack.append(last)
    sizes = [own for one in stack for own in states_of(one)]
    if draw(st.booleans()):
        return {"class": "StackedRNNCells", "cells": stack}, size, sizes
    return stack, size, sizes


def states_of(spec):
    """Sizes of the states of a layer or cell that has ``units``."""
    return [spec["units"]] * (2 if spec["class"].startswith("LSTM") else 1)


def recurrent(draw, context, *, units=None, fixed=None, several=True):
    """A recurrent layer; its output's size and the sizes of its states.

    ``fixed``: options that something around it prescribes.
    """
    fixed = fixed or {}
    kind = draw(st.sampled_from(["GRU", "LSTM", "SimpleRNN", "RNN"]))
    if kind == "RNN":
        inside, units, sizes = cells(draw, context, units)
        spec = {"class": "RNN", "cell": inside}
    else:
        units = units or draw(UNITS)
        spec = gates(draw, {"class": kind, "units": units}, kind, context)
        sizes = states_of(spec)
    flags(draw, spec, "return_sequences", "zero_output_for_mask")
    if several and rarely(draw):
        spec["return_state"] = True
    if rarely(draw):
        spec["go_backwards"] = True
    if context.time and rarely(draw):
        spec["unroll"] = True
    if context.stateful:
        flags(draw, spec, "stateful")
    for name, value in fixed.items():
        spec.pop(name, None)
        if value:
            spec[name] = value
    return spec, units, sizes


def bidirectional(draw, context, *, fixed=None, several=True):
    """Bidirectional; sizes of its outputs, and of its states forward and back."""
    inside, units, sizes = recurrent(draw, context, fixed=fixed, several=several)
    spec = {"class": "Bidirectional", "layer": inside}
    merges = ["concat", "sum", "mul", "ave"] + [None] * several
    merge = draw(st.sampled_from(merges))
    if merge != "concat":
        spec["merge_mode"] = merge
    back, back_sizes = units, sizes
    # A layer that runs backwards cannot be turned by Keras itself.
    if inside.get("go_backwards") or draw(st.booleans()):
        shared = ("return_sequences", "return_state", "stateful")
        prescribed = {name: inside.get(name, False) for name in shared}
        prescribed["go_backwards"] = not inside.get("go_backwards", False)
        own, back, back_sizes = recurrent(
            draw,
            context,
            units=None if merge in ("concat", None) else units,
            fixed={**(fixed or {}), **prescribed},
        )
        spec["backward_layer"] = own
    outputs = [units, back] if merge is None else [units]
    if merge == "concat":
        outputs = [units + back]
    return spec, outputs, [*sizes, *back_sizes]


def dense(draw, context, features, kind):
    spec = {"class": "Dense", "units": draw(UNITS)}
    if draw(st.booleans()):
        spec["activation"] = draw(st.sampled_from(ACTIVATIONS))
    if rarely(draw):
        spec["use_bias"] = False
    return spec, spec["units"]


def same(class_name, **options):
    """A layer whose output has the features of its input."""

    def strategy(draw, context, features, kind):
        drawn = {name: draw(st.sampled_from(of)) for name, of in options.items()}
        return {"class": class_name, **drawn}, features

    return strategy


def shared_slopes(draw, context, features, kind):
    spec = {"class": "PReLU"}
    if kind != "vector":
        # Slopes of their own for every step need a fixed length.
        spec["shared_axes"] = [1]
    return spec, features


def each_step(draw, context, features, kind):
    if kind == "vector":
        return dense(draw, context, features, kind)
    inside, features = pointwise(draw, context, features, "vector")
    return {"class": "TimeDistributed", "layer": inside}, features


PER_STEP = {
    "dense": dense,
    "each step": each_step,
    "dropout": same("Dropout", rate=[0.25]),
    "noise": same("GaussianNoise", stddev=[0.25]),
    "activation": same("Activation", activation=ACTIVATIONS),
    "leaky": same("LeakyReLU"),
    "elu": same("ELU", alpha=[0.5, 1.0]),
    "slopes": shared_slopes,
    "relu": same("ReLU", max_value=[None, 1.5], negative_slope=[0.0, 0.25]),
    "softmax": same("Softmax"),
    "batch": same("BatchNormalization", center=[True, False], scale=[True, False]),
    "layer": same("LayerNormalization", center=[True, False], scale=[True, False]),
    "unit": same("UnitNormalization"),
    "regularization": same("ActivityRegularization", l1=[0.25]),
    "rescaling": same("Rescaling", scale=[0.5], offset=[0.0, 1.0]),
}


def pointwise(draw, context, features, kind):
    """A layer for every step alone, and the features that it gives."""
    name = draw(st.sampled_from(sorted(PER_STEP)))
    return PER_STEP[name](draw, context, features, kind)
