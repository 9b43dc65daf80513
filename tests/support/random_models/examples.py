"""Strategies of whole examples: a model, its file and its data."""

from __future__ import annotations

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from random_models.checking import check
from random_models.drawing import Graph
from random_models.graphs import KINDS, chosen, grow, masked, over_time
from random_models.layers import SMALL, Context, Tensor, rarely


@st.composite
def time_major(draw):
    """A recurrent layer of Keras 2 whose first axis is time, masked or not."""
    context = Context("tf_keras", None, False, draw(st.sampled_from([0.0, -1.0])))
    graph = Graph(draw, context)
    rows = draw(st.sampled_from([2, 1, 3]))
    features = draw(SMALL)
    graph.inputs = [{"kind": "sequence", "shape": [rows, features]}]
    graph.tensors = [Tensor("sequence", features)]
    if draw(st.booleans()):
        masked(graph)
    # The model gives as many rows as it is given: the steps.
    layer, given, _ = over_time(
        graph,
        several=False,
        fixed={"time_major": True, "return_sequences": True},
    )
    graph.call(layer, [len(graph.tensors) - 1], given)
    recipe = example(draw, graph, draw(st.sampled_from([3, 1, 5])))
    return {**recipe, "steps": rows, "time_major": True}


@st.composite
def models(draw, keras, inputs, plans, stateful=None):
    """An example: a model of these kinds of calls, and everything beside it.

    ``inputs``: lists of kinds of inputs, one of which is drawn; ``plans``: of lists
    of kinds of calls, one for each call.
    """
    time = draw(st.sampled_from([None, 4, None, 3, 1]))
    if stateful is None:
        stateful = rarely(draw)
    value = draw(st.sampled_from([0.0, -1.0]))
    graph = Graph(draw, Context(keras, time, stateful, value))
    for kind in draw(st.sampled_from(inputs)):
        graph.input(kind)
    grow(graph, draw(st.sampled_from(plans)))
    recipe = example(draw, graph, draw(st.sampled_from([2, 1, 3])))
    return {**recipe, "stateful": True} if stateful else recipe


def example(draw, graph, rows):
    """The model, the file that keeps it, and the data that it is given."""
    context = graph.context
    return {
        "keras": context.keras,
        "container": draw(st.sampled_from(["keras", "h5"])),
        "dtype": "float64" if rarely(draw) else "float32",
        "model": graph.described(chosen(graph)),
        "rows": rows,
        "steps": context.time or draw(st.sampled_from([3, 5, 4, 2, 4, 1])),
        "mask_value": context.mask_value,
        "seed": draw(st.integers(0, 999)),
    }


MASKED = ["masked", "masked", None]
OVER_TIME = ["recurrent", "initial_state", "mask_argument"]
ANYTHING = list(KINDS)
# What a model is made of: kinds of its inputs, and of its calls in a row.
MODELS = {
    "recurrent layers": {
        "inputs": [["sequence"], ["ids"], ["sequence", "mask"], ["sequence", "vector"]],
        "plans": [[MASKED, OVER_TIME]],
    },
    "stateful layers": {
        "inputs": [["sequence"], ["ids"], ["sequence", "mask"]],
        "plans": [[MASKED, OVER_TIME], [MASKED, OVER_TIME, OVER_TIME]],
        "stateful": True,
    },
    "merged masks": {
        "inputs": [["sequence", "sequence"], ["ids", "ids"], ["ids", "sequence"]],
        "plans": [[MASKED, MASKED, ["concatenation", "merge"], ["recurrent"]]],
        "stateful": False,
    },
    "TimeDistributed": {
        "inputs": [["sequences"]],
        "plans": [[["time_distributed"]], [["time_distributed"]] * 2],
        "stateful": False,
    },
    "graphs": {
        "inputs": [
            ["sequence"],
            ["sequence", "vector"],
            ["sequence", "sequence"],
            ["ids", "sequence"],
            ["sequence", "mask"],
            ["ids", "sequence", "vector", "mask"],
        ],
        "plans": [
            [MASKED, *[ANYTHING] * before, OVER_TIME, *[ANYTHING] * after]
            for before, after in ((1, 1), (0, 2), (2, 0), (2, 2), (0, 4))
        ],
    },
}
# By the package of Keras and a name.
STRATEGIES = {
    (keras, name): models(keras, **kinds)
    for keras in ("keras", "tf_keras")
    for name, kinds in MODELS.items()
} | {("tf_keras", "time-major layers"): time_major()}


def run(strategy, count, seed=0):
    """Check so many examples of a strategy, the same for the same seed.

    A failure prints the recipe of the smallest model found, a plain dict that
    ``check`` takes again.
    """

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        print_blob=False,
        # To explain a failure line by line costs more than it says here.
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(strategy)
    def every(recipe):
        check(recipe)

    every()
