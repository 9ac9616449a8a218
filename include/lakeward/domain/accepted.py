"""Which differences are explained by an acceptance that still holds, and which are open. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal, InvalidOperation

from lakeward.domain.acceptance import Acceptance, Difference
from lakeward.domain.evidence import Finding, Verdict
from lakeward.domain.identity import digest
from lakeward.domain.stored import to_json
from lakeward.domain.words import counted

NO_DATE = "none"
"""How a scope names the period of rows without a date, and a dimension without a value."""

_EXACT = Context(prec=1000)


@dataclass(frozen=True, slots=True)
class Explained:
    """What a failed verdict found, sorted: how many differences each acceptance covers, how many nobody does.

    ``expired`` are acceptances that would cover some of these, and hold no longer. ``whole``: nothing else differs.
    """

    accepted: tuple[tuple[Acceptance, int], ...]
    open: tuple[Difference, ...]
    expired: tuple[tuple[Acceptance, int], ...]
    whole: bool = True

    @property
    def settled(self) -> bool:
        """Whether all of it is accepted."""
        return bool(self.accepted) and not self.open and self.whole

    @property
    def count(self) -> int:
        """How many differences are accepted."""
        return sum(number for _, number in self.accepted)

    def names(self, finding: Finding) -> str | None:
        """The id of the acceptance that covers a finding; of a coarser cell, once all below it is accepted."""
        row = finding.key or finding.values
        difference = of_row(finding) if row else of_cell(finding, (None, None))
        covering = [one for one, _ in self.accepted if self.settled or (row and covers(one, difference))]
        return id_of(covering[0]) if covering else None

    def told(self, *, named: bool = True) -> str:
        """In words, for the gate, the signer and the console; empty when no acceptance has to do with it.

        :param named: with their ids, which an acceptance has that is written.
        """
        parts = [
            f"{counted(number, 'difference')} accepted by {one.by} for {one.owner} until {one.expires}"
            f"{f' ({id_of(one)})' if named else ''}: {one.reason}"
            for one, number in self.accepted
        ]
        if self.accepted and (self.open or not self.whole):
            parts.append(f"{'at least ' * (not self.whole)}{counted(len(self.open), 'difference')} open")
        parts += [
            f"the acceptance {id_of(one)} of {counted(number, 'difference')} expired on {one.expires}"
            for one, number in self.expired
        ]
        return "; ".join(parts)


Explanations = Mapping[tuple[str, str, str], Explained]
"""Group, kind and subject of failed verdicts to what is accepted of them."""


def place_of(verdict: Verdict) -> tuple[str, str, str]:
    """What a verdict is on."""
    return verdict.group, verdict.kind, verdict.subject


def is_settled(known: Explanations, verdict: Verdict) -> bool:
    """Whether all that a failed verdict found is accepted."""
    found = known.get(place_of(verdict))
    return found is not None and found.settled


def id_of(acceptance: Acceptance) -> str:
    """16 hex digits of all that it says."""
    return digest("acceptance", to_json(acceptance), length=16)


def open_differences(
    differences: Sequence[Difference], acceptances: Sequence[Acceptance], on: date, *, whole: bool = True
) -> Explained:
    """Sort the differences of one verdict by who accepts them.

    :param acceptances: of the verdict's rule and subject, none withdrawn.
    :param on: the day, in UTC; an acceptance holds to the end of the day that it names.
    """
    by: Counter[int] = Counter()
    late: Counter[int] = Counter()
    left = []
    for difference in differences:
        fit = [n for n, one in enumerate(acceptances) if covers(one, difference)]
        holding = next((n for n in fit if acceptances[n].expires >= on), None)
        if holding is not None:
            by[holding] += 1
            continue
        left.append(difference)
        late.update(fit[:1])
    told = [tuple((acceptances[n], count) for n, count in sorted(some.items())) for some in (by, late)]
    return Explained(told[0], tuple(left), told[1], whole)


def covers(acceptance: Acceptance, difference: Difference) -> bool:
    """Whether a difference is one that was accepted, whatever the day: in its scope, and no larger."""
    if not in_scope(acceptance, difference):
        return False
    if not acceptance.amount:
        return difference in acceptance.covers
    apart = _apart(difference, absent=Decimal(0) if acceptance.rule == "kpi" else None)
    within = apart is not None and apart <= Decimal(acceptance.amount)
    return within and not difference.rows and difference.kind != "offsetting"


def in_scope(acceptance: Acceptance, difference: Difference) -> bool:
    """Whether a difference stands where an acceptance says, however large it is."""
    told = dict(difference.dimensions)
    return (
        (not acceptance.periods or (difference.period or NO_DATE) in acceptance.periods)
        and all(name in told and told[name] == value for name, value in (acceptance.dimensions or {}).items())
        and (not acceptance.keys or tuple(NO_DATE if p is None else p for p in difference.place) in acceptance.keys)
        and (not acceptance.column or difference.column == acceptance.column)
    )


def of_cell(finding: Finding, rows: tuple[int | None, int | None], marks: tuple[str | None, ...] = ()) -> Difference:
    """A differing cell of a KPI; ``rows`` are counted, and ``marks`` their fingerprints, on both sides."""
    return Difference(
        kind=finding.kind,
        grain=finding.grain,
        period=finding.period,
        dimensions=tuple(finding.dimensions.items()),
        expected=finding.expected,
        found=finding.found,
        rows=abs((rows[0] or 0) - (rows[1] or 0)),
        marks=marks,
    )


def of_count(finding: Finding) -> Difference:
    """A table whose rows don't add up, between two places."""
    return Difference(
        kind="counts", place=(finding.subject,), column=finding.leg, expected=finding.expected, found=finding.found
    )


def of_row(finding: Finding) -> Difference:
    """A value that differs in a row, or a row that one side lacks, which is bound by all that is in it."""
    words = (*finding.values.items(), finding.message)
    whole = bool(finding.values) and not finding.column
    place = tuple(None if part is None else str(part) for part in finding.key) or (digest(repr(words), length=16),)
    return Difference(
        kind=finding.kind,
        period=finding.period,
        place=place,
        column=finding.column,
        expected=finding.expected,
        found=finding.found,
        rows=0 if finding.column else finding.times,
        marks=(digest("row", *map(str, finding.values.items()), length=16),) if whole else (),
    )


def _apart(difference: Difference, absent: Decimal | None) -> Decimal | None:
    """How far two numbers are apart, exactly; None when one is none."""
    here, there = _number(difference.found, absent), _number(difference.expected, absent)
    return None if here is None or there is None else _EXACT.subtract(here, there).copy_abs()


def _number(word: str | None, absent: Decimal | None) -> Decimal | None:
    try:
        number = absent if word is None else Decimal(word)
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None
