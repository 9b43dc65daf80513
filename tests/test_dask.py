"""A real Dask cluster of two processes gives what one process gives."""

import contextlib
import socket

import numpy as np
import pytest
from dask.distributed import Client

import goldens
from example_files import example
from gru2np_runtime import BundleError, InputError, Scorer

DASK = example("dask_scoring")
SEVERAL = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "several_inputs_outputs")
TRAINED = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "trained")


@pytest.fixture(scope="module")
def default_port_taken():
    """As if another cluster ran on this machine."""
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # there is one
            taken.bind(("", 8787))
            taken.listen()
        yield


@pytest.fixture(scope="module")
def client(tmp_path_factory, default_port_taken):
    folder = tmp_path_factory.mktemp("dask")
    with DASK.cluster(2, folder) as processes, Client(processes) as connected:
        connected.wait_for_workers(2, timeout=60)
        yield connected


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "bundle.npz"
    path.write_bytes(TRAINED.bundle())
    return path


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.resize(TRAINED.arrays(0, "x")[0], (100, 4, 2)))
    return path


def models_of_a_worker():
    from gru2np_runtime.files import scorer

    return len(scorer._models)


def test_the_example(client, tmp_path, capsys):
    y, keras, difference = DASK.demonstrate(tmp_path, client)
    assert difference <= 1e-6
    assert y.shape == (3000, 4)
    np.testing.assert_allclose(
        y, np.resize(keras, y.shape), atol=goldens.ATOL, rtol=goldens.RTOL
    )
    # Ten blocks, and each process opened the bundle once.
    assert len([*(tmp_path / "y").glob("*.npy")]) == 10
    assert sum(client.run(models_of_a_worker).values()) in (1, 2)
    assert max(client.run(models_of_a_worker).values()) == 1
    assert (
        "3000 rows on 2 workers: outputs (3000, 4) float32" in capsys.readouterr().out
    )


def test_the_array_is_described_before_it_is_computed(bundle, source):
    y = DASK.scored(bundle, source, rows=30)
    assert (y.shape, y.dtype, y.chunks[0]) == ((100, 4), np.float32, (30, 30, 30, 10))
    found = y.compute(scheduler="threads")
    assert (found.shape, found.dtype) == (y.shape, y.dtype)
    TRAINED.close(found[:6], TRAINED.arrays(0, "y")[0])


def test_rows_that_do_not_fit_are_refused_before_any_work(bundle, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((10, 4, 3), "float32"))
    with pytest.raises(InputError, match="axis 2: expected 2"):
        DASK.scored(bundle, tmp_path / "x.npy")


def test_several_inputs_and_outputs(client, tmp_path):
    path = tmp_path / "several.npz"
    path.write_bytes(SEVERAL.bundle())
    scorer = Scorer(path)
    xs, ys = SEVERAL.arrays(0, "x"), SEVERAL.arrays(0, "y")
    found = client.submit(scorer, *xs).result()
    for y, expected in zip(found, ys, strict=True):
        SEVERAL.close(y, expected)


def test_a_bundle_that_changes_under_a_cluster_is_refused(client, bundle):
    scorer = Scorer(bundle)
    x = TRAINED.arrays(0, "x")[0]
    # Opened here, so the worker knows which bundle is meant.
    TRAINED.close(scorer(x), TRAINED.arrays(0, "y")[0])
    client.run(forget)
    bundle.write_bytes(SEVERAL.bundle())
    with pytest.raises(BundleError, match="with which the work began"):
        client.submit(scorer, x).result()


def forget():
    from gru2np_runtime.files import scorer

    scorer._models.clear()
