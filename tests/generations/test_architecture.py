"""Architectures with a wrong value in one place."""

import copy
import io
import operator
import re
from dataclasses import replace

import pytest

import config_fuzz
import goldens
import gru2np
from gru2np.bundle import write
from gru2np.convert import converted
from gru2np.generations import interpret
from gru2np.readers import open_model


def records(value):
    """Every record of an architecture that names a class."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for inner in value.values():
            yield from records(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from records(inner)


def first(config, class_name):
    return next(own for own in records(config) if own["class_name"] == class_name)


def options(class_name, /, **values):
    """A change of options of the first layer of a class."""
    return lambda config: first(config, class_name)["config"].update(values)


def record(class_name, /, **values):
    """A change of the record of the first layer of a class."""
    return lambda config: first(config, class_name).update(values)


def positional(class_name, *values):
    """More arguments by position in the first call of a Keras 3 layer."""
    return lambda config: first(config, class_name)["inbound_nodes"][0]["args"].extend(
        values
    )


def named(class_name, /, **values):
    """More arguments by name in the first call of a Keras 3 layer."""
    return lambda config: first(config, class_name)["inbound_nodes"][0][
        "kwargs"
    ].update(values)


def convert(raw, config):
    """Convert under another architecture, and write what comes out."""
    changed = replace(raw, config=config)
    model, meaning = interpret(changed)
    conversion = converted(changed, model, meaning)
    write(conversion, io.BytesIO())
    return conversion


def refusal(case, change):
    """What is said of a fixture whose architecture was changed."""
    with open_model(*goldens.Golden(goldens.FIXTURES / case).files()) as raw:
        config = copy.deepcopy(dict(raw.config))
        change(config)
        with pytest.raises(gru2np.Gru2npError) as refused:
            convert(raw, config)
        # Inspecting it ends no worse.
        assert config_fuzz.escape(replace(raw, config=config)) is None
    return str(refused.value)


def nested_input(dtype):
    def change(config):
        inner = first(config["config"]["layers"], "Functional")
        for own in inner["config"]["layers"]:
            if own["class_name"] == "InputLayer":
                own["config"]["dtype"] = dtype

    return change


def without_sizes(config):
    own = first(config, "Convolution3D")["config"]
    for key in ("kernel_dim1", "kernel_dim2", "kernel_dim3"):
        del own[key]
    own["kernel_size"] = 3


def mode(number, **values):
    """BatchNormalization of Keras 1 in one of its modes."""

    def change(config):
        own = next(
            own
            for own in records(config)
            if own["class_name"] == "BatchNormalization"
            and own["config"]["mode"] == number
        )
        own["config"].update(values)

    return change


# What used to end in a traceback, or to be passed over in silence.
@pytest.mark.parametrize(
    ("case", "change", "said"),
    [
        (
            "keras-2.2/masking_sequential",
            options("GRU", activation={"class_name": {}}),
            r"'gru_1' \(GRU\), option activation={}: expected an activation function",
        ),
        (
            "keras-1.2/merging",
            options("Merge", mode=[]),
            r"'merge_1' \(Merge\): a merge by Python code",
        ),
        (
            "keras-1.2/merge_branches",
            lambda config: first(config, "Merge")["config"]["layers"][0].update(
                class_name={}
            ),
            r"expected a name, got {}",
        ),
        (
            "keras-3.15/bins",
            options("Discretization", dtype={"class_name": "DTypePolicy"}),
            r"'bins' \(Discretization\), option dtype={'class_name': 'DTypePolicy'}",
        ),
        (
            "keras-3.15/bins",
            options("Discretization", dtype={"class_name": "DTypePolicy", "config": 1}),
            r"'bins' \(Discretization\), option dtype=",
        ),
        (
            "keras-3.15/softmax_axes",
            record("Softmax", inbound_nodes=[{"args": [], "kwargs": {}}]),
            r"'softmax' \(Softmax\): expected calls with tensors, got one without",
        ),
        (
            "keras-3.15/softmax_axes",
            record("Softmax", inbound_nodes=[{"args": ["x"], "kwargs": {}}]),
            r"'softmax' \(Softmax\), option argument 0='x'",
        ),
        (
            "keras-1.2/time_distributed",
            record("TimeDistributed", inbound_nodes=[[]]),
            r"'encoder' \(TimeDistributed\): expected calls with tensors",
        ),
        (
            "keras-3.15/mask_merges_two",
            record("Maximum", inbound_nodes=[{"args": [], "kwargs": {}}]),
            r"'maximum' \(Maximum\): expected calls with tensors",
        ),
        (
            "keras-2.2/masking_sequential",
            record("GRU", class_name="InputLayer"),
            r"'gru_1' \(InputLayer\): a custom class, .*: the file has no sparse",
        ),
        (
            "keras-3.15/whole_number_layers",
            nested_input([]),
            r"\(InputLayer\), option dtype=\[\]: inputs of this dtype",
        ),
        (
            "keras-3.15/whole_number_layers",
            nested_input("x"),
            r"\(InputLayer\), option dtype='x': inputs of this dtype",
        ),
        (
            "keras-2.2/masking_sequential",
            options("Masking", mask_value=10**400),
            r"'masking_1' \(Masking\), option mask_value=1000\d+\.\.\.: expected a num",
        ),
        (
            "tf-keras-2.21/softmax_masked",
            options("Softmax", axis=10**400),
            r"\(Softmax\), option axis=1000\d+\.\.\.: expected an axis",
        ),
        (
            "keras-3.0/masking_gru",
            lambda config: operator.setitem(
                first(config, "NotEqual")["inbound_nodes"][0]["args"], 1, 10**400
            ),
            r"\(ops\.NotEqual\): expected a number or an array of numbers",
        ),
        (
            "tf-2.10/mask_argument",
            record("LSTM", inbound_nodes=[[["x", 0, 0, {"mask": [0]}]]]),
            r"'lstm' \(LSTM\), option mask=\[0\]: called with a mask of numbers",
        ),
        (
            "keras-1.2/volume_shapes",
            without_sizes,
            r"\(Convolution3D\): a custom class, .*: the file has no kernel_dim1",
        ),
        (
            "keras-1.0.5-theano/normalisation",
            mode(0, epsilon="x"),
            r"\(BatchNormalization\), option epsilon='x': expected a number",
        ),
        (
            "keras-1.0.5-theano/normalisation",
            mode(0, mode=3),
            r"\(BatchNormalization\), option mode=3: expected 0 or 1",
        ),
        (
            "keras-1.0.5-theano/normalisation",
            mode(1, scale=False, center=False),
            r"the weights do not fit the architecture",
        ),
        (
            "keras-3.15/gru_json",
            lambda config: config["config"].update(layers=3),
            r"expected an array, got 3",
        ),
        (
            "tf-keras-2.21/heads_taking_masks",
            lambda config: first(config, "MultiHeadAttention")["inbound_nodes"][
                0
            ].append(["x", 0, 0, {}]),
            r"'first' \(MultiHeadAttention\): expected a query and a value",
        ),
        (
            "keras-3.15/heads",
            positional("MultiHeadAttention", *[None] * 5, True),
            r"'plain' \(MultiHeadAttention\), option argument 7=True",
        ),
        (
            "keras-3.15/dict_inputs",
            lambda config: config["config"].update(input_layers={}),
            r"expected at least one tensor, got {}",
        ),
        (
            "keras-3.15/dense",
            options(
                "Dense",
                layer={"class_name": "Dense", "config": {"name": "x", "units": 1}},
            ),
            r"\(Dense\), option layer=None: such a layer has no layer inside",
        ),
        (
            "keras-3.15/encoder_decoder",
            positional("LSTM", None, None, True),
            r"'encoder' \(LSTM\), option argument 3=True",
        ),
        (
            "keras-3.15/encoder_decoder",
            lambda config: positional(
                "GRU", None, *first(config, "GRU")["inbound_nodes"][0]["args"]
            )(config),
            r"a positional tensor after an omitted argument",
        ),
        (
            "keras-3.15/encoder_decoder",
            named("GRU", mask={"class_name": "__numpy__", "config": {"value": [1]}}),
            r"called with a mask of numbers.*make the mask an input",
        ),
        (
            "keras-3.15/encoder_decoder",
            named("GRU", initial_state=[[0.0, 0.0, 0.0]]),
            r"called with initial states of numbers.*make them inputs",
        ),
        (
            "keras-3.15/reversible_embedding",
            named("ReversibleEmbedding", reverse="x"),
            r"expected true or false for reverse, got 'x'",
        ),
        (
            "keras-3.15/bidirectional",
            lambda config: first(config, "Bidirectional")["config"]["layer"][
                "config"
            ].update(return_sequences="x"),
            r"option return_sequences='x': expected true or false",
        ),
        (
            "keras-3.15/heads_taking_masks",
            lambda config: first(config, "MultiHeadAttention")["config"].update(
                use_gate=True
            ),
            r"gate/kernel: expected shape \(4, 2, 3\), got no array",
        ),
        (
            "tf-2.15/mask_initial_state",
            lambda config: config["config"]["input_layers"].append(["h", 0, 0]),
            r"architecture: input 'h' appears twice",
        ),
    ],
)
def test_a_value_that_no_layer_supports(case, change, said):
    assert re.search(said, refusal(case, change))


@pytest.mark.parametrize("class_name", ["os.system", "Package>GRU", "builtins.eval"])
@pytest.mark.parametrize("module", [None, "os", "keras.layers", "my.package"])
def test_a_class_is_never_looked_up(class_name, module):
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "gru")
    with open_model(*golden.files()) as raw:
        config = copy.deepcopy(dict(raw.config))
        layers = config["config"]["layers"]
        layer = next(spec for spec in layers if spec["class_name"] == "GRU")
        layer["class_name"], layer["module"] = class_name, module
        with pytest.raises(gru2np.UnsupportedModelError) as refusal:
            convert(raw, config)
    assert class_name in str(refusal.value)


def test_a_users_class_of_a_built_in_name_is_refused():
    """Its module tells that it is not Keras' own."""
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "gru")
    with open_model(*golden.files()) as raw:
        config = copy.deepcopy(dict(raw.config))
        for spec in config["config"]["layers"]:
            if spec["class_name"] == "GRU":
                spec.update(module="my.package", registered_name="my>GRU")
        with pytest.raises(gru2np.UnsupportedModelError, match=r"my\.package>GRU"):
            convert(raw, config)


@pytest.mark.parametrize("value", [None, False, 0])
def test_training_that_is_off_changes_nothing(value):
    case = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "nested_several_outputs")
    with open_model(*case.files()) as raw:
        config = copy.deepcopy(dict(raw.config))
        nested = first(config["config"]["layers"], "Functional")
        nested["inbound_nodes"][0]["kwargs"].update(training=value)
        found, wanted = convert(raw, config), convert(raw, raw.config)
    assert found.manifest({}) == wanted.manifest({})
