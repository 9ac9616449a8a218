"""The parity matrix: every figure by period, both sides as they were stored when they were compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

from lakeward.domain.amount import Amount
from lakeward.domain.calendar import COARSE_TO_FINE
from lakeward.domain.closing import is_open
from lakeward.domain.evidence import Outcome, Pointer, Verdict
from lakeward.domain.file_facts import FileFact
from lakeward.domain.standing import Card, Judged, KpiCard
from lakeward.errors import LakeError
from lakeward.ports import ObjectStore
from lakeward.steps.artifacts import key_of

TOTAL = "total"
MOST = 48
"""Periods that a page shows at once, the latest ones."""
Place = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of one period on both sides, exact, as text; ``state`` is equal, differs, within, open or none.

    ``within``: the figure is equal, its breakdown is not. ``cut`` is that of a window.
    """

    period: str
    source: str
    lake: str
    state: str
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A figure over the periods; ``note`` tells why there are none."""

    kpi: KpiCard
    verdict: Verdict | None
    cells: Mapping[str, Cell]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Figures by periods of one grain, and the grains that can be chosen; ``left`` periods are older than those shown."""

    grain: str
    grains: tuple[str, ...]
    periods: tuple[str, ...]
    lines: tuple[Line, ...]
    left: int


def matrix_of(card: Card, verdicts: Sequence[Verdict], store: ObjectStore, grain: str = "") -> Matrix:
    """The matrix of the newest verdicts, by the coarsest grain with a difference unless one is asked for."""
    by_kpi = {(v.group, v.subject): v for v in verdicts if v.kind == "kpi"}
    grains = tuple(g.value for g in COARSE_TO_FINE if any(g.value in k.grains for k in card.kpis))
    whole = [(one, by_kpi.get((one.group, one.name))) for one in card.kpis]
    chosen = grain if grain in grains else _telling(grains, by_kpi.values())
    lines = tuple(_line(one, verdict, store, chosen) for one, verdict in whole)
    periods = sorted({period for line in lines for period in line.cells if period != TOTAL}, key=_by_time)
    wrong = {p for line in lines for p, cell in line.cells.items() if cell.state in {"differs", "within"}}
    shown = [p for n, p in enumerate(reversed(periods)) if n < MOST or p in wrong][::-1]
    return Matrix(chosen, grains, (TOTAL, *shown), lines, len(periods) - len(shown))


def series(verdict: Verdict, store: ObjectStore) -> dict[Place, tuple[Amount | None, Amount | None]]:
    """Both sides' figures without breakdown, by grain and period, in the order of time."""
    source, lake = (_figures(store, file) for file in verdict.files[:2])
    places = sorted({*source, *lake}, key=lambda place: (place[0], _by_time(place[1] or "")))
    return {place: (source.get(place), lake.get(place)) for place in places}


def windows_of(card: Card, judged: Iterable[Judged], pointers: Mapping[str, Pointer]) -> Matrix | None:
    """A phased migration's matrix: every figure by window, as its newest verdict says; None without windows."""
    by_cut = {(j.group, j.subject, j.cut_id): j.outcome for j in judged if j.kind == "kpi"}
    names = sorted({name for pointer in pointers.values() for name in pointer.windows}, key=_by_time)
    if not names:
        return None
    shown = names[-MOST:]
    lines = []
    for one in card.kpis:
        windows = pointers[one.group].windows if one.group in pointers else {}
        cells = {
            name: Cell(name, "", "", _OF_OUTCOME[outcome], windows[name].cut_id)
            for name in shown
            if name in windows and (outcome := by_cut.get((one.group, one.name, windows[name].cut_id)))
        }
        lines.append(Line(one, None, cells))
    return Matrix("window", ("window",), tuple(shown), tuple(lines), len(names) - len(shown))


_OF_OUTCOME = {Outcome.PASS: "equal", Outcome.WARN: "differs", Outcome.FAIL: "differs", Outcome.ERROR: "none"}


def _telling(grains: Sequence[str], verdicts: Iterable[Verdict]) -> str:
    """The coarsest grain in which something differs; months if nothing does."""
    found = {finding.grain for verdict in verdicts for finding in verdict.findings if finding.period}
    telling = next((grain for grain in grains if grain in found), "")
    return telling or ("month" if "month" in grains else next(iter(grains), TOTAL))


def _line(one: KpiCard, verdict: Verdict | None, store: ObjectStore, grain: str) -> Line:
    if verdict is None:
        return Line(one, None, {}, "not compared yet")
    if len(verdict.files) < 2:
        return Line(one, verdict, {}, verdict.summary)
    try:
        both = series(verdict, store)
        broken = differing(store, verdict)
    except LakeError as error:
        return Line(one, verdict, {}, error.what)
    cells = {
        period or "no date" if of != TOTAL else TOTAL: _cell(one, verdict, of, period, *sides, (of, period) in broken)
        for (of, period), sides in both.items()
        if of in {grain, TOTAL}
    }
    return Line(one, verdict, cells)


def _cell(
    one: KpiCard,
    verdict: Verdict,
    grain: str,
    period: str | None,
    source: Amount | None,
    lake: Amount | None,
    broken: bool,  # noqa: FBT001
) -> Cell:
    told = ["none" if side is None else side.shown(one.function) for side in (source, lake)]
    same = told[0] == told[1]
    state = "equal" if not broken else ("within" if same else "differs")
    if broken and is_open(grain, period, verdict.open_from):
        state = "open"
    return Cell(period or grain, told[0], told[1], state)


def differing(store: ObjectStore, verdict: Verdict) -> frozenset[Place]:
    """Grain and period of every cell that differs, in the figure or in its breakdown."""
    file = verdict.differences_file
    return _places(store, file) if file else frozenset()


def _by_time(period: str) -> tuple[bool, str]:
    """Years before our era first."""
    return not period.endswith("BC"), period


def _figures(store: ObjectStore, file: FileFact) -> Mapping[Place, Amount]:
    return _read_figures(_Stored(file.url, file.checksum, store))


def _places(store: ObjectStore, file: FileFact) -> frozenset[Place]:
    return _read_places(_Stored(file.url, file.checksum, store))


class _Stored:
    """A stored file that never changes: what was read of it once is kept, by its checksum."""

    def __init__(self, url: str, checksum: str, store: ObjectStore) -> None:
        self.url, self.checksum, self.store = url, checksum, store

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Stored) and (self.url, self.checksum) == (other.url, other.checksum)

    def __hash__(self) -> int:
        return hash((self.url, self.checksum))

    def data(self) -> BytesIO:
        """The file; LakeError when it is not what was compared."""
        found = self.store.get(key_of(self.store, self.url))
        if found is None or found[1] != self.checksum:
            state = "are gone" if found is None else "were changed since"
            raise LakeError(f"The figures at {self.url} {state}.", todo="Run `lakeward evidence verify`.")
        return BytesIO(found[0])


@lru_cache(maxsize=256)
def _read_figures(stored: _Stored) -> Mapping[Place, Amount]:
    import pyarrow.parquet as pq

    table = pq.read_table(stored.data(), filters=[("dims", "==", "")])
    wanted = [name for name in ("grain", "period", "value", "n", "per", "per_n") if name in table.column_names]
    return {(row["grain"], row["period"]): Amount.of(row) for row in table.select(wanted).to_pylist()}


@lru_cache(maxsize=256)
def _read_places(stored: _Stored) -> frozenset[Place]:
    import pyarrow.parquet as pq

    table = pq.read_table(stored.data(), columns=["grain", "period"])
    places = table.group_by(["grain", "period"]).aggregate([])
    return frozenset((row["grain"], row["period"]) for row in places.to_pylist())
