"""What a page is about: a model file or a bundle, with its graph and weights."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.inspection.cost import Costs, costs
from gru2np.inspection.report import Opened, Report, inspecting
from gru2np.reports.diagram import diagram

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from gru2np.layers.custom import CustomObjects
    from gru2np.reports.boxes import Diagram

    FilePath = str | os.PathLike[str]


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
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
) -> Iterator[Subject]:
    """A model file or a bundle, open as long as its weights are read.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        BundleError: the bundle breaks a rule.
    """
    with inspecting(
        path, weights, custom_objects=custom_objects, saved_by=saved_by
    ) as (
        report,
        own,
    ):
        yield Subject(report, own)
