"""Small plots: every workload at a glance, how times grow, what threads gain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleet import ratio
from models import BATCHES, SEQUENCES, STEPS
from peers import BASELINE
from scaling import AXES
from tables import TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# One colour for each runtime in every plot; ours are thick.
COLOURS = {
    "gru2np c": "#c1121f",
    "gru2np numpy": "#f77f00",
    "ONNX Runtime": "#1d3557",
    "LiteRT": "#2a9d8f",
    "OpenVINO": "#6a4c93",
    "PyTorch": "#8d99ae",
    "naive NumPy": "#bc8a5f",
    "Keras in ORT": "#457b9d",
    "Keras jit": "#b5838d",
    "Keras batch": "#6d6875",
}
WIDTH = 5.6


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("svg")
    # The same results give the same file; letters as text make it small.
    matplotlib.rcParams.update(
        {"svg.hashsalt": "gru2np", "svg.fonttype": "none", "font.size": 9}
    )
    from matplotlib import pyplot

    return pyplot


def _plain(value: float, _: int) -> str:
    """A number of a logarithmic axis, without powers."""
    return f"{value:g}"


def _save(pyplot: Any, figure: Any, axes: Any, path: Path) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def write_overview(path: Path, measured: dict[str, Any]) -> bool:
    """A row for each workload, a dot for each runtime: its ratio to the baseline.

    Returns:
        Whether there was anything to show.

    Raises:
        ImportError: there is no matplotlib.
    """
    workloads = [
        workload
        for workload in (*STEPS, *SEQUENCES, *BATCHES)
        if measured.get(workload.name, {}).get(BASELINE, {}).get("rounds")
    ]
    if not workloads:
        return False
    pyplot = _pyplot()
    height = 0.24 * len(workloads) + 1.2
    figure, axes = pyplot.subplots(figsize=(7.2, height), layout="constrained")
    axes.axvline(1.0, color=COLOURS[BASELINE], linewidth=1.2, label=BASELINE)
    for name, colour in COLOURS.items():
        dots = [
            (got[0], row)
            for row, workload in enumerate(workloads)
            if name != BASELINE
            and (got := ratio(measured[workload.name], name, BASELINE)) is not None
        ]
        if dots:
            ours = name.startswith("gru2np")
            size, above = (46, 3) if ours else (20, 2)
            x, y = zip(*dots, strict=True)
            axes.scatter(x, y, s=size, color=colour, label=name, zorder=above)
    axes.set_yticks(range(len(workloads)), [TITLES[w.name] for w in workloads])
    axes.set(xscale="log", xlabel=f"time / time of {BASELINE}: left is faster")
    axes.xaxis.set_major_formatter(_plain)
    axes.set_ylim(-0.7, len(workloads) - 0.3)
    axes.invert_yaxis()
    axes.grid(visible=True, linewidth=0.4, alpha=0.6)
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _save(pyplot, figure, axes, path)
    return True


def write_plots(folder: Path, scaling: dict[str, Any]) -> list[tuple[str, str]]:
    """Write an SVG file for each axis.

    Returns:
        File name and caption of each.

    Raises:
        ImportError: there is no matplotlib.
    """
    pyplot = _pyplot()
    written = []
    for axis, (caption, label, _, _) in AXES.items():
        lines = scaling.get(axis)
        if not lines:
            continue
        figure, axes = pyplot.subplots(figsize=(WIDTH + 1.2, 3.4), layout="constrained")
        for name, points in lines.items():
            sizes = sorted(points)
            axes.plot(
                sizes,
                [points[size] * 1e6 for size in sizes],
                label=name,
                color=COLOURS.get(name),
                linewidth=2.2 if name.startswith("gru2np") else 1.2,
                marker="o",
                markersize=3,
            )
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="µs a call")
        axes.yaxis.set_major_formatter(_plain)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.grid(visible=True, linewidth=0.4, alpha=0.6)
        # In the order of the lines' right ends, where the eye comes from.
        handles, names = axes.get_legend_handles_labels()
        order = sorted(range(len(names)), key=lambda i: -handles[i].get_ydata()[-1])
        axes.legend(
            [handles[i] for i in order],
            [names[i] for i in order],
            fontsize=7,
            frameon=False,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
        )
        name = f"{axis}.svg"
        _save(pyplot, figure, axes, folder / name)
        written.append((name, caption))
    return written


def write_threads(path: Path, found: dict[str, Any], titles: Sequence[str]) -> bool:
    """A group of bars for each workload: how much faster all threads are than one.

    Args:
        path: of the SVG file.
        found: seconds by workload, runtime and threads.
        titles: of the workloads, in their order.

    Returns:
        Whether there was anything to show.

    Raises:
        ImportError: there is no matplotlib.
    """
    names = [n for n in COLOURS if any(len(f.get(n, {})) > 1 for f in found.values())]
    if not names:
        return False
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(WIDTH + 1.6, 3.0), layout="constrained")
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        bars = []
        for group, by_name in enumerate(found.values()):
            times = by_name.get(name, {})
            if len(times) > 1:
                gain = times[min(times)] / times[max(times)]
                bars.append((group + number * width, gain))
        x, y = zip(*bars, strict=True)
        axes.bar(x, y, width, color=COLOURS[name], label=name)
    middle = 0.4 - width / 2
    axes.set_xticks([group + middle for group in range(len(titles))], titles)
    axes.tick_params(axis="x", labelsize=7)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set(ylabel="times as fast")
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _save(pyplot, figure, axes, path)
    return True
