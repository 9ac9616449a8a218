"""A business figure of both sides over time, as SVG that needs no script: what is equal lies on top of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from html import escape

_WIDTH, _HEIGHT = 960, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 12, 14, 30
_LABELS = 8
EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)
"""Room for every figure: sums and differences of 38 digits are exact in it."""
_TENTH = Decimal("0.1")
_THOUSANDTH = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Point:
    """A period's figure on both sides, exact; None where a side has no such period."""

    period: str
    source: Decimal | None
    lake: Decimal | None
    differs: bool


def plot(points: Sequence[Point], title: str) -> str:
    """The SVG: the source as a broad line, the lake as a thin one with dots, differences marked; empty without two periods."""
    wrong = sum(p.differs for p in points)
    return _drawn(
        points,
        title,
        f"{wrong} differ between source and lake, marked by triangles" if wrong else "source and lake are equal in all",
    )


def trend(points: Sequence[Point], title: str, unit: str) -> str:
    """The same of meters of both systems, which need not be equal; the newest figures are told in words."""
    told = [
        f"{side} {value.quantize(_THOUSANDTH, context=EXACT).normalize(EXACT):f} {unit}"
        for side in ("source", "lake")
        if points and (value := getattr(points[-1], side)) is not None
    ]
    return _drawn(points, title, f"in the newest: {', '.join(told) or 'nothing'}")


def _drawn(points: Sequence[Point], title: str, said: str) -> str:
    values = [value for p in points for value in (p.source, p.lake) if value is not None]
    if len(points) < 2 or not values:
        return ""
    ticks = _ticks(min(*values, Decimal(0)), max(*values, Decimal(0)))
    scale = _Scale(ticks[0], ticks[-1], len(points))
    told = f"{len(points)} periods from {points[0].period} to {points[-1].period}; {said}"
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(f"{title}: {told}")}">',
        *_axes(scale, ticks, points),
        *_line(scale, [p.source for p in points], "source"),
        *_line(scale, [p.lake for p in points], "lake"),
        *_marks(scale, points),
        "</svg>",
    ]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From figures to pixels, in decimals: a figure is never made a float, not even for a line."""

    low: Decimal
    high: Decimal
    count: int

    def x(self, n: int) -> Decimal:
        return _tenth(_LEFT + Decimal(_WIDTH - _LEFT - _RIGHT) * n / max(self.count - 1, 1))

    def y(self, value: Decimal) -> Decimal:
        height, spread = _HEIGHT - _TOP - _BOTTOM, EXACT.subtract(self.high, self.low)
        share = EXACT.divide(EXACT.subtract(self.high, value), spread) if spread else Decimal(1)
        return _tenth(_TOP + height * share)


def _tenth(value: Decimal) -> Decimal:
    return value.quantize(_TENTH, context=EXACT)


def _ticks(low: Decimal, high: Decimal) -> list[Decimal]:
    """Round figures from below the lowest to above the highest, four to seven of them."""
    spread = EXACT.subtract(high, low) or Decimal(1)
    power = EXACT.scaleb(Decimal(1), EXACT.divide(spread, Decimal(4)).adjusted())
    step = next(size for n in (1, 2, 5, 10) if (size := n * power) * 4 >= spread)
    first = EXACT.divide(low, step).to_integral_value(ROUND_FLOOR)
    last = EXACT.divide(high, step).to_integral_value(ROUND_CEILING)
    return [EXACT.multiply(Decimal(n), step) for n in range(int(first), max(int(last), int(first) + 1) + 1)]


def _axes(scale: _Scale, ticks: Sequence[Decimal], points: Sequence[Point]) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for value in ticks:
        y = scale.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{_short(value)}</text>'
    step = max((len(points) - 1) // _LABELS + 1, 1)
    for n in range(0, len(points), step):
        anchor = "end" if n and scale.x(n) > right - 40 else "middle"
        yield f'<text x="{scale.x(n)}" y="{bottom + 20}" text-anchor="{anchor}">{escape(points[n].period)}</text>'


def _short(value: Decimal) -> str:
    """A round figure for an axis."""
    size = abs(value)
    if size >= 10**16:
        return f"{value.normalize(EXACT):E}"
    for limit, name in ((10**12, " T"), (10**9, " G"), (10**6, " M"), (10**3, " k")):
        if size >= limit:
            return f"{EXACT.divide(value, Decimal(limit)).normalize(EXACT):f}{name}"
    return f"{value.normalize(EXACT):f}"


def _line(scale: _Scale, values: Sequence[Decimal | None], side: str) -> Iterator[str]:
    """One side's line, broken where it has no figure; dots while there is room for them."""
    run: list[str] = []
    for n, value in enumerate([*values, None]):
        if value is not None:
            run.append(f"{scale.x(n)},{scale.y(value)}")
        elif run:
            yield f'<polyline class="{side}" points="{" ".join(run if len(run) > 1 else run * 2)}"/>'
            run = []
    if side == "lake" and len(values) <= 120:
        for n, value in enumerate(values):
            if value is not None:
                yield f'<circle class="lake" cx="{scale.x(n)}" cy="{scale.y(value)}" r="2.4"/>'


def _marks(scale: _Scale, points: Sequence[Point]) -> Iterator[str]:
    for n, point in enumerate(points):
        if point.differs:
            told = f"{point.period}: source {_exact(point.source)}, lake {_exact(point.lake)}"
            x, top = scale.x(n), _TOP - 2
            yield f'<g class="mark"><title>{escape(told)}</title>'
            yield f'<line x1="{x}" x2="{x}" y1="{top}" y2="{_HEIGHT - _BOTTOM}"/>'
            yield f'<path d="M{x - 7},{top - 10} h14 l-7,12 z"/></g>'


def _exact(value: Decimal | None) -> str:
    return "none" if value is None else f"{value:,f}"
