"""The comparison as a picture, drawn by matplotlib in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.peers import ROOT, environment
from benchmarks.rounds import Sample, Spread

PLACE = ROOT / "benchmarks" / "images" / "serving.svg"


def bars(taken: dict[str, list[Sample]], title: str) -> None:
    """Draw requests a second and requests a second of processor time, with their spread, to `images/serving.svg`."""
    told = {
        name: [_plain(Spread.of([s.rate for s in samples])), _plain(Spread.of([1 / s.cpu_each for s in samples]))]
        for name, samples in taken.items()
    }
    order = json.dumps({"title": title, "place": str(PLACE), "servers": told})
    here = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "svg"}
    subprocess.run([environment("plot") / "python", "-m", __name__], input=order.encode(), env=here, check=True)


def _plain(spread: Spread) -> tuple[float, float, float]:
    return spread.median, spread.low, spread.high


def draw(title: str, place: str, servers: dict[str, list[list[float]]]) -> None:
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "modelyard"
    names = sorted(servers, key=lambda name: servers[name][0][0])
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.45 * len(names) + 1.4), sharey=True)
    for side, (axis, what) in enumerate(zip(axes, ("a second, by the clock", "a second of processor time"), strict=True)):
        found = [servers[name][side] for name in names]
        middle = [m for m, _, _ in found]
        spread = [[m - low for m, low, _ in found], [high - m for m, _, high in found]]
        colours = ["#0b7285" if name == "modelyard" else "#adb5bd" for name in names]
        axis.barh(names, middle, xerr=spread, color=colours, ecolor="#495057")
        for place_, value in enumerate(middle):
            axis.text(value, place_ + 0.28, f" {value:,.0f}", va="bottom", fontsize=8)
        axis.set_title(f"answers {what}", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.15)
    figure.suptitle(title, fontsize=11)
    figure.tight_layout()
    Path(place).parent.mkdir(exist_ok=True)
    figure.savefig(place, metadata={"Date": None})


if __name__ == "__main__":
    draw(**json.load(sys.stdin))
