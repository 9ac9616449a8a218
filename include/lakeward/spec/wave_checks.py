"""What must hold of windows and waves, and can be told without asking the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase

from lakeward.spec.document import Path
from lakeward.spec.models import Migration, Phased, PhasedGroup, WaveSpec
from lakeward.spec.problems import Trouble, meant


def waves_of(spec: Phased) -> tuple[WaveSpec, ...]:
    """The waves, each with what it comes after written out."""
    waves = spec.waves or tuple(WaveSpec(name=g.name, groups=(g.name,)) for g in spec.groups)
    return tuple(
        wave if wave.after is not None else wave.model_copy(update={"after": (waves[n - 1].name,) if n else ()})
        for n, wave in enumerate(waves)
    )


def check_waves(spec: Migration) -> Iterator[Trouble]:
    """Contradictions of a phased migration; of others there are none."""
    if not isinstance(spec, Phased):
        return
    if spec.compaction.mode != "none":
        yield Trouble(
            ("compaction", "mode"),
            f"`{spec.compaction.mode}` puts rows of several windows into one file, and a window could not be replaced by itself",
            "Write `none` in a phased migration; docs/phased.md tells what to do with a store that compacts by itself.",
        )
    yield from check_closed_periods(spec, spec.groups)
    for n, group in enumerate(spec.groups):
        yield from check_window(group, ("groups", n))
    yield from _waves(spec)


def check_closed_periods(spec: Migration, groups: Sequence[PhasedGroup]) -> Iterator[Trouble]:
    """Closed periods can't be counted in figures that end where a window ends."""
    if spec.gate.closed_periods and any(group.window for group in groups):
        reason = "each window is put to the gate by itself, and its figures end where it ends"
        yield Trouble(
            ("gate", "closed_periods"), reason, "Leave it out: every period of a window must be equal anyway."
        )


def check_window(group: PhasedGroup, at: Path) -> Iterator[Trouble]:
    """Contradictions of a group's window with its tables and in itself."""
    window, here = group.window, (*at, "window")
    if window is None:
        return
    listed = [table.table for table in group.tables]
    if not any(window.table == name or fnmatchcase(window.table, name) for name in listed):
        todo = meant(window.table, listed) or f"It lists: {', '.join(listed)}."
        reason = f"the group `{group.name}` lists no table `{window.table}`"
        because = tuple((*at, "tables", n, "table") for n in range(len(listed)))
        yield Trouble((*here, "table"), reason, todo, because=because)
    wanted, example = (int, "100000") if window.size.unit == "key" else (date, "2024-01-31")
    bounds = {"from": window.from_, "until": window.until}
    wrong = [name for name, value in bounds.items() if value is not None and not isinstance(value, wanted)]
    for name in wrong:
        reason = f"windows of {window.size} are counted in {'keys' if wanted is int else 'days'}, and `{name}` is {bounds[name]}"
        yield Trouble((*here, name), reason, f"Write it as `{example}`.", because=((*here, "size"),))
    low, high = window.from_, window.until
    if not wrong and low is not None and high is not None and not low < high:  # type: ignore[operator]
        reason = f"`until` ({high}) is the first that stays behind, so that nothing is left from {low} on"
        yield Trouble((*here, "until"), reason, "Write one that comes after `from`.", because=((*here, "from"),))


def _waves(spec: Phased) -> Iterator[Trouble]:
    known = [group.name for group in spec.groups]
    names = [wave.name for wave in spec.waves]
    home: dict[str, str] = {}
    for n, wave in enumerate(spec.waves):
        at: Path = ("waves", n)
        if wave.name in names[:n]:
            yield Trouble((*at, "name"), f"there are two waves called `{wave.name}`", "Give each a name of its own.")
        for m, group in enumerate(wave.groups):
            if group not in known:
                todo = meant(group, known) or f"There are: {', '.join(known)}."
                yield Trouble((*at, "groups", m), f"there is no group `{group}`", todo, because=(("groups",),))
            elif group in home:
                reason = f"the group `{group}` is in the wave `{home[group]}` already"
                yield Trouble((*at, "groups", m), reason, "A group is moved in one wave.")
            home.setdefault(group, wave.name)
        for m, other in enumerate(wave.after or ()):
            if other not in names:
                todo = meant(other, names) or f"There are: {', '.join(names)}."
                yield Trouble((*at, "after", m), f"there is no wave `{other}`", todo)
    if spec.waves and (missing := [name for name in known if name not in home]):
        reason = f"no wave moves {', '.join(f'`{name}`' for name in missing)}"
        yield Trouble(("waves",), reason, "Put each group into one wave, or leave `waves` out.")
    yield from _circles(spec)


def all_before(name: str, after: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All that something comes after, directly or by way of others; itself too when there is a circle."""
    seen, left = set[str](), list(after.get(name, ()))
    while left:
        if (one := left.pop()) not in seen:
            seen.add(one)
            left += after.get(one, ())
    return seen


def _circles(spec: Phased) -> Iterator[Trouble]:
    after: Mapping[str, tuple[str, ...]] = {wave.name: wave.after or () for wave in waves_of(spec)}
    for n, wave in enumerate(spec.waves):
        if wave.name in (seen := all_before(wave.name, after)):
            reason = f"the wave `{wave.name}` comes after itself ({', '.join(sorted(seen))})"
            yield Trouble(("waves", n, "after"), reason, "Let one of them come after none: `after: []`.")
            return
