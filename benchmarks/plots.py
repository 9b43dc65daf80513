"""Small line plots of how times grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scaling import AXES

if TYPE_CHECKING:
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
}


def write_plots(folder: Path, scaling: dict[str, Any]) -> list[tuple[str, str]]:
    """Write an SVG file for each axis.

    Returns:
        File name and caption of each.
    """
    import matplotlib

    matplotlib.use("svg")
    # The same results give the same file; letters as text make it small.
    matplotlib.rcParams.update(
        {"svg.hashsalt": "gru2np", "svg.fonttype": "none", "font.size": 9}
    )
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for axis, (caption, _, _) in AXES.items():
        lines = scaling.get(axis)
        if not lines:
            continue
        figure, axes = pyplot.subplots(figsize=(5.6, 3.4), layout="constrained")
        for name, points in lines.items():
            sizes = sorted(points)
            ours = name.startswith("gru2np")
            axes.plot(
                sizes,
                [points[size] * 1e6 for size in sizes],
                label=name,
                color=COLOURS.get(name),
                linewidth=2.2 if ours else 1.2,
                marker="o",
                markersize=3,
            )
        axes.set(xscale="log", yscale="log", xlabel=axis, ylabel="µs a call")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.grid(visible=True, linewidth=0.4, alpha=0.6)
        axes.legend(fontsize=7, frameon=False)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        name = f"{axis}.svg"
        figure.savefig(folder / name, metadata={"Date": None})
        pyplot.close(figure)
        written.append((name, caption))
    return written
