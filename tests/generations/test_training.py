"""What a file says beside its numbers: nothing of it is lost on the way to the IR."""

from __future__ import annotations

import pytest

from goldens import FIXTURES, Golden
from gru2np.convert import convert
from gru2np.errors import ModelFileError
from gru2np.generations import interpret
from gru2np.generations.values import plain
from gru2np.layers.custom import Specs
from gru2np.readers import open_model
from gru2np.weights.naming import PathNaming
from gru2np.weights.slots import Slots

KERAS_1 = "keras-1.2/training_options"
KERAS_3 = "keras-3.15/training_options"
# Layers that no Keras after Keras 1 has.
GONE = "keras-1.2/advanced_activations"
OBJECTS = ("_constraint", "_initializer", "_regularizer")
MODELS = ("Functional", "Model", "Sequential")
# Of operations of TensorFlow the call says everything.
OPERATIONS = ("SlicingOpLambda", "TFOpLambda", "TensorFlowOpLayer")
GRAPH = {"layers", "input_layers", "output_layers"}
GENERATIONS = {1: ["keras-1*"], 2: ["keras-2*", "tf-*"], 3: ["keras-3*"]}
# Options that a generation writes by other names than the IR has.
KERNELS = ("kernel", "embeddings", "alpha")
RENAMED = {
    1: {
        "U_regularizer": ["recurrent_regularizer"],
        "W_constraint": ["kernel_constraint", "embeddings_constraint"],
        "W_regularizer": ["kernel_regularizer", "embeddings_regularizer"],
        "alpha": ["negative_slope"],
        "atrous_rate": ["dilation_rate"],
        "b_constraint": ["bias_constraint"],
        "b_regularizer": ["bias_regularizer"],
        "batch_input_shape": ["batch_shape"],
        "bias": ["use_bias"],
        "border_mode": ["padding"],
        "concat_axis": ["axis"],
        "dim_ordering": ["data_format"],
        "dot_axes": ["axes"],
        "dropout_U": ["recurrent_dropout"],
        "dropout_W": ["dropout"],
        "filter_length": ["kernel_size"],
        "forget_bias_init": ["unit_forget_bias"],
        "init": [f"{name}_initializer" for name in KERNELS],
        "inner_activation": ["recurrent_activation"],
        "inner_init": ["recurrent_initializer"],
        "input_dtype": ["dtype"],
        "kernel_dim1": ["kernel_size"],
        "kernel_dim2": ["kernel_size"],
        "kernel_dim3": ["kernel_size"],
        "length": ["size"],
        "nb_col": ["kernel_size"],
        "nb_filter": ["filters"],
        "nb_row": ["kernel_size"],
        "output_dim": ["units"],
        "p": ["rate"],
        "pool_length": ["pool_size"],
        "sigma": ["stddev"],
        "stride": ["strides"],
        "subsample": ["strides"],
        "subsample_length": ["strides"],
    },
    2: {"alpha": ["negative_slope"], "batch_input_shape": ["batch_shape"]},
    3: {},
}
# Options that the IR says elsewhere, or that nothing needs, with the reason.
LAYERS = ("backward_layer", "cell", "layer")
INSIDE = dict.fromkeys((*LAYERS, "cells"), "layers inside")
OF_A_MODE = "an option of another mode of Merge"
ADAPTERS = "weights by path are saved with their adapters merged in"
ELSEWHERE = {
    1: {
        "arguments": OF_A_MODE,
        "concat_axis": OF_A_MODE,
        "consume_less": "how the weights are kept, which their forms say",
        "dot_axes": OF_A_MODE,
        "input_dim": "a hint of a shape",
        "layer": "the layer inside",
        "layers": "the branches, which stand before the layer",
        "mode": "the class says it",
        "mode_type": OF_A_MODE,
        "output_mask": OF_A_MODE,
        "output_mask_type": OF_A_MODE,
        "output_shape": "output_padding of a convolution; else of another mode",
        "output_shape_type": OF_A_MODE,
    },
    2: {
        **INSIDE,
        "dtype": "of the input of a TimeDistributed; the layer inside has its own",
    },
    3: {
        **INSIDE,
        "lora_alpha": ADAPTERS,
        "lora_rank": ADAPTERS,
        "quantization_config": "inputs_quantizer and the forms of the weights say it",
    },
}
# Layers of Keras 1 that Keras 2 kept, options and all.
KEPT = ("Highway", "MaxoutDense", "Merge")
# Options whose value is another than in the file, with the reason.
REWRITTEN = {
    ("BatchNormalization", "epsilon"): "added to the deviation before Keras 1.0.8",
    ("BatchNormalization", "gamma_regularizer"): "objects of Keras 1 have another form",
    **{
        (name, "dtype"): "of a quantised layer, the policy before quantize()"
        for name in ("Dense", "EinsumDense", "Embedding", "ReversibleEmbedding")
    },
    ("Dense", "activation"): "a LeakyReLU inside, in the one spelling",
    ("UpSampling2D", "interpolation"): "bilinear of TensorFlow 1",
    ("ZeroPadding2D", "padding"): "four numbers, or a dict",
}


def in_ir(golden):
    """The architecture in the file, and the model in the IR."""
    with open_model(*golden.files()) as raw:
        model, _ = interpret(raw)
        return raw.config, model


def walk(spec, model):
    """Every model and layer of a file with what it has become."""
    yield spec, model
    options = spec["config"]
    specs = options if isinstance(options, list) else options["layers"]
    first = specs[0]["config"]
    if specs[0]["class_name"] == "Merge" and "layers" in first:
        named = {layer.name: layer for layer in model.layers}
        for branch in first["layers"]:
            inside = branch["config"]
            own = inside if isinstance(inside, list) else inside.get("layers", [branch])
            for layer in own:
                yield from walk_layer(layer, named[layer["config"]["name"]])
    # Nodes of shapes that operations read themselves have become nothing.
    left = {layer.name for layer in model.layers}
    specs = [s for s in specs if s["class_name"] not in OPERATIONS or s["name"] in left]
    # Input layers that the file leaves out, and those branches, stand in front.
    layers = model.layers[len(model.layers) - len(specs) :]
    for layer, found in zip(specs, layers, strict=True):
        yield from walk_layer(layer, found)


def walk_layer(spec, layer):
    if spec["class_name"] in MODELS:
        yield from walk(spec, layer.model)
        return
    yield spec, layer
    children = dict(layer.children)
    options = spec["config"]
    for key in LAYERS:
        if isinstance(options.get(key), dict) and "class_name" in options[key]:
            both = spec["class_name"] == "Bidirectional" and key == "layer"
            yield from walk_layer(
                options[key], children["forward_layer" if both else key]
            )
    if isinstance(options.get("cells"), list):
        for cell, (_, found) in zip(options["cells"], layer.children, strict=True):
            yield from walk_layer(cell, found)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_option_of_every_file_is_kept(generation):
    lost, used = set(), set()
    for golden in goldens(generation):
        try:
            config, model = in_ir(golden)
        except ModelFileError:
            assert "refused" in golden.facts
            continue
        for spec, found in walk(config, model):
            if spec["class_name"] in MODELS:
                written = without_graph(spec)
                assert found.config == written
                assert found.sequential == (spec["class_name"] == "Sequential")
            elif spec["class_name"] not in OPERATIONS:
                missing = lost_of(spec, found, generation, used)
                lost.update((golden.name, spec["class_name"], key) for key in missing)
    assert not lost
    # Nor does a row outlive what it was written for.
    assert used == RENAMED[generation].keys() | ELSEWHERE[generation].keys()


def goldens(generation):
    for pattern in GENERATIONS[generation]:
        for path in sorted(FIXTURES.glob(f"{pattern}/*/case.json")):
            yield Golden(path.parent)


def without_graph(spec):
    options = spec["config"]
    written = options if isinstance(options, dict) else {}
    return {key: value for key, value in written.items() if key not in GRAPH}


def lost_of(spec, layer, generation, used):
    """The options that have no place in the IR; ``used`` gets the rows it takes."""
    assert not layer.config.keys() & layer.training.keys()
    kept = {**layer.config, **layer.training}
    # Layers that Keras 2 kept are written as in Keras 1.
    rows = 1 if spec["class_name"] in KEPT else generation
    for key, value in plain(spec["config"]).items():
        if key in kept:
            if kept[key] != value and (spec["class_name"], key) not in REWRITTEN:
                yield key
        elif kept.keys() & set(RENAMED[rows].get(key, ())) or key in ELSEWHERE[rows]:
            used |= {key} if rows == generation else set()
        else:
            yield key


def ir_of(name):
    return in_ir(Golden(FIXTURES / name))[1]


def training_of(model):
    """What is kept of each layer's training, without what is usual."""
    return {layer.name: usual_left_out(layer.training) for layer in model.layers}


def usual_left_out(training):
    usual = {"trainable": True, "dropout": 0.0, "recurrent_dropout": 0.0}
    return {k: v for k, v in training.items() if v is not None and v != usual.get(k)}


@pytest.mark.parametrize(
    ("name", "sequential"),
    [
        ("keras-1.2/lstm", False),
        ("keras-1.2/training_options", True),
        ("keras-2.2/mixed_stack", True),
        ("keras-2.2/shared_layers", False),
        ("tf-2.15/mixed_stack", True),
        ("keras-3.15/mixed_stack", True),
        ("keras-3.15/training_options", False),
    ],
)
def test_sequential_and_functional_models(name, sequential):
    assert ir_of(name).sequential is sequential


@pytest.mark.parametrize("generation", ["keras-3.3", "keras-3.15"])
def test_a_frozen_model_inside_another_is_marked(generation):
    model = ir_of(f"{generation}/frozen_nested")
    assert model.config == {"name": model.name, "trainable": True}
    inside = [layer for layer in model.layers if layer.model is not None]
    assert [layer.class_name for layer in inside] == ["Sequential", "Sequential"]
    flags = [layer.model.config["trainable"] for layer in inside]
    assert flags == [True, False]
    frozen = [
        [not own.training.get("trainable", True) for own in layer.model.layers]
        for layer in inside
    ]
    # The first model's first layer; and every layer of the second but its input.
    assert frozen == [[False, True, *[False] * 3], [False, *[True] * 4]]


@pytest.mark.parametrize(
    ("name", "trainable"),
    [
        ("keras-1.2/frozen_layers", []),
        ("keras-2.2/frozen_layers", ["last"]),
        (
            "keras-3.15/frozen_nested_h5",
            ["left/left_gru", "left/left_last", "left/left_normalisation", "lstm"],
        ),
    ],
)
def test_weights_of_frozen_layers_are_known_as_such(name, trainable):
    with convert(*Golden(FIXTURES / name).files()) as conversion:
        slots = Slots(conversion.built.weights, Specs(), PathNaming())
        wanted = [
            slot
            for layer, path, stored in slots.layers(conversion.model)
            for slot in slots.of(layer, path, stored)
        ]
    owners = {slot.path.rpartition("/")[0] for slot in wanted if slot.trainable}
    assert sorted(owners) == trainable


def test_training_options_of_keras_1_are_spelled_as_in_keras_3_where_that_is_certain():
    found = [usual_left_out(layer.training) for layer in ir_of(KERAS_1).layers]
    _, embedding, gru, lstm, normalisation, dense = found
    orthogonal = {"class_name": "Orthogonal", "config": {"gain": 1.1, "seed": None}}
    assert embedding == {
        "embeddings_initializer": "random_normal",
        "embeddings_regularizer": l1l2(0.01, 0.0),
        "embeddings_constraint": {"class_name": "NonNeg", "config": {}},
        "dropout": 0.25,
    }
    assert gru == {
        "kernel_initializer": {
            "class_name": "VarianceScaling",
            "config": {
                "scale": 2.0,
                "mode": "fan_in",
                "distribution": "untruncated_normal",
                "seed": None,
            },
        },
        "recurrent_initializer": "identity",
        "kernel_regularizer": l1l2(0.0, 0.02),
        "recurrent_regularizer": l1l2(0.25, 0.5),
        "dropout": 0.1,
        "recurrent_dropout": 0.3,
    }
    assert lstm == {
        "kernel_initializer": "glorot_uniform",
        "recurrent_initializer": orthogonal,
        "unit_forget_bias": False,
        "bias_regularizer": l1l2(0.0, 0.5),
    }
    assert normalisation == {"momentum": 0.75, "gamma_regularizer": l1l2(0.0, 0.5)}
    # What these mean is not certain, or Keras 3 has nothing of the kind.
    assert dense == {
        "kernel_initializer": orthogonal,
        "W_regularizer": {"name": "EigenvalueRegularizer"},
        "activity_regularizer": {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.5},
        "W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0},
        "bias_constraint": {"class_name": "NonNeg", "config": {}},
    }


def l1l2(l1, l2):
    rates = {"l1": pytest.approx(l1), "l2": pytest.approx(l2)}
    return {"class_name": "L1L2", "config": rates}


def test_training_options_of_keras_1_layers_that_are_gone_stay_as_written():
    layers = {layer.class_name: layer for layer in ir_of(GONE).layers}
    assert layers["ParametricSoftplus"].training["beta_init"] == 5.0
    assert layers["SReLU"].training["a_right_init"] == "one"
    assert layers["PReLU"].training == {"alpha_initializer": "zeros", "trainable": True}


def test_training_options_of_keras_3_stay_as_written_tags_and_all():
    found = training_of(ir_of(KERAS_3))
    constant = found["embedding"]["embeddings_initializer"]
    assert constant["config"]["value"] == {
        "class_name": "__numpy__",
        "config": {"value": [0.0, 1.0, 2.0, 3.0], "dtype": "float64"},
    }
    gru = found["gru"]
    assert gru["kernel_initializer"]["config"]["seed"] == 3
    assert gru["recurrent_initializer"]["config"] == {"gain": 1.1, "seed": None}
    assert gru["recurrent_regularizer"]["config"] == {"l1": 0.25, "l2": 0.5}
    assert gru["bias_constraint"]["config"] == {"max_value": 2, "axis": 1}
    assert (gru["dropout"], gru["recurrent_dropout"], gru["seed"]) == (0.1, 0.3, 7)
    normalisation = found["batch_normalization"]
    assert normalisation["momentum"] == 0.75
    assert normalisation["gamma_constraint"]["class_name"] == "NonNeg"
    assert found["dropout"] == {"seed": 5}
    assert found["dense"]["trainable"] is False
    assert found["dense"]["activity_regularizer"]["config"] == {"l2": 0.5}
    # None of it is among the options that may decide numbers.
    for layer in ir_of(KERAS_3).layers:
        assert not [key for key in layer.config if key.endswith(OBJECTS)]
