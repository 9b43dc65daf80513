"""What ``make bench`` measures is what it says: models, numbers and ratios."""

import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest

import goldens
import gru2np_runtime


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of the harness, which runs from its own folder."""
    # The harness sets it for its process.
    monkeypatch.setenv("GRU2NP_KERNEL", "numpy")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(goldens.ROOT / "benchmarks"))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in MODULES:
            del sys.modules[name]


MODULES = {
    "bundles",
    "cold",
    "fleet",
    "goals",
    "models",
    "peers",
    "scaling",
    "tables",
}


def small(workload):
    """The same model on less data."""
    return replace(workload, time=min(workload.time, 6), batch=min(workload.batch, 3))


def test_bundles_give_the_reference_s_numbers(bench, tmp_path):
    models, bundles = bench("models"), bench("bundles")
    ours = bench("peers.ours").Ours("numpy")
    for workload in (*models.STEPS, *models.SEQUENCES[::2], models.BATCHES[0]):
        workload = small(workload)
        models.write_data(tmp_path, workload)
        bundles.write_bundle(tmp_path, workload)
        x, expected = np.load(tmp_path / "x.npy"), np.load(tmp_path / "y.npy")
        run = ours.load(workload, tmp_path)()
        y = np.stack([run(row) for row in x]) if workload.step else run(x)
        assert expected.dtype == np.float64
        np.testing.assert_allclose(y, expected, atol=3e-6, err_msg=workload.name)


def test_bundles_are_named_as_layers_are(bench, tmp_path):
    models, bundles = bench("models"), bench("bundles")
    workload = small(models.STEPS[0])
    models.write_data(tmp_path, workload)
    bundles.write_bundle(tmp_path, workload)
    model = gru2np_runtime.load(tmp_path / "model.npz")
    assert [layer.name for layer in model.layers] == [
        "recurrent_0",
        "recurrent_1",
        "recurrent_2",
        "dense",
    ]


def test_a_ratio_is_the_median_of_the_rounds(bench):
    found = {"a": {"rounds": [1.0, 6.0, 4.0]}, "b": {"rounds": [2.0, 2.0, 2.0]}}
    assert bench("fleet").ratio(found, "a", "b") == [2.0, 0.5, 3.0]
    assert bench("fleet").ratio(found, "a", "missing") is None


def test_bounds_are_of_what_is_measured(bench):
    models, goals, peers = bench("models"), bench("goals"), bench("peers")
    known = {w.name for w in (*models.STEPS, *models.SEQUENCES, *models.BATCHES)}
    for name, bounds in goals.BOUNDS.items():
        assert name in peers.PEERS
        assert {workload for workload, _, _ in bounds} <= known
        assert {other for _, other, _ in bounds} <= set(peers.PEERS)
    assert set(peers.EXPLAINED) == set(peers.PEERS)


def test_losses_are_told(bench):
    rounds = {"ONNX Runtime": 1.0, "gru2np numpy": 3.0, "LiteRT": 4.0}
    measured = {"gru64-t100": {n: {"rounds": [s]} for n, s in rounds.items()}}
    lines = bench("tables").losses(measured)
    assert lines == ["- GRU64, T = 100, gru2np numpy: ONNX Runtime (3.00x)"]


@pytest.mark.parametrize(("seconds", "text"), [(2e-6, "2.00 µs"), (0.0123, "12.3 ms")])
def test_durations_read_well(bench, seconds, text):
    assert bench("tables").duration(seconds) == text
