"""The figures as a table in Markdown and as a picture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rows

HEADER = (
    "| work | ours, ms | PyTorch, ms | times as fast | target | peak MiB: ours | PyTorch | Caffe, ms | Caffe, MiB |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
)
STARTING = {
    "import": ("import minicaffe", 0.3), "help": ("minicaffe --help", 0.2),
    "plan": ("VGG16 OHEM train prototxt: read, parsed, planned", 0.3), "weights": ("VGG16 weights loaded", 1.0),
    "compile": ("GoogLeNet's first step: compiling kernels, once", 20.0), "cached": ("that step from then on", None),
}  # fmt: skip


def line(row: rows.Row, result: dict[str, Any]) -> str:
    """Return one row of the table."""
    if "failed" in result:
        return f"| {row.title} | {result['failed']} |"
    memory = result.get("memory", {})
    peaks = [_number(memory.get(name, {}).get("peak")) for name in ("ours", "torch")]
    times = [_number(result.get(name, {}).get("median")) for name in ("ours", "torch")]
    ratio = f"{result['ratio']:.2f}" if "ratio" in result else "-"
    target = f"{row.target:.1f}"
    cells = [row.title, *times, ratio, target, *peaks, _number(row.caffe_ms), _number(row.caffe_mb)]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def table(found: dict[str, Any]) -> Iterator[str]:
    """Yield what was found, as Markdown."""
    for label, value in found["machine"].items():
        yield f"- {label}: {value}"
    yield ""
    if found["rows"]:
        yield from HEADER
        yield from (line(rows.BY_KEY[key], result) for key, result in found["rows"].items())
        yield ""
    if "start" in found:
        yield "| getting started | seconds | target |"
        yield "|---|--:|--:|"
        for key, seconds in found["start"].items():
            label, target = STARTING.get(key, (key, None))
            yield f"| {label} | {seconds:.2f} | {'-' if target is None else f'{target:g}'} |"


def plot(found: dict[str, Any], path: Path) -> None:
    """Draw how many times as fast as PyTorch every row is; without matplotlib, say how to get it."""
    ratios = {rows.BY_KEY[key]: result["ratio"] for key, result in found["rows"].items() if "ratio" in result}
    if not ratios:
        return
    try:
        import matplotlib as mpl
    except ImportError:
        print("no picture: pip install 'minicaffe[plot]'", file=sys.stderr)
        return
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 0.45 * len(ratios) + 1.2), layout="constrained")
    places = range(len(ratios))
    axes.barh(places, ratios.values(), color="#3b6ea5")
    axes.plot([row.target for row in ratios], places, "|", color="#c0392b", markersize=14, label="target")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(places, [row.title for row in ratios])
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as PyTorch")
    axes.legend()
    figure.savefig(path, dpi=120)
