"""Move the next windows of a group, one after the other, until they are through, a gate is held, or the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lakeward.domain.catch_up import CATCH_UP, caught_up
from lakeward.domain.evidence import WindowCut
from lakeward.domain.facts import GroupPlan, Plan, Windowing
from lakeward.domain.identity import WHOLE
from lakeward.domain.progress import STEP, GroupProgress, progress_of, spent
from lakeward.domain.windowing import counts_sql, in_window, lost_sql
from lakeward.domain.windows import MOST, UNPLACED, Count, Listing, Window, chosen, fold, list_windows, parse
from lakeward.errors import AlteredError, GateError, LakewardError, SpecError
from lakeward.ports import Ports, StepRecord
from lakeward.spec.models import BudgetSpec, Phased, PhasedGroup, WaveSpec, WindowSpec
from lakeward.steps.artifacts import freeze_plan, read_plan
from lakeward.steps.catch_up import CatchUp, take_start
from lakeward.steps.publish import find_pointer
from lakeward.steps.stock import tell_pointers
from lakeward.steps.throttle import wait_for_source
from lakeward.steps.window_claim import NOTHING_LANDED, HeldGroup, held_group
from lakeward.steps.window_run import Means, WindowRun

Choice = Callable[[Listing], tuple[Window, ...]]


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked for. ``choose`` names windows to be moved, done ones too with ``again``; without it the next ones are.

    ``holder`` names who works: the same one goes on at once, another waits for the lease. ``salt`` tells tries apart that read again.
    """

    holder: str
    budget: BudgetSpec
    deadline: datetime | None = None
    choose: Choice | None = None
    again: bool = False
    salt: str = ""


def by_word(word: str) -> Choice:
    """Choose the windows that a word means."""
    return lambda listing: chosen(word, listing)


def look(plan: Plan, name: str, ports: Ports) -> tuple[Listing, Mapping[str, WindowCut]]:
    """Which windows a group has, measured at the source, and those that are published; writes nothing.

    :raises SpecError: windows were counted by something else before, or there are too many.
    """
    group, spec = plan.group(name), spec_of(plan, name)
    found = find_pointer(ports.store, plan, group)
    windows = found[0].windows if found else {}
    if found and found[0].caught:
        return Listing((), tuple(replace(parse(n), rows=cut.rows) for n, cut in windows.items())), windows
    if group.windowing is None or spec.window is None:
        whole = (Window(None, None, _estimate(group), WHOLE),)
        return (Listing((), whole) if WHOLE in windows else Listing(whole, ())), windows
    if found and windows and found[0].basis != group.windowing.basis:
        raise SpecError(
            f"Group {name}: its windows were counted by {found[0].basis}, and the file says {group.windowing.basis}.",
            todo="Take the change back, or give the migration another name and table prefix and begin anew.",
        )
    counts = measure_windows(group, group.windowing, spec.window, ports, lost=UNPLACED not in windows)
    reopened = [n for n, cut in windows.items() if not cut.ended and spec.catch_up is None]
    done = {n: cut.rows for n, cut in windows.items()}
    listing = list_windows(spec.window, plan.migration.calendar, counts, done, reopened)
    if len(listing.left) > MOST:
        raise SpecError(
            f"Group {name} would have {len(listing.left):,} windows of {spec.window.size}; {MOST:,} are the most.",
            todo="Write a larger `size`.",
        )
    return listing, windows


def move_group(plan: Plan, name: str, ports: Ports, order: Order, means: Means) -> GroupProgress:
    """Move windows of a group. A window that another run has left unfinished comes first, at its cut.

    :raises LakewardError: a step failed; the next run goes on with that window.
    """
    with held_group(ports.store, plan.migration.migration, name, order.holder, means.clock) as held:
        if held is None:
            listing, windows = look(plan, name, ports)
            return progress_of(name, windows, listing, why="another run is moving a window of this group")
        return _Mover(plan, name, ports, order, means, held).run()


class _Mover:
    """One group, held."""

    def __init__(self, plan: Plan, name: str, ports: Ports, order: Order, means: Means, held: HeldGroup) -> None:
        self._plan, self._name, self._ports = plan, name, ports
        self._order, self._means, self._held = order, means, held
        self._began = means.clock()
        self._moved: list[str] = []
        spec = spec_of(plan, name)
        self._catch_up = CatchUp(plan, spec, ports, means, held) if spec.catch_up else None

    def run(self) -> GroupProgress:
        """Resume, then go on; when no window is left, catch up."""
        claim = self._held.claim
        if claim.window == CATCH_UP and self._catch_up:
            self._means.say(f"{self._name}: going on with a round of catch-up, which was left unfinished")
            self._catch_up.resume(claim.run_key)
        elif claim.window:
            self._means.say(f"{self._name}: going on with window {claim.window}, which was left unfinished")
            try:
                self._move(parse(claim.window), claim.run_key)
            except AlteredError as error:  # this run's plan knows
                self._means.say(f"{self._name}: window {claim.window} is read anew: {error.what}")
        elif self._catch_up and not self._published():
            take_start(self._plan, self._name, self._ports)
        listing, windows = look(self._plan, self._name, self._ports)
        why = self._go_on(listing, windows)
        done = progress_of(self._name, self._published(), listing, tuple(self._moved), why)
        if self._catch_up and self._order.choose is None and done.complete:
            done = self._follow(self._catch_up, done)
        self._record("held" if done.held else "done", done)
        return done

    def _follow(self, catch_up: CatchUp, done: GroupProgress) -> GroupProgress:
        caught = catch_up.run(self._order.deadline)
        return replace(done, held=CATCH_UP if caught.reasons else "", caught=catch_up.told, why=caught.why)

    def _go_on(self, listing: Listing, windows: Mapping[str, WindowCut]) -> str:
        """Move what is wanted; why it ends before all is done."""
        held = next((n for n, cut in windows.items() if cut.gate != "open"), "")
        wanted = self._wanted(listing)
        if wanted and self._catch_up and self._catch_up.published():
            raise GateError(
                f"Group {self._name} has caught up with its source since its windows were read: its rows are one cut now, and window "
                f"{wanted[0].name} can't be read again by itself.",
                todo="Nothing needs to be read again: each run compares all rows with the source and replaces those that differ.",
            )
        if held and (self._order.choose is None or not self._order.again):
            return f"read it again (`--window {held} --again`) when its reasons are mended"
        for window in wanted:
            if window.name in self._moved:
                continue
            cuts = self._published()
            moved = tuple(cuts[n] for n in self._moved if n in cuts)
            if why := spent(self._order.budget, moved, window, self._means.clock(), self._order.deadline):
                return why
            if why := wait_for_source(self._plan, self._ports, self._means, self._order.deadline):
                return why
            if not self._move(window, "", listing):
                return ""
            now = progress_of(self._name, self._published(), listing, tuple(self._moved))
            self._record("running", now)
            self._means.say(f"{self._name}: {now.told(self._order.budget, self._means.clock())}")
        return ""

    def _wanted(self, listing: Listing) -> tuple[Window, ...]:
        if self._order.choose is None:
            return listing.left
        found = self._order.choose(listing)
        done = {window.name for window in listing.done}
        wanted = tuple(w for w in found if self._order.again or w.name not in done)
        if not wanted:
            what = "are done already" if found else "hold no rows"
            self._means.say(f"{self._name}: the windows asked for {what}")
        return wanted

    def _move(self, window: Window, run_key: str, listing: Listing | None = None) -> bool:
        """One window; whether its gate is open."""
        name = window.name
        plan = self._window_plan(name, run_key, listing)
        self._held.begin(name, plan.run_key)
        self._means.say(f"{self._name}: window {name}, {window.rows:,} rows, cut {plan.groups[0].cut_id}")
        try:
            decision = WindowRun(plan, self._ports, self._means, self._held.make_sure).move()
        except NOTHING_LANDED:
            self._held.finish()
            raise
        except Exception:  # also what nobody foresaw: else the window would be met again for ever
            self._held.failed()
            raise
        self._held.finish()
        self._moved.append(name)
        for reason in decision.reasons if decision else ():
            self._means.say(f"{self._name}: window {name} is held: {reason}")
        return decision is not None and decision.open

    def _window_plan(self, name: str, run_key: str, listing: Listing | None) -> Plan:
        """The plan of a window's cut, frozen; that with which an unfinished one was begun."""
        migration = self._plan.migration.migration
        if run_key:
            try:
                return read_plan(self._ports.store, migration, run_key)
            except LakewardError as error:
                self._means.say(f"{self._name}: window {name} is read anew: {error.what}")
        failures = self._held.claim.failures
        salt = f"{self._order.salt}{f'{failures}.' if failures else ''}"  # what has failed is not begun at the same cut
        key = f"{self._plan.run_key}.{salt}{self._name}.{name}"
        top = listing.top if listing else None
        group = in_window(migration, self._plan.group(self._name), (parse(name),), name, key, top)
        return freeze_plan(self._ports.store, replace(self._plan, run_key=key, groups=(group,)))

    def _published(self) -> Mapping[str, WindowCut]:
        found = find_pointer(self._ports.store, self._plan, self._plan.group(self._name))
        return found[0].windows if found else {}

    def _record(self, outcome: str, progress: GroupProgress) -> None:
        """Progress, rate and expected end, in the ledger."""
        at = self._means.clock()
        rows = sum(cut.rows for name, cut in self._published().items() if name in self._moved)
        self._ports.ledger.record_standing(self._plan.migration.migration, self._name, progress, at)
        tell_pointers(self._plan, self._ports, (self._name,))
        self._ports.ledger.record_step(
            StepRecord(
                self._plan.migration.migration,
                self._plan.run_key,
                self._name,
                STEP,
                outcome,
                self._began,
                round((at - self._began).total_seconds(), 3),
                rows,
                progress.told(self._order.budget, at)[:500],
            )
        )


def over_done(plan: Plan, ports: Ports) -> Plan:
    """The plan over all rows whose windows are done, as the source has them now; of groups without windows as it is."""
    if not isinstance(plan.migration, Phased):
        return plan
    groups = []
    for group in plan.groups:
        found = find_pointer(ports.store, plan, group)
        if found and found[0].caught:
            groups.append(caught_up(plan.migration.migration, group, spec_of(plan, group.name).window, plan.run_key))
            continue
        found = found if group.windowing else None
        record = fold("", found[0].windows) if found else ""
        slices = tuple(map(parse, record.split()))
        groups.append(in_window(plan.migration.migration, group, slices) if found else group)
    return replace(plan, groups=tuple(groups))


def shut(wave: WaveSpec, found: Mapping[str, GroupProgress], waves: Sequence[WaveSpec]) -> str:
    """Why a wave does not begin; nothing when every wave that it comes after is complete.

    :param found: where the groups are; one that is missing could not be moved.
    """
    needed = [group for one in waves if one.name in (wave.after or ()) for group in one.groups]
    return "; ".join(
        f"{name} is {'held' if name in found and found[name].held else 'not complete'}"
        for name in needed
        if name not in found or not found[name].complete
    )


def measure_windows(group: GroupPlan, how: Windowing, spec: WindowSpec, ports: Ports, *, lost: bool) -> list[Count]:
    """Rows by day or slice of keys, counted by the source at one instant; with ``lost`` also those that follow nobody."""
    with ports.source.cut() as cut:
        rows = cut.query(counts_sql(group, how, spec)).to_pylist()
        found = [
            Count(int(at) if isinstance(at := row["at"], str) else at, int(row["side"]), int(row["n"])) for row in rows
        ]
        if lost and how.followers and not any(count.at is None for count in found):  # else they have a window anyway
            found.append(Count(None, 0, int(cut.query(lost_sql(group, how)).to_pylist()[0]["n"])))
    return found


def _estimate(group: GroupPlan) -> int:
    return sum(max(table.estimated_rows, 0) for table in group.tables)


def spec_of(plan: Plan, name: str) -> PhasedGroup:
    """What the file says of a group; SpecError when it is of no phased migration."""
    if not isinstance(plan.migration, Phased):
        raise SpecError(f"{plan.migration.migration} is no phased migration.", todo="Write `pattern: phased`.")
    return next(group for group in plan.migration.groups if group.name == name)
