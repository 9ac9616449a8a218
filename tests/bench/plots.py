"""The bench's plots: ``python plots.py FOLDER``, the figures as JSON on standard input."""

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("svg")
mpl.rcParams |= {"svg.hashsalt": "bench", "axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
OURS, THEIRS = "#2b6cb0", "#a0aec0"

found, folder = json.load(sys.stdin), Path(sys.argv[1])

figure, axes = plt.subplots(figsize=(8, 0.62 * len(found["bars"]) + 1))
for place, (_, ours, peer, theirs) in enumerate(reversed(found["bars"])):
    axes.barh(place + 0.19, ours, 0.36, color=OURS)
    axes.barh(place - 0.19, theirs, 0.36, color=THEIRS)
    axes.text(ours, place + 0.19, f" {ours:.1f} s  lakeward", va="center")
    axes.text(theirs, place - 0.19, f" {theirs:.1f} s  {peer}", va="center", color="#4a5568")
axes.set_yticks(range(len(found["bars"])), [bar[0] for bar in reversed(found["bars"])])
axes.set_xlabel("seconds, less is better")
axes.margins(x=0.3)
figure.savefig(folder / "bench-seconds.svg", bbox_inches="tight", metadata={"Date": None})

figure, axes = plt.subplots(figsize=(8, 3))
axes.plot(range(1, len(found["appends"]) + 1), found["appends"], ".", color=OURS, markersize=3)
axes.set_xlabel("batches landed before")
axes.set_ylabel("seconds of one append")
axes.set_ylim(bottom=0)
figure.savefig(folder / "bench-appends.svg", bbox_inches="tight", metadata={"Date": None})
