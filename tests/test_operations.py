"""Operations in graphs: nodes of ``keras.ops``, and TensorFlow's own in tf.keras."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

import config_fuzz
import goldens
import gru2np
from gru2np.convert import converted
from gru2np.generations import interpret, keras3
from gru2np.generations import tensorflow_ops as _tensorflow_ops
from gru2np.generations.tensorflow_names import FUNCTIONS, NODES
from gru2np.ir import Call, KerasLayer, Numbers, TensorRef
from gru2np.layers import LAYERS
from gru2np.layers.spec import Config, Refused
from gru2np.readers import open_model
from gru2np_runtime import InputError, layers, load
from gru2np_runtime.run.dispatch import make_plan
from meanings import meaning_of

X, Y, C = (TensorRef(name, 0, 0) for name in "xyc")
ONE, TWO = Call((X,)), Call((X, Y))
WHOLE = {"class_name": "__slice__", "config": {"start": None, "stop": None}}
ELLIPSIS = {"class_name": "__ellipsis__", "config": {}}
KERAS_3 = meaning_of("keras-3", "3.15.1")


def convert(class_name, options=(), call=ONE):
    """The runtime layer, or the problems."""
    problems = []
    layer = KerasLayer(f"ops.{class_name}", "node", dict(options), (call,), training={})
    config = Config(layer, "node", KERAS_3, problems.append, lambda *_: None)
    try:
        return LAYERS[layer.class_name].convert(config)
    except Refused:
        return problems


def numbers(values, dtype):
    found = Numbers(values)
    found.dtype = dtype
    return found


def beside(value, position=1):
    return Call((X,), constants=((position, value),))


TAKEN = [
    ("Add", {}, TWO, layers.Binary(function="add")),
    (
        "Subtract",
        {},
        beside(2, 0),
        layers.Binary(
            function="subtract", constant=[2], constant_kind="int", constant_first=True
        ),
    ),
    (
        "TrueDivide",
        {"whole_as": "float64"},
        beside(0.5),
        layers.Binary(
            function="divide", constant=[0.5], constant_kind="float", dtype="float64"
        ),
    ),
    (
        "Power",
        {},
        beside(numbers([[1.0, 2.0]], "float32")),
        layers.Binary(
            function="power",
            constant=[1, 2],
            constant_shape=[1, 2],
            constant_kind="float32",
        ),
    ),
    ("Equal", {}, TWO, layers.Binary(function="equal")),
    ("NotEqual", {}, beside(0), layers.NotEqual(value=0.0)),
    ("NotEqual", {}, TWO, layers.Binary(function="not_equal")),
    ("LogicalXor", {}, TWO, layers.Binary(function="logical_xor")),
    ("Where", {}, Call((C, X, Y)), layers.Select()),
    (
        "Where",
        {},
        Call((C, X), constants=((2, 0.0),)),
        layers.Select(y=[0.0], constant_kind="float"),
    ),
    ("Absolute", {}, ONE, layers.Unary(function="absolute")),
    ("Round", {"decimals": 0}, ONE, layers.Unary(function="round")),
    ("StopGradient", {}, ONE, layers.Unary(function="identity")),
    ("Relu6", {}, ONE, layers.Activated(function={"function": "relu", "max_value": 6})),
    ("Gelu", {"approximate": False}, ONE, layers.Activated(function="gelu")),
    (
        "HardSigmoid",
        {},
        ONE,
        layers.Activated(function={"function": "hard_sigmoid", "slope": 1 / 6}),
    ),
    ("Clip", {"x_min": -1, "x_max": 1.5}, ONE, layers.Clip(lower=-1, upper=1.5)),
    (
        "Sum",
        {"axis": [1, 2], "keepdims": True},
        ONE,
        layers.Reduction(function="sum", axes=[1, 2], keepdims=True),
    ),
    ("Amax", {"axis": -1}, ONE, layers.Reduction(function="max", axes=[-1])),
    ("Matmul", {"transpose_b": True}, TWO, layers.Matmul(transpose_second=True)),
    ("GetItem", {}, beside([WHOLE, -1]), layers.GetItem(items=[(None,) * 3, (-1,)])),
    (
        "GetItem",
        {},
        beside([ELLIPSIS, None, 2]),
        layers.GetItem(items=[(None,), (), (2,)]),
    ),
    ("Concatenate", {"axis": 1}, TWO, layers.Joined(axis=1)),
    ("Stack", {"axis": 1}, TWO, layers.Stack(axis=1)),
    (
        "Reshape",
        {"newshape": [None, 3, -1]},
        ONE,
        layers.Reshaped(target_shape=[3, -1]),
    ),
    ("Transpose", {"axes": [0, 2, -2]}, ONE, layers.Transpose(dims=[2, 1])),
    ("Squeeze", {"axis": 1}, ONE, layers.Squeeze(axes=[1])),
    (
        "Split",
        {"indices_or_sections": [1, 3], "axis": 1},
        ONE,
        layers.Split(axis=1, bounds=[1, 3]),
    ),
    ("Split", {"sizes": [1, 3], "axis": 1}, ONE, layers.Split(axis=1, bounds=[1])),
    ("Split", {"sizes": 2, "axis": 1}, ONE, layers.Split(axis=1, sections=2)),
    ("Unstack", {"axis": 1, "num": None}, ONE, layers.Split(axis=1, squeeze=True)),
]


@pytest.mark.parametrize(("class_name", "options", "call", "expected"), TAKEN)
def test_spelling(class_name, options, call, expected):
    layer = convert(class_name, options, call)
    assert type(layer) is type(expected)
    assert layer.attributes() == expected.attributes()


REFUSED = [
    ("Add", {}, ONE, "expected 2 tensors"),
    ("Add", {}, beside("x"), "expected a number"),
    ("Add", {}, beside([[1.0], [1.0, 2.0]]), "lists of different lengths"),
    ("Add", {}, beside([]), "reasonable size"),
    ("Add", {}, beside(2**60), "expected a number"),
    ("Add", {}, beside(numbers([0.1], "float64")), "use float32"),
    ("Add", {}, Call((X,), constants=((0, 1), (1, 2))), "expected two operands"),
    ("Add", {"seed": 1, "axis": 2}, TWO, "does not know"),
    ("Round", {"decimals": 2}, ONE, "rounding to integers"),
    ("Clip", {"x_min": 2, "x_max": 1}, ONE, "expected lower <= upper, got 2.0"),
    ("Clip", {"x_min": [1], "x_max": 1}, ONE, "expected a number"),
    ("Sum", {"axis": None}, ONE, "after the batch axis"),
    ("Sum", {"axis": [1, 0]}, ONE, "after the batch axis"),
    ("Sum", {"axis": "1"}, ONE, "expected an axis"),
    ("Prod", {"axis": 1, "dtype": "int32"}, ONE, "leave it out"),
    ("GetItem", {}, beside(0), "leaves the batch whole"),
    ("GetItem", {}, beside([None, WHOLE]), "leaves the batch whole"),
    ("GetItem", {}, beside([WHOLE, "x"]), "expected an index or a slice"),
    ("GetItem", {}, beside([WHOLE, True]), "expected an index or a slice"),
    ("GetItem", {}, beside([WHOLE, 2**40]), "expected an index or a slice"),
    (
        "GetItem",
        {},
        beside([WHOLE, {"class_name": "__slice__", "config": {"step": 0}}]),
        "a step other than 0",
    ),
    ("GetItem", {}, beside([ELLIPSIS, ELLIPSIS]), "more than one ellipsis"),
    ("Reshape", {"newshape": [3, 4]}, ONE, "whose first size is -1"),
    ("Reshape", {"newshape": [-1, -1, -1]}, ONE, "more than one -1"),
    ("Transpose", {"axes": None}, ONE, "begin with 0"),
    ("Transpose", {"axes": [1, 0]}, ONE, "begin with 0"),
    ("Transpose", {"axes": [0, 1, 1]}, ONE, "expected each of 1 to 2 once"),
    ("Concatenate", {"axis": 0}, TWO, "after the batch axis"),
    ("Squeeze", {"axis": None}, ONE, "after the batch axis"),
    ("Split", {"indices_or_sections": [3, 1], "axis": 1}, ONE, "ascending"),
    ("Split", {"indices_or_sections": 0, "axis": 1}, ONE, "positive"),
    ("Where", {}, Call((C, X)), "expected a condition and two values"),
    ("Where", {}, Call((X, Y), constants=((0, 1.0),)), "expected a tensor"),
]


@pytest.mark.parametrize(("class_name", "options", "call", "message"), REFUSED)
def test_what_is_not_plain_is_refused(class_name, options, call, message):
    problems = convert(class_name, options, call)
    assert message in str(problems[0])
    assert "layer 'node'" in str(problems[0])


def test_every_operation_of_tensorflow_is_one_of_keras():
    found = {
        operation.class_name for operation in (*FUNCTIONS.values(), *NODES.values())
    }
    assert {f"ops.{name}" for name in found} <= set(LAYERS)


# Numbers


def run(layer, *arrays):
    plan = make_plan(layer, {})
    (y,) = plan.run(list(arrays), None)
    assert y.dtype == layer.output_dtype(*(x.dtype.name for x in arrays))
    return y


def binary(function, value=None, kind="", **options):
    if value is None:
        return layers.Binary(function=function, **options)
    return layers.Binary(
        function=function, constant=[value], constant_kind=kind, **options
    )


FLOATS = np.array([[-1.5, 0.1, 2.5]], "float32")
WHOLES = np.array([[-7, 1, 2]], "int32")


@pytest.mark.parametrize(
    ("layer", "arrays", "expected"),
    [
        # What Keras 3.15 on TensorFlow gave for the same nodes.
        (binary("add", 0.1, "float"), [FLOATS], np.float32([-1.4, 0.2, 2.6])),
        (binary("add", 1, "int"), [WHOLES], np.int32([-6, 2, 3])),
        (binary("add", 1.5, "float"), [WHOLES], np.float32([-5.5, 2.5, 3.5])),
        (binary("add", 1, "int"), [FLOATS > 0], np.int32([1, 2, 2])),
        (binary("multiply"), [FLOATS, WHOLES], np.float32([10.5, 0.1, 5.0])),
        (binary("multiply"), [FLOATS > 0, FLOATS], np.float32([-0.0, 0.1, 2.5])),
        (binary("divide", 2, "int"), [WHOLES], np.float32([-3.5, 0.5, 1.0])),
        # TensorFlow's own division.
        (
            binary("divide", 2, "int", dtype="float64"),
            [WHOLES],
            np.float64([-3.5, 0.5, 1.0]),
        ),
        (binary("floor_divide", 2, "int"), [WHOLES], np.int32([-4, 0, 1])),
        (binary("mod", 3, "int"), [WHOLES], np.int32([2, 1, 2])),
        (binary("mod", -2.0, "float"), [FLOATS], np.float32([-1.5, -1.9, -1.5])),
        (binary("power", 2, "int"), [WHOLES], np.int32([49, 1, 4])),
        (binary("maximum", 1.5, "float"), [WHOLES], np.float32([1.5, 1.5, 2.0])),
        (binary("equal", 0.1, "float"), [FLOATS], np.array([False, True, False])),
        (binary("greater", 1.5, "float"), [WHOLES], np.array([False, False, True])),
        (binary("logical_xor"), [FLOATS > 0, WHOLES], np.array([True, False, False])),
        (
            binary("floor_of_quotient", 0.1, "float"),
            [np.float32([[1.0, -1.5, 0.3, 2.5]])],
            np.float32([10, -15, 3, 25]),
        ),
        (layers.Reduction(function="sum", axes=[1]), [WHOLES], np.int32([-4])),
        (layers.Unary(function="round"), [FLOATS], np.float32([-2, 0, 2])),
        (layers.Unary(function="absolute"), [WHOLES], np.int32([7, 1, 2])),
        (
            layers.Select(y=[1.5], constant_kind="float"),
            [WHOLES > 1, WHOLES],
            np.float32([1.5, 1.5, 2.0]),
        ),
    ],
)
def test_numbers_and_their_types(layer, arrays, expected):
    y = run(layer, *arrays)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "dtypes", "message"),
    [
        (binary("add"), ("bool", "bool"), "booleans"),
        (binary("add"), ("uint64", "int64"), "are not supported"),
        (binary("add", 300, "int"), ("uint8",), "beyond uint8"),
        (binary("mod", 0, "int"), ("int32",), "divided by 0"),
        (binary("power", -1, "int"), ("int32",), "negative power"),
        (
            binary("floor_divide", 2.0, "float"),
            ("float32",),
            "backends of Keras differ",
        ),
        (binary("add", 1, "int64"), ("int32",), "give int64"),
        (layers.Unary(function="exp"), ("int32",), "cast it to float32"),
        (layers.Unary(function="square"), ("bool",), "booleans"),
        (layers.Activated(function="relu"), ("int32",), "cast it to float32"),
        (layers.Clip(lower=0, upper=1), ("int32",), "cast it to float32"),
        (layers.Reduction(function="mean", axes=[1]), ("int32",), "cast it to float32"),
        (layers.Reduction(function="sum", axes=[1]), ("int8",), "not supported"),
        (layers.Matmul(), ("float32", "float64"), "are not supported"),
        (layers.Joined(), ("float32", "int32"), "together"),
        (layers.Stack(axis=1), ("float32", "int32"), "together"),
        (layers.Select(), ("float32", "float32", "float32"), "compare it first"),
    ],
)
def test_number_types_that_libraries_treat_differently_are_refused(
    layer, dtypes, message
):
    with pytest.raises(ValueError, match=message):
        layer.output_dtype(*dtypes)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (binary("add"), [(None, 5, 4), (None, 4)]),
        (binary("add"), [(None, 5, 4), (None, 4, 4)]),
        (binary("add"), [(None, 4)]),
        (
            binary("add", constant=[1, 2], constant_shape=[2, 1], constant_kind="int"),
            [(None, 4)],
        ),
        (layers.GetItem(items=[(None,) * 3, (5,)]), [(None, 5)]),
        (layers.GetItem(items=[(None,), (0,), (0,)]), [(None, 5)]),
        (layers.GetItem(items=[(None,) * 3, (0,), (0,)]), [(None, 5)]),
        (layers.Squeeze(axes=[1]), [(None, 2)]),
        (layers.Split(axis=1, sections=2), [(None, 5)]),
        (layers.Split(axis=1, sections=2), [(None, None)]),
        (layers.Split(axis=1, bounds=[5]), [(None, 5)]),
        (layers.Split(axis=1, squeeze=True), [(None, 10**6)]),
        (layers.Reduction(function="sum", axes=[1, -1]), [(None, 5)]),
        (layers.Reshaped(target_shape=[3]), [(None, 2, 2)]),
        (layers.Matmul(), [(None, 3, 4), (None, 3, 4)]),
        (layers.Matmul(), [(None, 3), (None, 3)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match=r"\w"):
        layer.output_shapes(*shapes)


def test_whole_numbers_are_not_divided_by_0():
    with pytest.raises(InputError, match="divided by 0"):
        run(binary("mod"), WHOLES, np.zeros((1, 3), "int32"))


def test_a_division_by_0_warns_nobody():
    y = run(binary("divide", 0, "int"), np.float32([[1, -1, 0]]))
    np.testing.assert_array_equal(y, [[np.inf, -np.inf, np.nan]])
    y = run(layers.Unary(function="log"), np.float32([[0, -1]]))
    np.testing.assert_array_equal(y, [[-np.inf, np.nan]])


# Files


def opened(case):
    return open_model(*goldens.Golden(goldens.FIXTURES / case).files())


def changed(raw, config):
    """The conversion under another architecture."""
    raw = dataclasses.replace(raw, config=config)
    return converted(raw, *interpret(raw))


def specs(config, *class_names):
    """The records of layers of these classes."""
    found = config["config"]["layers"]
    return [spec for spec in found if spec["class_name"] in class_names]


def test_the_last_step_of_a_sequence_runs_step_by_step():
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "arithmetic")
    model = load(golden.bundle())
    x, context = golden.arrays(0, "x")
    state = model.initial_state(len(x))
    for t in range(x.shape[1]):
        y, state = model.step({"x": x[:, t], "context": context}, state)
    whole = golden.arrays(0, "y")
    np.testing.assert_allclose(y[2], whole[2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(y[3], whole[3][:, -1], rtol=1e-4, atol=1e-5)


def test_a_mask_stops_at_an_operation():
    with opened("keras-3.15/masked_operation") as raw:
        graph = changed(raw, raw.config).built.graph
    masked = [node.mask is not None for node in graph.nodes if node.layer == "gru"]
    assert masked == [True, False, False]


def test_a_cast_to_the_same_type_passes_the_mask_in_tf_keras_only():
    with opened("tf-keras-2.21/masked_cast") as raw:
        config = copy.deepcopy(dict(raw.config))
        graph = changed(raw, config).built.graph
        assert [
            node.mask is not None for node in graph.nodes if node.layer == "gru"
        ] == [True]
        (cast,) = specs(config, "TFOpLambda")
        cast["inbound_nodes"][0][3]["dtype"] = "float64"
        graph = changed(raw, config).built.graph
        assert all(node.mask is None for node in graph.nodes)


@pytest.mark.parametrize("key", [[WHOLE], [WHOLE, WHOLE]])
def test_of_an_operation_that_changes_nothing_it_is_said_what_jax_does(key):
    """Keras 3.10 on JAX kept it, Keras 3.15 on TensorFlow did not."""
    with opened("keras-3.15/masked_operation") as raw:
        config = copy.deepcopy(dict(raw.config))
        (item,) = specs(config, "GetItem")
        item["inbound_nodes"][0]["args"][1] = key
        (text,) = changed(raw, config).built.warnings
    assert "Keras 3.15.1 on JAX" in text


@pytest.mark.parametrize("name", ["py_function", "os.system", "einsum", "Add"])
def test_a_function_is_looked_up_in_a_table_alone(name):
    with opened("tf-2.4/operators") as raw:
        config = copy.deepcopy(dict(raw.config))
        specs(config, "TFOpLambda")[0]["config"]["function"] = name
        with pytest.raises(gru2np.UnsupportedModelError, match="does not support"):
            changed(raw, config)


def test_an_unknown_node_is_refused_by_name():
    with opened("tf-1.15/operators") as raw:
        config = copy.deepcopy(dict(raw.config))
        node = specs(config, "TensorFlowOpLayer")[0]
        node["config"]["node_def"]["op"] = "PyFunc"
        with pytest.raises(gru2np.UnsupportedModelError, match=r"tf\.raw_ops\.PyFunc"):
            changed(raw, config)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "'y' is missing"),
        ({"y": 2.0, "alpha": 3}, "alpha"),
        ({"y": {"class_name": "__lambda__"}}, "expected a number"),
        ({"y": ["x", 0]}, "expected"),
    ],
)
def test_arguments_that_are_not_known_are_refused(arguments, message):
    with opened("tf-2.4/operators") as raw:
        config = copy.deepcopy(dict(raw.config))
        specs(config, "TFOpLambda")[0]["inbound_nodes"][0][3] = arguments
        with pytest.raises(gru2np.Gru2npError, match=message):
            changed(raw, config)


def test_options_computed_by_the_model_are_refused():
    with opened("tf-2.4/pieces") as raw:
        config = copy.deepcopy(dict(raw.config))
        for spec in specs(config, "TFOpLambda"):
            if spec["config"]["function"] == "reshape":
                spec["inbound_nodes"][0][3]["shape"] = [["tf.shape", 0, 0], 24]
        with pytest.raises(gru2np.UnsupportedModelError, match="computed by the model"):
            changed(raw, config)


def test_an_output_that_no_bundle_holds_is_refused():
    with opened("tf-2.4/arithmetic") as raw:
        config = copy.deepcopy(dict(raw.config))
        (cast,) = [
            spec
            for spec in specs(config, "TFOpLambda")
            if spec["config"]["function"] == "cast"
        ]
        cast["inbound_nodes"][0][3]["dtype"] = "int16"
        config["config"]["output_layers"] = [[cast["name"], 0, 0]]
        with pytest.raises(gru2np.UnsupportedModelError, match="dtype='int16'"):
            changed(raw, config)


def test_bits_of_a_strided_slice():
    spec = {
        "name": "s",
        "class_name": "TensorFlowOpLayer",
        "config": {
            "node_def": {
                "op": "StridedSlice",
                "attr": {
                    "begin_mask": {"i": "1"},
                    "end_mask": {"i": "17"},
                    "ellipsis_mask": {"i": "2"},
                    "new_axis_mask": {"i": "4"},
                    "shrink_axis_mask": {"i": "8"},
                },
            },
            "constants": {"1": [0, 0, 0, -1, 1], "2": [0] * 5, "3": [1, 1, 1, 1, 2]},
        },
        "inbound_nodes": [[["x", 0, 0, {}]]],
    }
    (call,) = _tensorflow_ops.calls("here", spec)
    ((position, key),) = call.constants
    layer = convert("GetItem", call=call)
    assert (position, len(key)) == (1, 5)
    expected = ((None, None, 1), (None,), (), (-1,), (1, None, 2))
    assert layer.items == expected


def test_an_activation_function_of_keras_3_is_an_operation():
    spec = {"class_name": "ReLU", "module": "keras.src.activations.activations"}
    assert keras3._class_name({**spec, "config": {"name": "re_lu"}}) == "ops.ReLU"
    spec = {"class_name": "ReLU", "module": "keras.layers"}
    assert keras3._class_name({**spec, "config": {"name": "re_lu"}}) == "ReLU"


@pytest.mark.parametrize(
    "case",
    [
        "keras-3.15/arithmetic_h5",
        "keras-3.15/functions",
        "keras-3.15/slicing",
        "keras-3.15/pieces",
        "tf-1.15/slicing",
        "tf-1.15/functions",
        "tf-2.4/pieces",
        "tf-keras-2.21/slicing",
    ],
)
def test_damaged_anywhere(case):
    config_fuzz.fuzz(goldens.FIXTURES / case, 1, 100)


@pytest.mark.parametrize(
    ("version", "backend", "casts", "operations"),
    [
        ("3.5.0", "tensorflow", True, False),
        ("3.6.0", "tensorflow", True, False),
        ("3.5.0", "jax", False, False),
        ("3.6.0", "jax", True, True),
        ("3.6.0", "torch", None, None),
    ],
)
def test_masks_at_operations_with_nothing_to_do(version, backend, casts, operations):
    """By version and backend; None where nobody has measured it."""
    found = meaning_of("keras-3", version, backend).masks
    assert (found.idle_casts, found.idle_operations) == (casts, operations)
