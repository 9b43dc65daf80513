"""Names and places of layers while a model is changed."""

import pytest

from gru2np.ir import Call, KerasLayer, KerasModel, TensorRef
from gru2np.upgrading.draft import (
    Draft,
    changed,
    edited,
    inside,
    numbered,
    renamed,
    spliced,
    unique,
)
from gru2np_runtime.bundle.manifest_writer import encode_name
from upgraded_files import (
    arrays_of,
    converted,
    layers_of,
    old_weights,
    sources_of,
    upgraded_file,
)


def layer(name, *read, class_name="Dense", model=None):
    calls = tuple(Call((TensorRef(*ref),)) for ref in read)
    return KerasLayer(class_name, name, {}, training={}, calls=calls, model=model)


def model(*layers, output=None):
    end = TensorRef(output or layers[-1].name, 0, 0)
    start = TensorRef(layers[0].name, 0, 0)
    return KerasModel("m", layers, (start,), (end,), sequential=False, config={})


def draft_of(of, *paths):
    with converted("keras-2.2/gru") as conversion:
        return Draft(of, conversion.built.graph, {path: path for path in paths})


def test_names_with_a_slash_are_changed_and_said():
    data, draft = upgraded_file("keras-2.2/slash_names")
    assert list(layers_of(data)) == ["part_input", "part_gru", "part_dense_scores"]
    assert len(draft.notes) == 3
    assert all("is now" in note for note in draft.notes)
    old = old_weights("keras-2.2/slash_names")
    kernel = next(x for path, x in old.items() if path.endswith("scores/kernel"))
    new = arrays_of(data)["layers/dense/vars/0"]
    assert new.tobytes() == kernel.tobytes()


def test_a_changed_name_is_no_other_name_of_the_model():
    of = model(
        layer("x", class_name="InputLayer"),
        layer("a_b", ("x", 0, 0)),
        layer("a/b", ("a_b", 0, 0)),
        layer("a b", ("a/b", 0, 0)),
    )
    draft = draft_of(of, "x", "a_b", encode_name("a/b"), encode_name("a b"))
    found = renamed(of, draft, ())
    names = [one.name for one in found.layers]
    assert names == ["x", "a_b", "a_b_1", "a_b_2"]
    assert found.outputs == (TensorRef("a_b_2", 0, 0),)
    assert found.layers[3].calls[0].inputs == (TensorRef("a_b_1", 0, 0),)
    assert draft.origins == {
        "x": "x",
        "a_b": "a_b",
        "a_b_1": encode_name("a/b"),
        "a_b_2": encode_name("a b"),
    }


def test_weights_are_numbered_by_class_in_each_model():
    inner = model(layer("x", class_name="InputLayer"), layer("d", ("x", 0, 0)))
    of = model(
        layer("x", class_name="InputLayer"),
        layer("b", ("x", 0, 0)),
        layer("n", ("b", 0, 0), class_name="Functional", model=inner),
        layer("a", ("n", 0, 0)),
    )
    found = numbered(of)
    paths = {one.name: one.path for one in found.layers}
    assert paths == {
        "x": "layers/input_layer",
        "b": "layers/dense",
        "n": "layers/functional",
        "a": "layers/dense_1",
    }
    assert found.layers[2].model.layers[1].path == "layers/dense"


def test_a_layer_in_the_place_of_another_is_read_instead():
    of = model(
        layer("x", class_name="InputLayer"),
        layer("a", ("x", 0, 0)),
        layer("b", ("a", 0, 0)),
    )
    new = layer("c", ("x", 0, 0))
    found = spliced(of, "a", [new], {0: ("c", 0)})
    assert [one.name for one in found.layers] == ["x", "c", "b"]
    assert found.layers[2].calls[0].inputs == (TensorRef("c", 0, 0),)


def test_a_model_in_a_model_is_changed_in_its_place():
    inner = model(layer("x", class_name="InputLayer"), layer("d", ("x", 0, 0)))
    of = model(
        layer("x", class_name="InputLayer"),
        layer("n", ("x", 0, 0), class_name="Functional", model=inner),
    )
    found = changed(of, "n/d", lambda held, name: spliced(held, name, [layer("e")]))
    assert [one.name for one in found.layers[1].model.layers] == ["x", "e"]
    found = edited(of, "n/d", lambda one: layer("f"))
    assert inside(of, "n/d").name == "d"
    assert inside(of, "n/e") is None
    assert inside(of, "x/d") is None
    assert found.layers[1].model.layers[1].name == "d"


@pytest.mark.parametrize(("others", "expected"), [((), "a_1"), (("a_1",), "a_2")])
def test_a_name_that_is_taken_gets_a_number(others, expected):
    assert unique(model(layer("a")), "a", others) == expected


def test_the_changes_of_a_weight_follow_each_other():
    draft = draft_of(model(layer("a")), "a")
    draft.change("a/kernel", lambda x: x + 1)
    draft.change("a/kernel", lambda x: x * 2)
    assert draft.weights["a/kernel"](3) == 8
    draft.rename("a", "b")
    assert list(draft.weights) == ["b/kernel"]


def test_a_weight_comes_from_the_layer_that_had_it():
    draft = draft_of(model(layer("a")), "a", "n/b")
    draft.moved["half"] = "old/forward_layer"
    draft.taken["part/kernel"] = "n/b/carry_kernel"
    assert draft.source("a/kernel") == "a/kernel"
    assert draft.source("half/kernel") == "old/forward_layer/kernel"
    assert draft.source("part/kernel") == "n/b/carry_kernel"


def test_a_model_that_is_taken_apart_keeps_its_calls():
    data, _ = upgraded_file("tf-2.10/mask_with_states_in_models")
    layers = layers_of(data)
    assert not {"outer", "twice"} & set(layers)
    twice = [x for name, x in layers.items() if name.startswith("twice_")]
    assert any(len(sources_of(one)) == 2 for one in twice)
