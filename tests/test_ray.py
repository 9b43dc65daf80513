"""Ray on this machine, with two processes, gives what one process gives."""

import numpy as np
import pytest

import goldens
from example_files import example
from gru2np_runtime import Scorer, load

ray = pytest.importorskip("ray", reason="needs Ray, which make proof installs")

# Ray calls what it deprecates itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
RAY = example("ray_scoring")
SEVERAL = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "several_inputs_outputs")
TRAINED = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "trained")
ROWS = 100


@pytest.fixture(scope="session")
def cluster():
    RAY.start(2)
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    yield
    ray.shutdown()


def written(golden, folder):
    path = folder / "model.npz"
    path.write_bytes(golden.bundle())
    return path


def resized(arrays):
    return [np.resize(x, (ROWS, *x.shape[1:])) for x in arrays]


def outputs(path, columns, batch_size):
    """The outputs by name, in the order of the rows."""
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    scored = ray.data.from_items(rows, override_num_blocks=3).map_batches(
        Scorer,
        fn_constructor_args=(str(path),),
        batch_format="numpy",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=2),
    )
    found = scored.take_all()
    return {name: np.stack([row[name] for row in found]) for name in found[0]}


def test_the_example(cluster, tmp_path, capsys):
    y, keras, difference = RAY.demonstrate(tmp_path, 2)
    assert difference <= 1e-6
    assert y.shape == (3000, 4)
    TRAINED.close(y, np.resize(keras, y.shape))
    # From a file, ten blocks.
    assert len([*(tmp_path / "y").iterdir()]) == 10
    assert "3000 rows on 2 workers: outputs (3000, 4)" in capsys.readouterr().out


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_blocks_of_any_size(cluster, tmp_path, batch_size):
    path, (x,) = written(TRAINED, tmp_path), resized(TRAINED.arrays(0, "x"))
    (y,) = outputs(path, {"x": x}, batch_size).values()
    TRAINED.close(y, *resized(TRAINED.arrays(0, "y")))
    np.testing.assert_allclose(y, load(path).predict(x), rtol=0, atol=1e-6)


def test_several_inputs_and_outputs_by_name(cluster, tmp_path):
    path, xs = written(SEVERAL, tmp_path), resized(SEVERAL.arrays(0, "x"))
    model = load(path)
    # In another order, with a column more.
    columns = {"row": np.arange(ROWS), **dict(zip(model.input_names, xs, strict=True))}
    found = outputs(path, dict(reversed(columns.items())), 16)
    assert set(found) == set(model.output_names)
    for name, keras in zip(
        model.output_names, resized(SEVERAL.arrays(0, "y")), strict=True
    ):
        SEVERAL.close(found[name], keras, name)


def test_a_bundle_that_changed_is_refused(cluster, tmp_path):
    scorer = Scorer(written(TRAINED, tmp_path))
    x = TRAINED.arrays(0, "x")[0]
    # Opened here, so the process knows which bundle is meant.
    TRAINED.close(scorer(x), TRAINED.arrays(0, "y")[0])
    written(SEVERAL, tmp_path)
    with pytest.raises(ray.exceptions.RayTaskError, match="with which the work began"):
        ray.get(ray.remote(lambda x: scorer(x)).remote(x))


def test_a_process_has_one_thread(cluster):
    @ray.remote
    def threads():
        import os

        return os.environ.get("GRU2NP_THREADS")

    assert ray.get(threads.remote()) == "1"
