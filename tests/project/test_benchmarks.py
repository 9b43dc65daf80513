"""What ``make bench`` measures is what it says: models, numbers and ratios."""

import importlib
import json
import subprocess
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
    "networks",
    "peers",
    "plots",
    "prepare",
    "report",
    "run",
    "scaling",
    "tables",
    "worker",
}


def small(workload):
    """The same model on less data."""
    return replace(workload, time=min(workload.time, 6), batch=min(workload.batch, 3))


def test_bundles_give_the_reference_s_numbers(bench, tmp_path):
    models, bundles = bench("models"), bench("bundles")
    ours = bench("peers.ours").Ours("numpy")
    some = (*models.STEPS, models.BLOCKS[0], *models.SEQUENCES[::2], models.BATCHES[0])
    for workload in some:
        workload = small(workload)
        models.write_data(tmp_path, workload)
        bundles.write_bundle(tmp_path, workload)
        x, expected = np.load(tmp_path / "x.npy"), np.load(tmp_path / "y.npy")
        run = ours.load(workload, tmp_path)()
        y = np.stack([run(row) for row in x]) if workload.step else run(x)
        assert expected.dtype == np.float64
        np.testing.assert_allclose(y, expected, atol=3e-6, err_msg=workload.name)


@pytest.mark.parametrize("variant", ["numpy", "one by one"])
def test_sessions_give_the_reference_s_numbers(bench, tmp_path, variant):
    models, bundles = bench("models"), bench("bundles")
    ours = bench("peers.ours").Ours("numpy")
    ours.kernel = variant
    for workload in models.SESSIONS[1:5]:
        models.write_data(tmp_path, workload)
        bundles.write_bundle(tmp_path, workload)
        x, expected = np.load(tmp_path / "x.npy"), np.load(tmp_path / "y.npy")
        run = ours.load(workload, tmp_path)()
        y = np.stack([run(row)[: models.CHECKED_ROWS] for row in x])
        assert x.shape == (models.CHECKED_STEPS, workload.batch, 4)
        np.testing.assert_allclose(y, expected, atol=3e-6, err_msg=workload.name)
        # Calls after those that are checked are of other sessions.
        calls = models.sessions_of_calls(workload)
        rows = [next(calls).tolist() for _ in range(len(x) + 5)]
        some = workload.batch < workload.sessions
        assert len({tuple(row) for row in rows}) == (5 if some else 1)
        assert all(len(set(row)) == workload.batch for row in rows)


def test_rates_are_rows_a_second(bench):
    workload = bench("models").SESSIONS[1]
    measured = {workload.name: {"gru2np c": {"rounds": [2e-3, 1e-3]}}}
    lines = bench("tables").rates([workload], measured)
    assert lines[2] == f"| Step of {workload.title} | {workload.batch * 1000:,} |"


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


def test_starts_are_of_compiled_modules(bench, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment = bench("fleet").environment
    assert "PYTHONDONTWRITEBYTECODE" not in environment(1)
    assert environment(1)["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in environment(None)


def test_a_ratio_is_the_median_of_the_rounds(bench):
    found = {"a": {"rounds": [1.0, 6.0, 4.0]}, "b": {"rounds": [2.0, 2.0, 2.0]}}
    assert bench("fleet").ratio(found, "a", "b") == [2.0, 0.5, 3.0]
    assert bench("fleet").ratio(found, "a", "missing") is None


def test_bounds_are_of_what_is_measured(bench):
    models, goals, peers = bench("models"), bench("goals"), bench("peers")
    every = (
        models.STEPS,
        models.BLOCKS,
        models.SEQUENCES,
        models.BATCHES,
        models.NETWORKS,
    )
    known = {workload.name for workloads in every for workload in workloads}
    for name, bounds in goals.BOUNDS.items():
        assert name in peers.PEERS
        assert {workload for workload, _, _ in bounds} <= known
        assert {other for _, other, _ in bounds} <= set(peers.PEERS)
    assert set(peers.EXPLAINED) == set(peers.PEERS)


def test_losses_are_reported(bench):
    rounds = {"ONNX Runtime": 1.0, "gru2np numpy": 3.0, "LiteRT": 4.0}
    measured = {"gru64-t100": {n: {"rounds": [s]} for n, s in rounds.items()}}
    lines = bench("tables").losses(measured)
    assert lines[2:] == ["| GRU64, T = 100 | – | ONNX Runtime 3.00x |"]


def test_targets_are_next_to_the_measurements(bench):
    rounds = {"gru2np c": 1.4, "gru2np numpy": 12.0, "ONNX Runtime": 2.0}
    measured = {
        "gru64-t100": {
            name: {"rounds": [seconds], "difference": 1e-7}
            for name, seconds in rounds.items()
        }
    }
    lines = bench("tables").bounds(measured, {})
    row = "| GRU64, T = 100: gru2np c / ONNX Runtime | 0.65 |"
    assert f"{row} 0.70 | **not met** |" in lines
    # Those that nobody measured count too.
    assert (
        "| GRU64, T = 100: gru2np numpy / gru2np plain | 0.45 | – | not measured |"
        in (lines)
    )
    assert "0 of 6 are met." in lines
    measured["gru64-t100"]["ONNX Runtime"]["rounds"] = [2.5]
    lines = bench("tables").bounds(measured, {})
    assert f"{row} 0.56 | met |" in lines
    assert "1 of 6 are met." in lines


def test_the_page_names_what_failed_and_no_folder_of_this_machine(bench, tmp_path):
    report = bench("report")
    where = str(goldens.ROOT / "build" / "bench" / "x.onnx")
    measured = {
        "crnn-b1": {
            "Keras batch": {"rounds": [4.0], "difference": 1e-8},
            "gru2np c": {"rounds": [1.0], "difference": 1e-8},
            "OpenVINO": {"error": f"no such operator in {where}"},
        }
    }
    empty = {key: {} for key in ("latencies", "default", "cold", "scaling", "threads")}
    results = {
        "date": "2026-11-22",
        "machine": {**report.machine_facts(), "load": [1.0, 4.0, 2.0]},
        "versions": {"gru2np c": "gru2np 1"},
        "missing": {"PyTorch": "it is not installed"},
        "left_out": [],
        "measured": measured,
        **empty,
    }
    page = tmp_path / "page.md"
    report.write_report(page, results)
    text = page.read_text("utf-8")
    assert str(goldens.ROOT) not in text
    assert "OpenVINO: no such operator" in text
    assert "x.onnx (CRNN, picture of 32 x 128, batch 1)" in text
    assert "PyTorch: **missing**, it is not installed" in text
    assert "load average 1.0 to 4.0, median 2.0" in text
    assert "| 4.00 s<br>1.0e-08 | **0.25**<br>1.0e-08 | failed |" in text


def test_one_command_measures_and_writes_the_page(bench, tmp_path, monkeypatch):
    run, prepare, fleet = bench("run"), bench("prepare"), bench("fleet")
    for module in (run, prepare):
        monkeypatch.setattr(module, "FOLDER", tmp_path / "bench")
    page = tmp_path / "page.md"
    only = "gru2np numpy,gru2np plain"
    models = "step-gru20,rnn64-t100"
    monkeypatch.setattr(sys, "argv", ["run.py", "--quick", "--only", only])
    sys.argv += ["--models", models, "--output", str(page)]
    # A worker that ends is begun anew for the next model.
    prepared = fleet.Handle.ask

    def ask(handle, do, **options):
        if do == "prepare":
            handle.process.kill()
            handle.process.wait()
        return prepared(handle, do, **options)

    monkeypatch.setattr(fleet.Handle, "ask", ask)
    assert run.main() == 0
    text = page.read_text("utf-8")
    assert "**A quick run: few workloads and few rounds.**" in text
    assert "| SimpleRNN64, T = 100: gru2np numpy / ONNX Runtime | 1.70 | –" in text
    assert "3 rounds" in text
    assert "the process ended" not in text
    again = tmp_path / "again.md"
    results = str(tmp_path / "bench" / "results.json")
    sys.argv[1:] = ["--results", results, "--output", str(again)]
    assert run.main() == 0
    assert again.read_text("utf-8") == text


def test_less_is_measured_where_time_is_short(bench):
    run, peers = bench("run"), bench("peers")
    asked = {}

    class Fleet:
        handles = dict.fromkeys(peers.PEERS)

        def measure(self, folder, *, rounds, seconds, names):
            asked[folder] = (seconds, names)
            return {name: {"rounds": [1.0] * rounds} for name in names}

    usual, huge = run.SEQUENCES[0], run.BATCHES[-1]
    folders = {workload.name: workload.name for workload in (usual, huge)}
    given = (Fleet(), [usual, huge], folders, False)
    measured, _, short = run._rounds(*given, run.elapsed() + 1e6, [])
    assert asked[usual.name] == (run.MOST, run.runtimes_of(usual))
    assert asked.pop(huge.name) == (run.MOST, run.FEW)
    assert not short
    measured, _, short = run._rounds(*given, -1e6, [])
    needed = [name for name in run.runtimes_of(usual) if name in run.NEEDED]
    assert asked.pop(usual.name) == (run.LEAST, needed)
    assert not asked
    assert measured[huge.name] == {}
    assert short[0] == f"{huge.title}: no time was left"
    assert short[1].endswith(f"for want of time: {usual.title}")


@pytest.mark.tensorflow
def test_networks_give_what_keras_gives_in_float64(bench, tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    models, fleet = bench("models"), bench("fleet")
    folders = []
    for workload in models.NETWORKS[::2]:
        folder = tmp_path / workload.name
        folder.mkdir()
        models.write_data(folder, workload)
        (folder / "wanted.json").write_text(json.dumps(["model.keras", "y.npy"]))
        folders.append(folder)
    for script in ("convert.py", "bundles.py"):
        subprocess.run(
            [sys.executable, str(fleet.HERE / script), *map(str, folders)],
            env=fleet.environment(1),
            check=True,
            capture_output=True,
        )
    for folder in folders:
        x, expected = np.load(folder / "x.npy"), np.load(folder / "y.npy")
        y = gru2np_runtime.load(folder / "model.npz").predict(x)
        assert expected.dtype == np.float64
        assert np.ptp(expected) > 0.02
        np.testing.assert_allclose(y, expected, atol=5e-6, err_msg=folder.name)


@pytest.mark.parametrize(("seconds", "text"), [(2e-6, "2.00 µs"), (0.0123, "12.3 ms")])
def test_durations_read_well(bench, seconds, text):
    assert bench("tables").duration(seconds) == text


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_small_bundles_hold_small_weights_of_the_same_model(bench, tmp_path, kind):
    models, bundles = bench("models"), bench("bundles")
    workload = small(models.STEPS[0])
    models.write_data(tmp_path, workload)
    bundles.write_bundle(tmp_path, workload, kind)
    run = bench("peers.ours").Ours(kind).load(workload, tmp_path)()
    y = np.stack([run(row) for row in np.load(tmp_path / "x.npy")])
    away = np.abs(y - np.load(tmp_path / "y.npy")).max()
    assert {"float16": 1e-5, "int8": 1e-4}[kind] < away < bench("worker").COARSE / 5
    model = gru2np_runtime.load(tmp_path / f"model.{kind}.npz")
    assert model.storage["dtype"] == kind


def test_small_weights_have_a_table_of_their_own(bench):
    rounds = {"gru2np c": 2.0, "gru2np c int8": 1.0, "ONNX Runtime": 4.0}
    measured = {
        "gru64-t100": {
            name: {"rounds": [seconds], "difference": 1e-7}
            for name, seconds in rounds.items()
        }
    }
    tables = bench("tables")
    (row,) = tables.small(measured)[2:]
    assert row.count("–") == 4
    assert "| **0.50**<br>1.0e-07 |" in row
    assert "int8" not in tables.ratios(["gru64-t100"], measured)[0]
    assert set(tables.BESIDE) > set(bench("peers").SMALL)
