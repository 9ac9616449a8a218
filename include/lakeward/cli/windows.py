"""Windows of phased migrations, for people: those that are done, those that come, and what a file might declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakeward.cli.console import say, table

if TYPE_CHECKING:
    from lakeward.domain.evidence import Pointer, WindowCut
    from lakeward.domain.facts import Plan
    from lakeward.domain.windows import Listing
    from lakeward.ports import Ports, StepRecord

_SHOWN = 40


def show_windows(pointers: Sequence[Pointer], steps: Sequence[StepRecord]) -> None:
    """Progress of every group that has windows, and which of them are held or will be read again."""
    from lakeward.cli.session import now
    from lakeward.domain.progress import STEP
    from lakeward.domain.windows import fold

    told = {record.group: record for record in steps if record.step == STEP}
    for pointer in (p for p in pointers if p.windows):
        rows = sum(cut.rows for cut in pointer.windows.values())
        spans = fold("", (name for name in pointer.windows if pointer.basis))
        say(f"{pointer.group}: {len(pointer.windows)} windows done, {rows:,} rows{f': {spans}' if spans else ''}")
        if pointer.group in told:
            say(f"  last run: {told[pointer.group].message}")
        if caught := pointer.caught:
            lag = str(now() - caught.mark.at).partition(".")[0]
            how = f"proved, gate {caught.gate or 'not asked yet'}" if caught.whole else "by watermarks, not proved yet"
            say(
                f"  {lag} behind the source: round {caught.rounds} of catch-up, {how}; {caught.upserted:,} rows upserted, "
                f"{caught.deleted:,} deleted"
            )
            continue
        for name, cut in pointer.windows.items():
            if cut.gate != "open":
                say(f"  window {name} at cut {cut.cut_id} is {cut.gate or 'not judged yet'}")
            elif not cut.ended:
                say(f"  window {name} had not ended when it was read: the next run reads it again")


def show_plan(made: Plan, found: Mapping[str, tuple[Listing, Mapping[str, WindowCut]]]) -> None:
    """Waves, and the windows of their groups with their rows."""
    from lakeward.domain.windowing import followed
    from lakeward.spec.models import Phased
    from lakeward.spec.wave_checks import waves_of

    for wave in waves_of(made.migration) if isinstance(made.migration, Phased) else ():
        after = f", after {', '.join(wave.after)}" if wave.after else ""
        say()
        say(f"Wave {wave.name}{after}: {', '.join(wave.groups)}")
        for name in wave.groups:
            listing, done = found[name]
            group = made.group(name)
            if group.windowing is None:
                say(f"  {name}: read at once{', done' if done else ''}")
                continue
            say(f"  {name}: by {group.windowing.basis}; {followed(group)}")
            rows = [(w.name, f"{w.rows:,}", "read again" if w.name in done else "") for w in listing.left[:_SHOWN]]
            rows += [(w.name, f"{w.rows:,}", "done") for w in listing.done[: _SHOWN - len(rows)]]
            table((f"{len(listing.left) + len(listing.done)} windows", "rows", ""), rows, right=("rows",))
            if (more := len(listing.left) + len(listing.done) - len(rows)) > 0:
                say(f"  and {more} more")
            for count, what in ((listing.before, "before `from`"), (listing.after, "from `until` on")):
                if count:
                    say(f"  {count:,} rows {what} stay behind, with what follows them")


def measure(made: Plan, ports: Ports) -> dict[str, tuple[Listing, Mapping[str, WindowCut]]]:
    """Which windows each group has, counted by the source."""
    from lakeward.steps.waves import look

    return {group.name: look(made, group.name, ports) for group in made.groups}
