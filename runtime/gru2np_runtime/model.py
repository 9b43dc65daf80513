"""The model: prediction, steps and blocks of them, state and summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, overload

from numpy import ndarray

from gru2np_runtime.data import (
    KINDS,
    Output,
    Structure,
    check_out,
    unpack,
    whole_number,
)
from gru2np_runtime.errors import InputError
from gru2np_runtime.plan import CarryingPlan, Weights, small_of
from gru2np_runtime.run.dispatch import make_plan
from gru2np_runtime.run.execution import GraphPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.data import Data, Inputs, Outputs, Outs
    from gru2np_runtime.graph import Graph
    from gru2np_runtime.layer import Array, Shape
    from gru2np_runtime.plan import Stepper
    from gru2np_runtime.run.batches import Batches
    from gru2np_runtime.run.sessions import Streams
    from gru2np_runtime.run.stateful import Stateful
    from gru2np_runtime.run.stream import State, Stream
    from gru2np_runtime.summary import ModelLayer

# Smaller inputs, in elements, run at once: their memory is not estimated.
SMALL = 4096


class Model(Generic[Output]):
    """A model loaded from a bundle; made by ``gru2np_runtime.load``.

    Immutable except for the states of a model saved with ``stateful=True``: many
    threads can use one model.

    Attributes:
        name: of the model.
        source: the manifest's record of the file that the model was exported from.
        storage: the manifest's record of small storage; None if all weights are stored
            in full.

    The other attributes are for tools; do not change them:

    Attributes:
        graph: the layers and their calls.
        weights: every array by path.
        titles: name and Keras class by path of the layer.
        input_structure: whether the inputs are one array, a list or a dict.
        output_structure: the same for the outputs.
        graph_plan: the graph with packed weights, which runs.
        stateful: runs a model saved with ``stateful=True``; None for other models.
    """

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, Array],
        *,
        name: str = "model",
        inputs: Structure | None = None,
        outputs: Structure[Output] | None = None,
        titles: Mapping[str, tuple[str, str]] | None = None,
        source: Mapping[str, Any] | None = None,
        storage: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.source = dict(source or {})
        self.storage = None if storage is None else dict(storage)
        self.graph = graph
        small = small_of(weights)
        self.weights = Weights(weights, small) if small else dict(weights)
        self.titles = dict(titles or {})
        self.input_structure = inputs or Structure(
            "one", [p.name for p in graph.inputs]
        )
        self.output_structure: Structure[Output] = outputs or Structure(
            "one", [p.name for p in graph.outputs]
        )
        plan = make_plan(graph, weights)
        assert isinstance(plan, GraphPlan)
        self.graph_plan = plan
        # Imported and made only when needed: the start must be fast.
        self.stateful: Stateful | None = None
        stateful = self.graph_plan.stateful()
        if stateful:
            from gru2np_runtime.run.stateful import Stateful

            self.stateful = Stateful(
                self.graph_plan, stateful, self.input_structure.names[0]
            )
        self._cached_batches: Batches | None = None
        self._stream: Stream | None = None
        # What the shortest way through ``step`` reads.
        self._chain = plan.chain
        self._gives_one = self.output_structure.kind == "one"
        self._time_major = any(
            plan.batch_axis
            for plan in self.graph_plan.plans.values()
            if isinstance(plan, CarryingPlan)
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (
            self.graph,
            self.weights,
            {
                "name": self.name,
                "inputs": (self.input_structure.kind, self.input_structure.names),
                "outputs": (self.output_structure.kind, self.output_structure.names),
                "titles": self.titles,
                "source": self.source,
                "storage": self.storage,
            },
            {} if self.stateful is None else self.stateful.states,
        )

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, in order; the keys if the model takes a dict."""
        return list(self.input_structure.names)

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in order; the keys if the model returns a dict."""
        return list(self.output_structure.names)

    @property
    def input_shapes(self) -> list[Shape]:
        """Shapes of the inputs, batch axis included; None where any size fits."""
        return [port.shape for port in self.graph.inputs]

    @property
    def output_shapes(self) -> list[Shape]:
        """Shapes of the outputs, batch axis included; None where the input decides."""
        return [port.shape for port in self.graph.outputs]

    @overload
    def giving(self, kind: type[ndarray[Any, Any]]) -> Model[Array]: ...
    @overload
    def giving(self, kind: type[list[Any]]) -> Model[list[Array]]: ...
    @overload
    def giving(self, kind: type[dict[Any, Any]]) -> Model[dict[str, Array]]: ...
    def giving(self, kind: type) -> Model[Any]:
        """This model, whose outputs are checked to be of one type.

        A type checker then knows what ``predict``, ``step`` and ``advance`` give::

            model = load("model.npz").giving(dict)

        Without it a type checker takes the outputs for one array, as those of most
        models are, or for what ``isinstance`` shows them to be.

        Args:
            kind: ``numpy.ndarray``, ``list`` or ``dict``.

        Returns:
            The model itself.

        Raises:
            InputError: it gives something else.
        """
        gives = KINDS[self.output_structure.kind]
        if kind is not gives:
            raise InputError(
                f"model {self.name!r}: expected one that gives "
                f"{getattr(kind, '__name__', repr(kind))}, got one that gives "
                f"{gives.__name__} for the outputs {self.output_names}: "
                f"model.giving({gives.__name__})"
            )
        return self

    @property
    def layers(self) -> list[ModelLayer]:
        """The layers in the order of their model, as ``summary`` lists them."""
        from gru2np_runtime.summary import model_layers

        return model_layers(self.graph, self.weights, self.titles)

    def get_layer(self, name: str) -> ModelLayer:
        """The layer of that name.

        Args:
            name: as ``summary`` shows it; the models that the layer is nested in may
                be left out.

        Raises:
            InputError: there is no such layer, or several; the message lists the names.
        """
        from gru2np_runtime.summary import layer_named

        return layer_named(self.layers, name)

    def count_params(self) -> int:
        """The number of parameters, trainable or not."""
        return sum(int(array.size) for array in self.weights.values())

    def __str__(self) -> str:
        from gru2np_runtime.summary import summary

        return summary(self._description(), self.layers)

    def __repr__(self) -> str:
        return f"<gru2np model {self._description()}>"

    def _repr_html_(self) -> str:
        from gru2np_runtime.summary import html

        return html(self._description(), self.layers)

    def _description(self) -> str:
        from gru2np_runtime.summary import describe

        return describe(
            self.name,
            self.source,
            zip(self.input_names, self.input_shapes),
            zip(self.output_names, self.output_shapes),
            self.count_params(),
            None if self.storage is None else self.storage["dtype"],
        )

    def summary(self) -> None:
        """Print the layers of the model, their shapes and parameters."""
        print(self)

    def plan(self) -> str:
        """A table that shows which kernel runs each layer, to print.

        ``plain`` is the forward pass of the layer.  The last line shows how ``step``
        runs.
        """
        from gru2np_runtime.summary import plan_table

        return plan_table(self.graph_plan.plans, lambda: self.stream)

    def predict(self, x: Inputs, batch_size: int | None = None) -> Output:
        """Run the model.

        Args:
            x: an array (batch, ...), a list of arrays, or a dict by input name.
            batch_size: rows computed at once; by default all rows, or fewer where the
                values between the layers would need too much memory.

        Returns:
            An array, a list or a dict, as the model was built; float32 or float64,
            the model's dtype.

        Raises:
            InputError: x does not fit the model's inputs.
        """
        chain = self.graph_plan.chain
        if chain is not None and batch_size is None and not self.stateful:
            # The same checks as below, as fast as one call of the kernel.
            time = self.graph.inputs[0].shape[1]
            if type(x) is ndarray and chain.accepts(x) and time in (None, x.shape[1]):
                return self.output_structure.pack((chain.run(x),))
        arrays = self.input_arrays(x)
        rows = arrays[0].shape[0]
        if batch_size is not None:
            batch_size = whole_number(batch_size, "batch_size", 1)
        if self.stateful is not None:
            batch_size = self.stateful.batch_size(rows, batch_size)
        elif batch_size is None and sum(x.size for x in arrays) >= SMALL:
            batch_size = self._batches.rows(arrays)
        if batch_size is None or rows <= batch_size:
            return self.output_structure.pack(self._run(arrays))
        from gru2np_runtime.run.batches import in_batches

        return self.output_structure.pack(in_batches(self._run, arrays, batch_size))

    __call__ = predict

    def activations(self, x: Inputs) -> dict[str, Outputs]:
        """Outputs of the layers by name, in their order.

        Uses the states of a stateful model and does not change them.

        Args:
            x: as for ``predict``.

        Returns:
            An array (batch, ...) for each call of a layer, or a list if the layer has
            several outputs; ``#1`` and ``#2`` behind the name are a second and a third
            call.

        Raises:
            InputError: x does not fit the model's inputs.
        """
        from gru2np_runtime.text import shown_paths

        values = (self.stateful or self.graph_plan).values(self.input_arrays(x))
        names = shown_paths(node.name for node in self.graph.nodes if node.is_call)
        return {
            name: values[node][0] if len(values[node]) == 1 else list(values[node])
            for node, name in names.items()
        }

    def reset_states(self) -> None:
        """Set the states of a stateful model to zero."""
        if self.stateful is not None:
            self.stateful.states = {}

    def initial_state(self, batch_size: int = 1) -> State:
        """The state before the first time step.

        Args:
            batch_size: rows of every step.

        Raises:
            InputError: the model cannot run step by step; the message names the layer.
                Or ``batch_size`` is no integer.
        """
        return self.stream.initial_state(whole_number(batch_size, "batch_size", 0))

    def restore_state(self, arrays: Mapping[str, Sequence[Array]]) -> State:
        """The state with the arrays of ``State.arrays``.

        Raises:
            InputError: a layer is missing or an array does not fit.
        """
        return self.stream.restore_state(arrays)

    def step(
        self, x: Inputs, state: State, out: Outs | None = None
    ) -> tuple[Output, State]:
        """Run one time step.

        Args:
            x: one step without the time axis, (batch, features), or (batch,) for
                ids; inputs without a time axis as they are; several: a list or dict.
            state: from ``initial_state`` or the previous step; its memory may be
                reused.
            out: where to write the output: an array, list or dict like the one that
                is returned without it, of any layout; may share memory with x.

        Returns:
            The output for a sequence that ends at this step, as a new array, list or
            dict, or ``out``; and the state for the next step.

        Raises:
            InputError: x or ``out`` does not fit, the batch size of x is not the
                state's, or the state is of another model.
        """
        # The same checks as in _run_steps, as fast as one call of the kernel.
        stepper: Stepper | None = getattr(state, "stepper", None)
        if (
            stepper is not None
            and stepper.chain is self._chain
            and type(x) is ndarray
            and x.shape == stepper.shape
            and x.dtype == stepper.dtype
            and (out is stepper.out or self._takes_out(out, stepper))
        ):
            # _takes_out checked it.
            y: Any = stepper.step(x, out)  # type: ignore[arg-type]
            return (y if self._gives_one else self.output_structure.pack((y,))), state
        return self._run_steps(x, state, out, "step")

    def advance(
        self, x: Inputs, state: State, out: Outs | None = None
    ) -> tuple[Output, State]:
        """Run a block of time steps: as many as x has, at least one.

        Blocks of any sizes give what ``predict`` gives for the whole sequence.

        Args:
            x: (batch, time, features), or (batch, time) for ids; inputs without a time
                axis as they are; several: a list or dict.
            state: as for ``step``.
            out: as for ``step``.

        Returns:
            The output: (batch, time, ...) where it has every step of a sequence, else
            the one for a sequence that ends with the block; a new array, list or
            dict, or ``out``; and the state for the next step or block.

        Raises:
            InputError: as for ``step``; or x has no time step, or inputs have different
                numbers of them; or an output changes at earlier steps when the
                sequence goes on.
        """
        stepper: Stepper | None = getattr(state, "stepper", None)
        if (
            stepper is not None
            and stepper.chain is self._chain
            and type(x) is ndarray
            and stepper.takes_block(x)
            and (self._gives_one or out is None)
        ):
            if out is not None:
                shape = stepper.block_output_shape(x.shape[1])
                check_out(out, self.output_structure.names[0], shape, stepper.dtype)
            y: Any = stepper.advance(x, out)  # type: ignore[arg-type]
            return (y if self._gives_one else self.output_structure.pack((y,))), state
        return self._run_steps(x, state, out, "advance")

    def _takes_out(self, out: Data, stepper: Stepper) -> bool:
        """Whether a stepper can write to ``out``, which is remembered.

        Raises:
            InputError: it does not fit.
        """
        if out is not None:
            if not self._gives_one:
                return False
            name = self.output_structure.names[0]
            check_out(out, name, stepper.output_shape, stepper.dtype)
        stepper.out = out
        return True

    def _run_steps(
        self, x: Inputs, state: State, out: Data, call: str
    ) -> tuple[Output, State]:
        """``step`` or ``advance``, as ``call`` says."""
        stream, one = self.stream, call == "step"
        stream.check_state(state)
        shapes = stream.step_shapes if one else stream.block_shapes
        arrays = self.input_arrays(x, shapes, call)
        for name, array in zip(self.input_names, arrays):
            if array.shape[0] != state.batch_size:
                raise InputError(
                    f"input {name!r}, axis 0: expected the state's batch size "
                    f"{state.batch_size}, got {array.shape[0]}: "
                    f"state = model.initial_state({array.shape[0]})"
                )
        time = None if one else stream.time_steps(self.input_names, arrays)
        outs = None
        if out is not None:
            expected = stream.output_shapes(state.batch_size, time)
            dtypes = [port.dtype for port in self.graph.outputs]
            outs = self.output_structure.unpack_out(out, expected, dtypes)
        run = stream.step if one else stream.advance_block
        outputs = run(arrays, state, outs)
        return (self.output_structure.pack(outputs) if out is None else out), state

    def streams(self, capacity: int) -> Streams[Output]:
        """Sessions: the states of many streams, any of which run in one batch.

        Args:
            capacity: sessions to allocate memory for; more can be opened.

        Raises:
            InputError: the model cannot run step by step; the message names the layer.
                Or ``capacity`` is no integer from 1.
        """
        from gru2np_runtime.run.sessions import Streams

        return Streams(
            self.stream,
            self.input_structure,
            self.output_structure,
            whole_number(capacity, "capacity", 1),
        )

    @property
    def stream(self) -> Stream:
        """How the model runs step by step, for tools; made at the first use.

        Raises:
            InputError: the model cannot run step by step; the message names the layer.
        """
        if self._stream is None:
            from gru2np_runtime.run.stream import Stream

            self._stream = Stream(self.graph_plan)
            self._chain = self._stream.chain
        return self._stream

    def _run(self, arrays: Sequence[Array]) -> list[Array]:
        if self.stateful is not None:
            return self.stateful.run(arrays)
        if sum(x.size for x in arrays) >= SMALL:
            return self._batches.run(arrays)
        return list(self.graph_plan.run(arrays, None))

    @property
    def _batches(self) -> Batches:
        if self._cached_batches is None:
            from gru2np_runtime.run.batches import Batches

            self._cached_batches = Batches(self.graph_plan)
        return self._cached_batches

    def input_arrays(
        self, x: Inputs, shapes: Sequence[Shape] | None = None, call: str = "predict"
    ) -> list[Array]:
        """The arrays of x in the order and the dtypes of the inputs, for tools.

        Args:
            x: as for ``predict``.
            shapes: of the inputs, if they are not ``input_shapes``.
            call: the method that x was given to, for messages.

        Raises:
            InputError: x does not fit the model's inputs.
        """
        names, ports = self.input_structure.names, self.graph.inputs
        return unpack(x, names, ports, shapes, call=call, time_major=self._time_major)


def _rebuild(
    graph: Graph,
    weights: Mapping[str, Array],
    options: dict[str, Any],
    states: dict[str, list[Array]],
) -> Model:
    options["inputs"] = Structure(*options["inputs"])
    options["outputs"] = Structure(*options["outputs"])
    model = Model(graph, weights, **options)
    if model.stateful is not None:
        model.stateful.states = states
    return model
