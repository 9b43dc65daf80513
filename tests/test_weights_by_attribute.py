"""Weights of SavedModels and checkpoints: whose attribute is which weight."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

import gru2np
from checkpoint_writer import (
    Draft,
    Node,
    block,
    checkpoint_of,
    metadata,
    saved_model,
    table,
    write,
)
from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from gru2np_runtime import Layer, load
from modelfiles import with_keys

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = 3


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Random float32."""
    return np.random.default_rng(seed).random(shape, "float32")


def dense(name: str, **options: Any) -> dict[str, Any]:
    """A Dense layer whose kernel is square."""
    config = {"name": name, "units": _SIZE, "activation": "linear", "use_bias": True}
    return {"class_name": "Dense", "config": {**config, "dtype": "float32", **options}}


INPUT = {
    "class_name": "InputLayer",
    "config": {"name": "x", "batch_input_shape": [None, _SIZE], "dtype": "float32"},
}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    """A model of layers one behind the other."""
    spec = {"class_name": "Sequential", "config": {"name": "m", "layers": [*layers]}}
    return with_keys(spec, "tf.keras", "2.10.1")


def arrays(*layers: str) -> dict[str, Any]:
    """Kernel and bias of Dense layers at some paths of attributes."""
    found = {}
    for number, path in enumerate(layers):
        found[f"{path}/kernel"] = numbers(_SIZE, _SIZE, seed=number)
        found[f"{path}/bias"] = numbers(_SIZE, seed=100 + number)
    return found


def folder(path: Path, config: dict[str, Any], draft: Draft) -> Path:
    """A SavedModel."""
    root = {**config, "name": "m", "keras_version": "2.10.0"}
    return write(
        path / "model", {**saved_model(draft), "keras_metadata.pb": metadata(root)}
    )


def weights(path: Path, config: dict[str, Any], draft: Draft, **own: Any) -> Any:
    """The weights of the exported model, by layer."""
    out = path / "model.npz"
    gru2np.export(folder(path, config, draft), out, **own)
    return {layer.name: layer.weights for layer in load(out, **own).layers}


def assert_dense(found: Any, number: int = 0) -> None:
    """They are the arrays of the so-manyth path."""
    np.testing.assert_array_equal(found["kernel"], numbers(_SIZE, _SIZE, seed=number))
    np.testing.assert_array_equal(found["bias"], numbers(_SIZE, seed=100 + number))


# Layers by number

TWO = sequential(INPUT, dense("a"), dense("b"))


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


def test_layers_of_other_names_are_taken_as_keras_takes_them(tmp_path: Path) -> None:
    draft = Draft(arrays("layer-0", "layer-1"), nodes=named("dense_7", "dense_8"))
    found = weights(tmp_path, TWO, draft)
    assert_dense(found["b"], 1)


def test_layers_in_another_order_are_refused(tmp_path: Path) -> None:
    draft = Draft(arrays("layer-0", "layer-1"), nodes=named("b", "a"))
    with pytest.raises(ModelFileError, match="expected an array of layer 'a', got b/k"):
        weights(tmp_path, TWO, draft)


# Objects

ONE = sequential(INPUT, dense("a"))


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
def test_what_a_model_has_beside_its_layers_is_passed_over(
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


def test_an_own_layer_may_call_its_weights_as_keras_calls_others(
    tmp_path: Path,
) -> None:
    tower = {"class_name": "Tower", "config": {"name": "t", "dtype": "float32"}}
    own = {
        "layer-0/loss": numbers(_SIZE, _SIZE, seed=1),
        "layer-0/states": numbers(_SIZE, seed=2),
        "layer-0/layers/0/kernel": numbers(_SIZE, _SIZE, seed=3),
    }
    classes = {"Tower": Tower}
    found = weights(
        tmp_path, sequential(INPUT, tower), Draft(own), custom_objects=classes
    )["t"]
    for path, array in own.items():
        np.testing.assert_array_equal(found[path.removeprefix("layer-0/")], array)


# Arrays


@pytest.mark.parametrize("dtype", ["float16", "float64", ml_dtypes.bfloat16])
def test_floats_of_other_sizes(dtype: Any, tmp_path: Path) -> None:
    own = {path: array.astype(dtype) for path, array in arrays("layer-0").items()}
    found = weights(tmp_path, ONE, Draft(own))["a"]
    for name, array in found.items():
        expected = own[f"layer-0/{name}"].astype(array.dtype)
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_whole_numbers_are_no_weights(dtype: str, tmp_path: Path) -> None:
    own = {path: array.astype(dtype) for path, array in arrays("layer-0").items()}
    with pytest.raises(ModelFileError, match=f"floating point numbers, got {dtype}"):
        weights(tmp_path, ONE, Draft(own))


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_shapes_of_another_architecture(shape: tuple[int, ...], tmp_path: Path) -> None:
    own = {**arrays("layer-0"), "layer-0/bias": np.zeros(shape, "float32")}
    with pytest.raises(ModelFileError, match=r"a/bias: expected shape \(3,\), got"):
        weights(tmp_path, ONE, Draft(own))


def test_a_scalar_of_an_own_layer(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("shards", [1, 2, 3, 9])
def test_arrays_in_several_files(shards: int, tmp_path: Path) -> None:
    draft = Draft(arrays("layer-0", "layer-1"), shards)
    assert_dense(weights(tmp_path, TWO, draft)["b"], 1)


def test_every_shard_counts_for_the_hash(tmp_path: Path) -> None:
    # The index has checksums of arrays, which others can be made to have.
    path = folder(tmp_path, ONE, Draft(arrays("layer-0"), 3))
    hashes = set()
    for shard in (None, *sorted(path.glob("variables/variables.data-*"))):
        if shard is not None:
            data = bytearray(shard.read_bytes())
            data[-1] ^= 1
            shard.write_bytes(data)
        try:
            with open_model(path) as raw:
                hashes.add(raw.sha256)
        except ModelFileError:
            assert shard is not None
            assert shard.name.endswith("00002-of-00003")  # the objects are in it
    assert len(hashes) == 3


def test_an_index_of_several_blocks(tmp_path: Path) -> None:
    def index(items: Any) -> bytes:
        return table(*(block([item]) for item in items), last=[key for key, _ in items])

    draft = Draft(arrays("layer-0", "layer-1"), index=index)
    assert_dense(weights(tmp_path, TWO, draft)["b"], 1)


# Which checkpoint


@pytest.mark.parametrize(
    "given",
    ["", "weights", "weights.index", "weights.data-00000-of-00001", "checkpoint"],
)
def test_ways_to_name_a_checkpoint(given: str, tmp_path: Path) -> None:
    model = checkpoint_of(tmp_path / "saved", Draft(arrays("layer-0")))
    architecture = tmp_path / "arch.json"
    architecture.write_text(json.dumps({**ONE, "keras_version": "2.10.0"}))
    out = tmp_path / "model.npz"
    gru2np.export(architecture, out, weights=model / given)
    assert_dense(load(out).get_layer("a").weights)


def test_a_prefix_called_checkpoint(tmp_path: Path) -> None:
    model = checkpoint_of(tmp_path / "saved", Draft(arrays("layer-0")), "checkpoint")
    architecture = tmp_path / "arch.json"
    architecture.write_text(json.dumps({**ONE, "keras_version": "2.10.0"}))
    out = tmp_path / "model.npz"
    for _ in range(2):
        gru2np.export(architecture, out, weights=model / "checkpoint")
        assert_dense(load(out).get_layer("a").weights)
        (model / "checkpoint").unlink(missing_ok=True)
