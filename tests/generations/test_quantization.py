"""Quantised layers and adapters of Keras 3: what is read, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import goldens
import gru2np
from gru2np.convert import convert
from gru2np.errors import ModelFileError
from gru2np.generations import packing, quantization
from gru2np.ir import PLAIN
from gru2np_runtime import load
from gru2np_runtime.bundle.container import read_members
from needs_keras import needs_keras

NEW, OLD = (3, 15, 1), (3, 13, 2)
QUANTIZER = {
    "class_name": "AbsMaxQuantizer",
    "config": {"value_range": [-127, 127], "epsilon": 1e-7, "output_dtype": "int8"},
}
CASES = [
    golden.name
    for golden in goldens.all_goldens()
    if golden.folder.name.startswith(("quantised", "lora_h5"))
    and not goldens.refused(golden)
]


def fixture(case):
    return goldens.Golden(goldens.FIXTURES / case).files()[0]


def policy(mode, source="float32", kind="QuantizedDTypePolicy"):
    return {"class_name": kind, "config": {"mode": mode, "source_name": source}}


def config(**options):
    return {"class_name": "Int8QuantizationConfig", "config": options}


def inputs_of(class_name, dtype, version=NEW, **options):
    options = {"units": 2, "equation": "ab,bc->ac", "dtype": dtype, **options}
    spelled, _ = quantization.spelled(class_name, options, version, "paths")
    assert spelled["dtype"] == "float32", spelled
    return spelled.get(quantization.INPUTS)


@pytest.mark.parametrize("case", CASES)
def test_a_quantised_model_gives_the_numbers_of_its_keras(case):
    """Row by row: a row of zeros or of huge numbers hides nothing of the others."""
    golden = goldens.Golden(goldens.FIXTURES / case)
    model, x = load(golden.bundle()), golden.arrays(0, "x")
    found = goldens.flat(model.predict(x if len(x) > 1 else x[0]))
    half = "bfloat16" in case
    for y, z in zip(golden.arrays(0, "y"), found, strict=True):
        size = np.abs(y).max(axis=-1, keepdims=True)
        assert (np.abs(y - z) <= (2e-2 if half else 1e-5) * size + 1e-6).all()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (policy("int8"), ("int8", (), "float32")),
        ("int8_from_mixed_bfloat16", ("int8", (), "mixed_bfloat16")),
        (policy("int4/128", kind="Int4DTypePolicy"), ("int4", (128,), "float32")),
        (policy("gptq/4/-1", kind="GPTQDTypePolicy"), ("gptq", (4, -1), "float32")),
        (
            {
                "class_name": "QuantizedDTypePolicy",
                "config": {"name": "int8_from_float32"},
            },
            ("int8", (), "float32"),
        ),
        ({"class_name": "DTypePolicy", "config": {"name": "float32"}}, None),
        ({"class_name": "QuantizedDTypePolicy", "config": 3}, None),
        ("int4/x_from_float32", None),
        ("float32", None),
        (None, None),
    ],
)
def test_policies_are_read(value, expected):
    assert quantization.policy_of(value) == expected


def test_when_inputs_are_quantised():
    """Measured on each release; the configuration goes before the default."""
    usual = quantization.ABS_MAX
    assert inputs_of("Dense", "int8_from_float32", (3, 3, 3)) == usual
    assert inputs_of("Dense", policy("int4"), OLD) == usual
    assert inputs_of("Dense", policy("int4")) is None
    assert inputs_of("EinsumDense", policy("int4"), OLD) == usual
    assert inputs_of("ReversibleEmbedding", policy("int4")) == usual
    assert inputs_of("Embedding", policy("int8")) is None
    alone = config(activation_quantizer=None)
    assert inputs_of("Dense", policy("int8"), quantization_config=alone) is None
    chosen = json.loads(json.dumps(QUANTIZER))
    chosen["config"].update(value_range=[-100, 90], epsilon=0.5)
    found = inputs_of(
        "Dense",
        policy("int8"),
        quantization_config=config(activation_quantizer=chosen),
    )
    assert found == {"low": -100.0, "high": 90.0, "epsilon": 0.5}
    blocks = config(activation_quantizer=None, block_size=4)
    assert inputs_of("Dense", policy("int4/4"), quantization_config=blocks) is None


@pytest.mark.parametrize(
    ("class_name", "options"),
    [
        ("LSTM", {}),
        ("Dense", {"dtype": policy("float8")}),
        ("Dense", {"dtype": policy("int2")}),
        ("Dense", {"dtype": policy("gptq", kind="GPTQDTypePolicy")}),
        ("Dense", {"dtype": policy("int4/0"), "quantization_config": None}),
        ("Dense", {"quantization_config": 3}),
        ("Dense", {"quantization_config": config(activation_quantizer=3)}),
        (
            "Dense",
            {
                "quantization_config": config(
                    activation_quantizer={**QUANTIZER, "class_name": "Mine"}
                )
            },
        ),
        ("Dense", {"quantization_config": config(block_size="2")}),
        ("EinsumDense", {"equation": "...a,ab->...b"}),
        ("EinsumDense", {"equation": 3}),
    ],
)
def test_other_kinds_keep_their_policy_and_are_refused(class_name, options):
    options = {"dtype": policy("int8"), "equation": "ab,bc->ac", **options}
    spelled, forms = quantization.spelled(class_name, options, NEW, "paths")
    assert spelled == options
    assert forms == (PLAIN,)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("quantised_float8", r"quantised to float8.*before quantize\(\)"),
        ("quantised_bytes_archive", r"GPTQ: Keras since 3.14 leaves.*save .* as \.h5"),
        ("quantised_inside", r"TimeDistributed.*without their scales.*before quanti"),
        ("quantised_heads", r"query_dense/vars .*, got 3.*before quantize\(\)"),
    ],
)
def test_what_is_refused_says_the_way_on(tmp_path, case, words):
    with pytest.raises(gru2np.Gru2npError, match=words):
        gru2np.export(fixture(f"keras-3.15/{case}"), tmp_path / "m.npz")


def test_whole_numbers_stay_bytes_in_the_bundle(tmp_path):
    path = tmp_path / "m.npz"
    gru2np.export(fixture("keras-3.15/quantised"), path)
    with np.load(path) as arrays:
        manifest = json.loads(bytes(arrays["manifest.json"]) or "null")
        assert arrays["dense/kernel"].dtype == np.int8
        record = manifest["graph"]["layers"]["dense"]["weights"]["kernel"]
        assert set(record) == {"dtype", "shape", "sha256"}
    kernel = load(path).get_layer("dense").weights["kernel"]
    assert kernel.dtype == np.float32
    assert (kernel == np.rint(kernel)).all()


@pytest.mark.parametrize("kind", ["int8", "float16"])
def test_small_storage_leaves_whole_numbers(tmp_path, kind):
    exact, small = tmp_path / "m.npz", tmp_path / "small.npz"
    file = fixture("keras-3.15/quantised_rows")
    gru2np.export(file, exact)
    gru2np.export(file, small, store=kind)
    before, after = (read_members(path.read_bytes()) for path in (exact, small))
    kernels = [name for name in before if name.endswith("kernel.npy")]
    assert len(kernels) == 3
    assert all(bytes(before[name]) == bytes(after[name]) for name in kernels)


def test_groups_that_are_not_there_are_refused():
    numbers = np.zeros((3, 2), np.int8)
    scale, zero = np.ones((2, 2), np.float32), np.zeros((2, 2), np.int8)
    for group in (2.0, -1.0, np.nan):
        with pytest.raises(ModelFileError, match="groups from 0 to 1"):
            packing.of_groups(numbers, scale, zero, np.float32([0, 1, group]), 0)


@pytest.mark.parametrize(("shape", "axis"), [((3, 5), -1), ((5, 4), 0), ((2, 3, 3), 1)])
def test_pairs_are_unpacked_along_their_axis(shape, axis):
    numbers = np.random.default_rng(1).integers(-8, 8, shape).astype(np.int8)
    moved = np.moveaxis(numbers, axis, 0)
    if len(moved) % 2:
        moved = np.concatenate([moved, moved[:1] * 0])
    packed = np.moveaxis((moved[::2] & 15) | (moved[1::2] << 4), 0, axis)
    part = packing.pairs("kernel", axis)
    assert part.arrays(shape) == {"kernel": packed.shape}
    np.testing.assert_array_equal(part.join(shape, [packed]), numbers)


def test_integers_where_floats_belong_are_refused(tmp_path):
    """And floats where a quantised layer has whole numbers."""
    import h5py

    path = tmp_path / "m.h5"
    path.write_bytes(fixture("keras-3.15/quantised_h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["model_weights/dense/dense"]
        kernel = group["kernel"][()]
        del group["kernel"]
        group["kernel"] = kernel.astype(np.float32)
        scale = group["kernel_scale"][()]
        del group["kernel_scale"]
        group["kernel_scale"] = scale.astype(np.int8)
    words = "(?s)kernel: expected int8 or uint8, got float32.*scale: expected floating"
    with pytest.raises(ModelFileError, match=words), convert(path):
        pass


@needs_keras
@pytest.mark.parametrize("case", ["quantised", "quantised_blocks"])
def test_verify_agrees(case):
    assert gru2np.verify(fixture(f"keras-3.15/{case}")).agrees
