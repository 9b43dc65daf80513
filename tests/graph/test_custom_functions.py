"""Functions in place of Lambda layers: run at export to see what they return."""

import io
import re

import numpy as np
import pytest

import gru2np
from custom_models import FUNCTIONS, OWN, loaded, model_of, written
from gru2np_runtime import CustomObjectError, Layer, per_step
from lambda_models import (
    FLOAT32,
    by_code,
    config_of,
    keras_2,
    keras_3,
    masking,
    own,
    own_2,
    packed,
    source,
    time_distributed,
)

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
ONE = keras_3(source(), own("a"))


@pytest.fixture
def run(tmp_path):
    """A function that exports a model, loads it, and runs it."""

    def run_model(data, own, *inputs):
        model = loaded(tmp_path, data, own)
        return model.predict(list(inputs) if len(inputs) > 1 else (inputs or (X,))[0])

    return run_model


@pytest.fixture
def refusal(tmp_path):
    """A function that gives the error with which an export is refused."""

    def refuse(data, own):
        out = io.BytesIO()
        kinds = (gru2np.UnsupportedModelError, CustomObjectError, gru2np.ModelFileError)
        with pytest.raises(kinds) as caught:
            gru2np.export(written(tmp_path, data), out, custom_objects=own)
        assert out.getvalue() == b""
        return str(caught.value)

    return refuse


def test_two_lambdas_without_names_are_told_apart_by_their_layers(run):
    two = keras_3(source(), own("a"), own("b", ("a",)))
    y = run(two, {"a": lambda x: x + 1, "b": lambda x: 3 * x})
    np.testing.assert_array_equal(y, 3 * (X + 1))
    data = keras_2(own_2("a", lambda x: x), own_2("b", lambda x: x))
    y = run(data, {"a": lambda x: x + 1, "b": lambda x: 3 * x})
    np.testing.assert_array_equal(y, 3 * (X + 1))


def test_the_name_of_a_layer_goes_before_that_of_a_function_and_of_the_class(run):
    layers = [own("a", function="f"), own("b", ("a",), "f"), own("c", ("b",))]
    given = {"a": lambda x: x + 1, "f": lambda x: 3 * x, "Lambda": lambda x: -x}
    np.testing.assert_array_equal(run(keras_3(source(), *layers), given), -3 * (X + 1))


def test_names_that_are_those_of_other_layers_and_of_keras(run):
    swapped = keras_3(source(), own("a", function="b"), own("b", ("a",), "a"))
    y = run(swapped, {"a": lambda x: 10 * x, "b": lambda x: x + 1})
    np.testing.assert_allclose(y, 10 * X + 1, rtol=1e-6)
    for name in ("softmax", "GRU", "Lambda", "x_1"):
        y = run(keras_3(source(), own(name)), {name: lambda x: 2 * x})
        np.testing.assert_array_equal(y, 2 * X)


def test_arguments_go_to_the_function_and_to_a_class_as_options(run):
    data = keras_3(source(), own("a", arguments={"k": 2.0, "of": [1, None], "s": "t"}))
    seen = []

    def function(x, k, of, s):
        seen.append((of, s))
        return k * x

    np.testing.assert_array_equal(run(data, {"a": function}), 2 * X)
    assert seen[-1] == ([1, None], "t")

    class Scaled(Layer):
        k: float

        @staticmethod
        def from_options(options):
            assert options == {"k": 2.0, "of": [1, None], "s": "t"}
            return {"k": options["k"]}

        def forward(self, weights, *inputs, mask=None):
            return self.k * inputs[0]

    np.testing.assert_array_equal(run(data, {"a": Scaled}), 2 * X)


def test_arguments_may_be_called_as_our_own(run):
    data = keras_3(source(), own("a", arguments={"self": 2.0, "arguments": 3.0}))
    y = run(data, {"a": lambda x, self, arguments: self * arguments * x})
    np.testing.assert_array_equal(y, 6 * X)


def test_in_time_distributed_it_gets_single_steps(run):
    def halves(x):
        assert x.ndim == 2
        return x[:, :1] / 2

    data = keras_3(source(), time_distributed("each", own("a")))
    np.testing.assert_array_equal(run(data, {"a": halves}), X[..., :1] / 2)


def test_several_inputs_are_a_list_and_several_outputs_too(run):
    data = keras_3(source(), source((None, 3), name="z"), own("a", ("x", "z")))
    z = X[:, 0]
    y = run(data, {"a": lambda xs: xs[0] - xs[1][:, None]}, X, z)
    np.testing.assert_array_equal(y, X - z[:, None])
    data = keras_3(source(), own("a"), outputs=("a#0#0", "a#0#1"))
    for kind in (list, tuple):
        first, second = run(data, {"a": lambda x, kind=kind: kind([x[:, 0], -x])})
        np.testing.assert_array_equal(first, X[:, 0])
        np.testing.assert_array_equal(second, -X)


def test_integers_keep_their_dtype_in_and_out(run):
    ids = np.array([[0, 2], [1, 3]], np.int32)
    data = keras_3(source((None, None), "int32"), own("a"))
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.testing.assert_array_equal(run(data, {"a": lambda x: table[x]}, ids), table[ids])
    y = run(data, {"a": lambda x: x * 2}, ids)
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, 2 * ids)
    y = run(ONE, {"a": lambda x: x.argmax(axis=-1)})
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y, X.argmax(axis=-1))
    assert run(ONE, {"a": lambda x: x > 0}).dtype == bool


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "bfloat16"])
def test_it_computes_in_the_precision_of_its_layer(run, policy):
    seen = []

    def third(x):
        seen.append(x.dtype.name)
        return x / 3

    dtype = {**FLOAT32, "config": {"name": policy}}
    y = run(keras_3(source(), own("a", dtype=dtype)), {"a": third})
    expected = "float64" if policy == "float64" else "float32"
    assert {*seen, y.dtype.name} == {expected}


def test_a_mask_reaches_a_function_that_takes_it_and_ends_there(run):
    def masked(x, mask):
        return 2 * x if mask is None else x * mask[..., None]

    x = X.copy()
    x[0, 1] = 0
    data = keras_3(source(), masking(mask_value=0.0), own("a", ("masking",)))
    seen = []

    class Callable:
        def __call__(self, x, mask=None):
            seen.append(mask)
            return masked(x, mask)

    for function in (masked, Callable()):
        np.testing.assert_array_equal(run(data, {"a": function}, x), x)
    np.testing.assert_array_equal(seen[-1], (x != 0).any(-1))
    more = [masking(), own("a", ("masking",)), own("b", ("a",))]
    y = run(keras_3(source(), *more), {"a": masked, "b": masked}, x)
    np.testing.assert_array_equal(y, 2 * x)


def test_shapes_with_a_fixed_batch_no_rows_one_step_and_no_time(run):
    assert run(keras_3(source((2, 4, 3)), own("a")), {"a": lambda x: -x}).shape == (
        *(2, 4, 3),
    )
    last = {"a": lambda x: x[:, -1]}
    assert run(ONE, last, X[:0]).shape == (0, 3)
    np.testing.assert_array_equal(run(ONE, last, X[:, :1]), X[:, 0])
    y = run(keras_3(source((None, 3)), own("a")), {"a": lambda x: x[:, ::-1]}, X[:, 0])
    np.testing.assert_array_equal(y, X[:, 0, ::-1])


def test_a_function_that_changes_its_input_is_refused_not_obeyed(refusal):
    """Keras' tensors cannot be changed; here another layer would read the change."""

    def add(x):
        x += 1
        return x

    data = keras_3(source(), own("a"), own("b"), outputs=("a", "b"))
    text = refusal(data, {"a": add, "b": lambda x: x})
    assert "'a' failed: ValueError" in text
    assert "it must not change its inputs, which others read: use a copy" in text


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: None, "expected results of bool, float32.*got object"),
        (lambda x: (), "expected results of one dtype, got none"),
        (lambda x: [x, x > 0], "expected results of one dtype, got bool, float32"),
        (lambda x: 1j * x, "got complex64"),
        (lambda x: x.astype(str), "got str"),
        (lambda x: (row for row in x), "got object"),
        (lambda x: {"y": x}, "got object"),
        (lambda x: 3.0, r"the batch as their first axis, got \(\)"),
        (lambda x: x.swapaxes(0, 1), "the batch as their first axis"),
        (lambda x: x.reshape(-1, 3), "the batch as their first axis"),
        (lambda x: [[1, 2], [3]], "the batch as their first axis"),
        (lambda x: [[[1, 2], [3]]], "inhomogeneous"),
        (lambda x: 1 / 0, "failed: ZeroDivisionError: division by zero"),
        (lambda x, more: x, "missing 1 required positional argument"),
        (lambda x: np.random.default_rng().normal(size=x.shape), "nothing may be ran"),
    ],
)
def test_what_no_layer_returns_is_refused_by_name(refusal, function, words):
    text = refusal(ONE, {"a": function})
    assert re.search(words, text), text
    assert text.startswith("custom function 'a'")


def test_other_results_than_at_export_are_refused(run):
    def shorter(x):
        return x if len(x) > 9 else x[..., :1]

    for function, words in (
        (shorter, r"expected results of shapes \[\(None, None, 3\)\] as at export"),
        (lambda x: x if len(x) > 9 else (x, x), "as at export, got"),
        (lambda x: x if len(x) > 9 else x > 0, "of float32 as at export, got bool"),
        (lambda x: x if len(x) > 9 else 1 / 0, "ZeroDivisionError"),
    ):
        with pytest.raises(CustomObjectError, match=f"'a'.*{words}"):
            run(ONE, {"a": function})


def test_large_inputs_are_tried_with_few_rows_or_refused(run, refusal):
    """Whatever sizes a file has; here of 2 MB, of 400 MB, and of more than there is."""
    sizes = []

    def first(x):
        sizes.append(x.size)
        return x[..., :1]

    wide = np.ones((2, 1, 100_000), np.float32)
    y = run(keras_3(source((None, None, 100_000)), own("a")), {"a": first}, wide)
    assert y.shape == (2, 1, 1)
    assert max(sizes) < 2**23
    for shape in ((None, 10**8), (None, 10**6, 10**9)):
        text = refusal(keras_3(source(shape), own("a")), {"a": first})
        assert "too large to see at export what it returns" in text
    text = refusal(ONE, {"a": lambda x: np.zeros((len(x), 10**15))})
    assert "it needs more memory than there is" in text
    data = keras_3(source((None,) * 7), own("a"))
    assert run(data, {"a": lambda x: x.sum(axis=-1)}, np.ones((2,) * 7)).ndim == 6


def test_a_layer_that_is_called_twice_gives_the_same_shapes(run, refusal):
    data = keras_3(source((None, 4, 3)), own("a"), own("a", ("a",)), outputs=("a#1",))
    np.testing.assert_array_equal(run(data, {"a": lambda x: 2 * x}), 4 * X)
    text = refusal(data, {"a": lambda x: x[:, 1:]})
    assert "'a': expected the results of its first call" in text
    assert "((None, 3, 3),), at all calls, got ((None, 2, 3),)" in text


@pytest.mark.parametrize(
    ("nodes", "function", "unit"),
    [
        ([source()], lambda x: np.cumsum(x, axis=1), "time step"),
        ([source()], lambda x: x[:, ::-1], "time step"),
        ([source()], lambda x: x[:, -1], "time step"),
        ([source()], lambda x: x - x.mean(axis=0), "row"),
        ([source((None, None))], lambda x: np.cumsum(x, 1)[..., None], "time step"),
        ([source((None, 6))], lambda x: np.cumsum(x, 1)[..., None], "time step"),
        ([source((None, None), "int32")], lambda x: np.cumsum(x, axis=1), "time step"),
        (
            [source(), source((None, 3), name="z")],
            lambda xs: np.cumsum(xs[0], 1) + xs[1][:, None],
            "time step",
        ),
    ],
)
def test_a_false_claim_of_per_step_is_refused(refusal, nodes, function, unit):
    data = keras_3(*nodes, own("a", [node[0] for node in nodes]))
    text = refusal(data, {"a": per_step(function)})
    assert f"decorated with per_step, but computes a {unit} from others too" in text


def test_a_true_claim_is_not(run):
    nodes = [source(), source((None, 3), name="z"), own("a", ("x", "z"))]
    y = run(
        keras_3(*nodes), {"a": per_step(lambda xs: xs[0] + xs[1][:, None])}, X, X[:, 0]
    )
    np.testing.assert_array_equal(y, X + X[:, :1])
    data = keras_3(source((None, 3)), own("a"))
    y = run(data, {"a": per_step(lambda x: np.cumsum(x, axis=1))}, X[:, 0])
    np.testing.assert_allclose(y, np.cumsum(X[:, 0], axis=1), rtol=1e-6)


def test_what_a_file_may_say_of_a_lambda_and_what_not(run, refusal):
    same = {"a": lambda x: -x}
    for options in ({"output_shape": [5]}, {"output_shape": by_code(lambda s: s)}):
        np.testing.assert_array_equal(
            run(keras_3(source(), own("a", **options)), same), -X
        )
    for options, words in (
        (
            {"mask": by_code(lambda x, m: m)},
            "computes a mask by code; in its place give",
        ),
        ({"new": 1}, "option new=1: an option that this version does not know"),
        ({"arguments": [1]}, "expected arguments by name"),
        ({"arguments": {"x": 1}}, "got multiple values for argument 'x'"),
    ):
        assert words in refusal(keras_3(source(), own("a", **options)), same)


def test_no_code_of_a_file_is_run_at_export_or_inspect(tmp_path):
    ran = tmp_path / "ran"
    evil = eval(f"lambda x, *more: open({str(ran)!r}, 'w').close() or x")
    options = {"output_shape": by_code(evil)}
    node = own("a", **options)
    node[2]["function"] = by_code(evil)
    files = [
        keras_3(source(), node),
        keras_2(own_2("a", evil, output_shape_type="lambda")),
    ]
    for data in files:
        loaded(tmp_path, data, {"a": lambda x: x}).predict(X)
        path = written(tmp_path, data)
        gru2np.inspect(path)
        gru2np.inspect(path, custom_objects={"a": lambda x: x})
        assert not ran.exists()


def test_a_function_stands_for_no_other_layer_and_a_class_for_no_function():
    for name in ("scores", "gru", "each", "GRU"):
        with pytest.raises(gru2np.UnsupportedModelError, match="stands for a Lambda"):
            model_of(FUNCTIONS, {name: lambda x: x})
    with pytest.raises(CustomObjectError, match=r"'swoosh'\] is a class, but in the"):
        model_of(FUNCTIONS, {"swoosh": OWN["AttentionWithContext"]})


def test_lambdas_of_nested_models_are_found_by_name(run):
    inner = config_of([source(name="y"), own("a", ("y",))], ["a"], name="inner")
    outer = config_of([source(), ("inner", "Functional", {}, ("x",))], ["inner#1"])
    nested = outer["config"]["layers"][1]
    nested.update({key: inner[key] for key in ("module", "config", "registered_name")})
    np.testing.assert_array_equal(run(packed(outer), {"a": lambda x: 2 * x}), 2 * X)
