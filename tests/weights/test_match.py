"""Weights of a SavedModel or a checkpoint, matched by the attributes that own them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from attribute_models import (
    INPUT,
    ONE,
    SIZE,
    TWO,
    arrays,
    assert_dense,
    numbers,
    sequential,
    weights,
)
from checkpoint_writer import (
    Draft,
    Node,
)
from gru2np.errors import ModelFileError
from gru2np_runtime import Layer

if TYPE_CHECKING:
    from pathlib import Path


def test_a_sequential_may_leave_its_input_out(tmp_path: Path) -> None:
    found = weights(tmp_path, TWO, Draft(arrays("layer-0", "layer-1")))
    assert_dense(found["a"], 0)
    assert_dense(found["b"], 1)


def test_a_sequential_may_count_its_input(tmp_path: Path) -> None:
    draft = Draft({"layer-0": None, **arrays("layer-1", "layer-2")})
    found = weights(tmp_path, TWO, draft)
    assert_dense(found["a"], 0)
    assert_dense(found["b"], 1)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("layer-0", "layer-2"), "nothing in the architecture owns the array layer-2/"),
        (("layer-1", "layer-2"), "expected the array of a/kernel, got none"),
        (("layer-0",), "expected 2 layers, got 1"),
        (("layer-0", "layer-1", "layer-2"), "nothing in the architecture owns the arr"),
        (("layer-0", "layer-1", "layer-2", "layer-3"), "expected 3 layers, got 4"),
        (("layer-0", "layer-1", "layer-1/cell"), "owns the array layer-1/cell/kernel"),
        (("layer-0", "layer-01"), "got 1"),
    ],
)
def test_other_layers_are_refused(
    paths: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=message):
        weights(tmp_path, TWO, Draft(arrays(*paths)))


def named(*layers: str) -> Any:
    """An edit that names the variables of both layers in Keras."""

    def edit(nodes: list[Node]) -> None:
        for node in nodes:
            path, _, name = node.key.removesuffix(_VALUE).rpartition("/")
            if path:
                node.variable = f"{layers[int(path[-1])]}/{name}"

    return edit


_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def test_layers_of_other_names_are_matched_as_in_keras(tmp_path: Path) -> None:
    draft = Draft(arrays("layer-0", "layer-1"), nodes=named("dense_7", "dense_8"))
    found = weights(tmp_path, TWO, draft)
    assert_dense(found["b"], 1)


def test_layers_in_another_order_are_refused(tmp_path: Path) -> None:
    draft = Draft(arrays("layer-0", "layer-1"), nodes=named("b", "a"))
    with pytest.raises(ModelFileError, match="expected an array of layer 'a', got b/k"):
        weights(tmp_path, TWO, draft)


def hung(name: str, *children: str, parent: int = 0) -> Any:
    """An edit that hangs objects below one another, the last a variable."""

    def edit(nodes: list[Node]) -> None:
        owner = nodes[parent]
        for own in (name, *children):
            owner.children.append((own, len(nodes)))
            owner = Node()
            nodes.append(owner)
        owner.key = KEY

    return edit


KEY = "beside" + _VALUE


BESIDE = {"beside": numbers(2)}


@pytest.mark.parametrize(
    "path",
    [
        ("optimizer", "iter"),
        ("loss", "weight"),
        ("metrics", "0", "total"),
        ("save_counter",),
        ("keras_api", "metrics", "0", "total"),
    ],
)
def test_what_a_model_owns_besides_its_layers_is_ignored(
    path: tuple[str, ...], tmp_path: Path
) -> None:
    draft = Draft({**arrays("layer-0"), **BESIDE}, nodes=aside(hung(*path)))
    assert_dense(weights(tmp_path, ONE, draft)["a"])


def aside(edit: Any) -> Any:
    """An edit after which the array ``beside`` hangs nowhere else."""

    def both(nodes: list[Node]) -> None:
        children = dict(nodes[0].children)
        nodes[children.pop("beside")].key = ""
        nodes[0].children = list(children.items())
        edit(nodes)

    return both


@pytest.mark.parametrize(
    "name",
    ["layers", "loss", "metrics", "optimizer", "save_counter", "states", "variables"],
)
def test_no_attribute_of_a_layer_is_passed_over(name: str, tmp_path: Path) -> None:
    edit = aside(hung(name, "0", parent=1))
    draft = Draft({**arrays("layer-0"), **BESIDE}, nodes=edit)
    with pytest.raises(ModelFileError, match="owns the array beside"):
        weights(tmp_path, ONE, draft)


def test_cycles_and_depth_are_walked(tmp_path: Path) -> None:
    def edit(nodes: list[Node]) -> None:
        last = 1
        for _ in range(20_000):
            nodes[last].children += [("next", len(nodes)), ("root", 0)]
            last = len(nodes)
            nodes.append(Node([("self", last), ("kernel/with/slashes", 2)]))

    assert_dense(weights(tmp_path, ONE, Draft(arrays("layer-0"), nodes=edit))["a"])


class Tower(Layer):
    """Layers of the author's own class, called as such a class may call them."""

    supports_masking = True

    def weight_shapes(self, *shapes: Any) -> dict[str, Any]:
        """Two of its own, and those of a layer in a list."""
        size = shapes[0][-1]
        return {
            "loss": (size, size),
            "states": (size,),
            "layers/0/kernel": (size, size),
        }

    def output_shapes(self, *shapes: Any) -> tuple[Any, ...]:
        """Those of the input."""
        return shapes

    def forward(self, weights: Any, *inputs: Any, mask: Any = None) -> Any:
        """x: (batch, features)."""
        x = inputs[0] @ weights["loss"] + weights["states"]
        return x @ weights["layers/0/kernel"]


def test_a_custom_layer_may_use_any_names_for_its_weights(
    tmp_path: Path,
) -> None:
    tower = {"class_name": "Tower", "config": {"name": "t", "dtype": "float32"}}
    own = {
        "layer-0/loss": numbers(SIZE, SIZE, seed=1),
        "layer-0/states": numbers(SIZE, seed=2),
        "layer-0/layers/0/kernel": numbers(SIZE, SIZE, seed=3),
    }
    classes = {"Tower": Tower}
    found = weights(
        tmp_path, sequential(INPUT, tower), Draft(own), custom_objects=classes
    )["t"]
    for path, array in own.items():
        np.testing.assert_array_equal(found[path.removeprefix("layer-0/")], array)


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_shapes_of_another_architecture(shape: tuple[int, ...], tmp_path: Path) -> None:
    own = {**arrays("layer-0"), "layer-0/bias": np.zeros(shape, "float32")}
    with pytest.raises(ModelFileError, match=r"a/bias: expected shape \(3,\), got"):
        weights(tmp_path, ONE, Draft(own))


def test_a_scalar_weight_of_a_custom_layer(tmp_path: Path) -> None:
    class Scaled(Layer):
        """One number."""

        def weight_shapes(self, *shapes: Any) -> dict[str, Any]:
            """No axes."""
            return {"scale": ()}

        def output_shapes(self, *shapes: Any) -> tuple[Any, ...]:
            """Those of the input."""
            return shapes

        def forward(self, weights: Any, *inputs: Any, mask: Any = None) -> Any:
            """x: any shape."""
            return inputs[0] * weights["scale"]

    scaled = {"class_name": "Scaled", "config": {"name": "s", "dtype": "float32"}}
    found = weights(
        tmp_path,
        sequential(INPUT, scaled),
        Draft({"layer-0/scale": np.float32(1.5)}),
        custom_objects={"Scaled": Scaled},
    )
    assert found["s"]["scale"] == 1.5
