"""Memory: of an export that of its largest weight, of a model its weights once."""

import json
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

import checkpoint_writer
import gru2np
from gru2np_runtime import load
from modelfiles import with_keys

LAYERS, UNITS = 12, 900
# Bytes of a weight, and of all of them.
LARGEST = UNITS * UNITS * 4
WHOLE = LAYERS * LARGEST

SCRIPT = """
import sys

def memory(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))

import numpy as np
import gru2np, gru2np.convert, gru2np_runtime
from gru2np.generations.releases import line

# Tables of releases are read once, whatever the model.
saved = (("tf.keras", "2.15.0"), ("keras-3", "3.10.0"))
tables = [line(name).writers(text) for name, text in saved]
classes = [line(own.line).classes(own) for found in tables for own in found]
resident = memory("VmRSS")
{code}
print((memory("VmHWM") - resident) * 1024)
"""


def dense(number):
    config = {"name": f"d{number}", "units": UNITS, "activation": "linear"}
    return {
        "class_name": "Dense",
        "module": "keras.layers",
        "config": {**config, "use_bias": True, "dtype": "float32"},
    }


def architecture(shape_key, *release):
    first = {
        "class_name": "InputLayer",
        "module": "keras.layers",
        "config": {shape_key: [None, UNITS], "dtype": "float32", "name": "x"},
    }
    layers = [first, *map(dense, range(LAYERS))]
    config = {"name": "m", "layers": layers}
    return with_keys({"class_name": "Sequential", "config": config}, *release)


def weights(number):
    """Kernel and bias of a layer."""
    rng = np.random.default_rng(number)
    return (
        rng.random((UNITS, UNITS), "float32"),
        rng.random(UNITS, "float32"),
    )


def write_h5(path):
    with h5py.File(path, "w") as file:
        config = architecture("batch_input_shape", "tf.keras", "2.15.1")
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["backend"] = "tensorflow"
        top = file.create_group("model_weights")
        names = [f"d{i}" for i in range(LAYERS)]
        top.attrs["layer_names"] = np.array(names, "S")
        for i, name in enumerate(names):
            group = top.create_group(name)
            own = [f"{name}/kernel:0", f"{name}/bias:0"]
            group.attrs["weight_names"] = np.array(own, "S")
            group[own[0]], group[own[1]] = weights(i)


def write_keras(path, compression=zipfile.ZIP_STORED):
    beside = path.with_suffix(".weights.h5")
    with h5py.File(beside, "w") as file:
        for i in range(LAYERS):
            name = f"dense_{i}" if i else "dense"
            group = file.create_group(f"layers/{name}/vars")
            group["0"], group["1"] = weights(i)
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.10.0"}))
        archive.writestr(
            "config.json", json.dumps(architecture("batch_shape", "keras-3", "3.15.1"))
        )
        archive.write(beside, "model.weights.h5")
    beside.unlink()


def write_deflated(path):
    write_keras(path, zipfile.ZIP_DEFLATED)


def write_saved_model(path):
    arrays = {}
    for i in range(LAYERS):
        arrays[f"layer-{i}/kernel"], arrays[f"layer-{i}/bias"] = weights(i)
    config = architecture("batch_input_shape", "tf.keras", "2.15.1")
    root = {**config, "keras_version": "2.15.0"}
    files = checkpoint_writer.saved_model(checkpoint_writer.Draft(arrays, shards=2))
    files["saved_model.pb"] = checkpoint_writer.meta_graph(version="2.15.1")
    files["keras_metadata.pb"] = checkpoint_writer.metadata(root)
    checkpoint_writer.write(path, files)


FILES = {
    "legacy.h5": write_h5,
    "stored.keras": write_keras,
    "deflated.keras": write_deflated,
    "savedmodel": write_saved_model,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A function that gives the path of a model file, written once."""
    folder = tmp_path_factory.mktemp("memory")

    def path_of(name):
        path = folder / name
        if not path.exists():
            FILES[name](path)
        return path

    return path_of


@pytest.fixture(scope="module")
def bundle(model):
    path = model("legacy.h5").with_suffix(".npz")
    gru2np.export(model("legacy.h5"), path)
    return path


def peak(code, *arguments):
    """Bytes that some code takes at most, in a process of its own."""
    if not sys.platform.startswith("linux"):
        pytest.skip("measured where there is /proc")
    script = SCRIPT.format(code=code)
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("name", FILES)
def test_an_export_holds_one_weight_at_a_time(model, tmp_path, name):
    out = tmp_path / "model.npz"
    taken = peak("gru2np.export(*sys.argv[1:])", model(name), out)
    assert taken < 4 * LARGEST < WHOLE / 2
    stored = load(out, mapped=True).get_layer("d7").weights
    for array, expected in zip(
        (stored["kernel"], stored["bias"]), weights(7), strict=True
    ):
        np.testing.assert_array_equal(array, expected)


def test_a_model_holds_its_weights_once(bundle):
    assert peak("model = gru2np_runtime.load(sys.argv[1])", bundle) < 1.2 * WHOLE


def test_a_mapped_model_holds_what_it_uses(bundle):
    """The checksums touch every page, which is given back."""
    code = "model = gru2np_runtime.load(sys.argv[1], mapped=True)"
    given_back = "resident += memory('VmHWM') - memory('VmRSS')"
    assert peak(f"{code}\n{given_back}", bundle) < 0.2 * WHOLE
