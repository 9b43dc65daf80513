"""Models in segments of time, those too that cannot run forward: Keras' numbers."""

import pytest

import goldens
from gru2np_runtime import load
from gru2np_runtime.graph import Graph, Port
from gru2np_runtime.run import segments as _segments
from gru2np_runtime.run.dispatch import make_plan

# The same models in another container.
AGAIN = ("_h5", "_directory", "_shards", "_json")
GENERATIONS = sorted({g.folder.parent.name for g in goldens.all_goldens()})
# How many models of a generation have to run so.
AT_LEAST = {"keras-3.15": 60, "keras-2.2": 60, "keras-1.2": 30, "tf-keras-2.21": 25}


def of_any_time(model):
    """The plan of a model with the time of its inputs left open."""
    graph = model.graph
    ports = [
        Port(p.name, (p.shape[0], None, *p.shape[2:]), p.dtype)
        if len(p.shape) > 2
        else p
        for p in graph.inputs
    ]
    return make_plan(
        Graph(ports, graph.nodes, graph.outputs, graph.layers), model.weights
    )


@pytest.mark.parametrize("generation", GENERATIONS)
def test_goldens_in_segments(generation):
    """Keras' own outputs, from segments shorter than the input."""
    ran = 0
    for golden in goldens.all_goldens():
        own = golden.folder.parent.name == generation
        if not own or golden.name.endswith(AGAIN) or goldens.refused(golden):
            continue
        x = golden.arrays(0, "x")
        if all(array.ndim < 3 for array in x):
            continue
        model = load(golden.bundle())
        if model._stateful is not None:
            continue
        arrays = model._arrays(dict(zip(model.input_names, x)))
        plan = of_any_time(model)
        for steps in (1, 2, 3):
            found = _segments.run(plan, arrays, steps)
            if found is None:
                continue
            for y, expected in zip(found, golden.arrays(0, "y")):
                golden.close(y, expected, f"in segments of {steps}")
        ran += found is not None
    assert ran >= AT_LEAST.get(generation, 0)
