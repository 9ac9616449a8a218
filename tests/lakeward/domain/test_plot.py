"""Plots are well-formed whatever the figures are, exact in what they say, and mark every difference."""

from __future__ import annotations

from decimal import Decimal
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from lakeward.domain.plot import Point, plot

FIGURES = st.none() | st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**37), max_value=10**37, places=2
)


@given(st.lists(st.tuples(st.text(max_size=20).filter(str.isprintable), FIGURES, FIGURES), max_size=40))
def test_every_figure_can_be_drawn(rows: list[tuple[str, Decimal | None, Decimal | None]]) -> None:
    points = [Point(period, source, lake, source != lake) for period, source, lake in rows]
    drawn = plot(points, '<"&title')
    if not drawn:
        assert len(points) < 2 or all(p.source is None and p.lake is None for p in points)
        return
    tree = ET.fromstring(drawn)
    marks = [mark for mark in tree.iter("g") if mark.get("class") == "mark"]
    assert len(marks) == sum(p.differs for p in points)
    for line in tree.iter("polyline"):
        for pair in line.get("points", "").split():
            x, y = (Decimal(part) for part in pair.split(","))
            assert 0 <= x <= 960
            assert 0 <= y <= 240


def test_one_cent_is_told_to_the_cent() -> None:
    large, less = Decimal("12345678901234567890123456789012345.67"), Decimal("12345678901234567890123456789012345.66")
    points = [Point("2025-01-01", large, large, differs=False)]
    points.append(Point("2025-02-01", large, less, differs=True))
    drawn = plot(points, "Revenue by month")
    assert "12,345,678,901,234,567,890,123,456,789,012,345.67" in drawn
    assert "12,345,678,901,234,567,890,123,456,789,012,345.66" in drawn
    assert "1 differ between source and lake" in drawn
    assert 'role="img"' in drawn


def test_equal_sides_have_no_marks_and_say_so() -> None:
    drawn = plot([Point(f"2025-0{n}-01", Decimal(n), Decimal(n), differs=False) for n in range(1, 5)], "x")
    assert "equal in all" in drawn
    assert 'class="mark"' not in drawn
