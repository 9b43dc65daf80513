"""What a page is about: a model file or a bundle, with its graph and weights."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru2np.convert import convert
from gru2np.inspection.cost import Costs, costs
from gru2np.inspection.report import Report, inspect, is_bundle
from gru2np.reports.diagram import diagram
from gru2np_runtime import load

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from gru2np.layers.custom import CustomLayers
    from gru2np.reports.boxes import Diagram
    from gru2np_runtime.graph import Graph

    FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Opened:
    """The graph of a model and its weights, read one by one.

    Attributes:
        graph: the runtime's.
        titles: Keras name and class by layer path.
        paths: of the weights.
        read: gives a weight.
    """

    graph: Graph
    titles: Mapping[str, tuple[str, str]]
    paths: frozenset[str]
    read: Callable[[str], NDArray[Any]]


@dataclass(frozen=True)
class Subject:
    """What a page is about.

    Attributes:
        report: what ``inspect`` says of it.
        opened: its graph and weights; None where it cannot be converted.
    """

    report: Report
    opened: Opened | None

    @property
    def diagram(self) -> Diagram | None:
        """Its drawing."""
        own = self.opened
        return None if own is None else diagram(own.graph, own.titles)

    @property
    def costs(self) -> Costs | None:
        """What it costs; None where that cannot be counted."""
        own = self.opened
        return None if own is None else costs(own.graph)


@contextmanager
def opened(
    path: FilePath,
    weights: FilePath | None = None,
    custom_layers: CustomLayers | None = None,
) -> Iterator[Subject]:
    """A model file or a bundle, open as long as its weights are read.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        BundleError: the bundle breaks a rule.
    """
    report = inspect(path, weights, custom_layers=custom_layers)
    if weights is None and is_bundle(Path(path)):
        model = load(path, custom_layers=custom_layers)
        arrays = model.weights
        own = Opened(model.graph, model.titles, frozenset(arrays), arrays.__getitem__)
        yield Subject(report, own)
    elif not report.convertible:
        yield Subject(report, None)
    else:
        with convert(path, weights, custom_layers) as conversion:
            built, paths = conversion.built, frozenset(conversion.tensors)
            yield Subject(
                report, Opened(built.graph, built.titles, paths, conversion.array)
            )
