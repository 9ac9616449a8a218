"""What must hold of the groups of a hybrid, and can be told without asking the source."""

from __future__ import annotations

from collections.abc import Iterator

from lakeward.spec.document import Path
from lakeward.spec.models import Hybrid, HybridGroup, Migration
from lakeward.spec.problems import Trouble, meant
from lakeward.spec.wave_checks import all_before, check_closed_periods, check_window


def befores_of(spec: Hybrid) -> dict[str, set[str]]:
    """All groups that a group comes after, directly or by way of others."""
    after = {group.name: group.after for group in spec.groups}
    return {name: all_before(name, after) for name in after}


def in_order(spec: Hybrid) -> tuple[HybridGroup, ...]:
    """The groups, each behind all that it comes after; else as written."""
    before = befores_of(spec)
    return tuple(sorted(spec.groups, key=lambda group: len(before[group.name])))


def check_hybrid(spec: Migration) -> Iterator[Trouble]:
    """Contradictions of a hybrid; of others there are none."""
    if not isinstance(spec, Hybrid):
        return
    yield from check_closed_periods(spec, spec.groups)
    if spec.changes.continuous and spec.schedule:
        reason = "with `changes.continuous` a run begins as soon as the last one has ended"
        yield Trouble(("schedule",), reason, "Choose one of the two.", because=(("changes", "continuous"),))
    for n, group in enumerate(spec.groups):
        at: Path = ("groups", n)
        yield from _pattern(spec, group, at)
        yield from check_window(group, at)
        yield from _after(spec, group, at)


def _pattern(spec: Hybrid, group: HybridGroup, at: Path) -> Iterator[Trouble]:
    """Keys that do not go with the group's pattern, or that it can't do without."""
    because = ((*at, "pattern"),)
    if group.pattern != "phased":
        for key in (key for key in ("window", "catch_up") if getattr(group, key) is not None):
            reason = f"`{key}` is for groups of the pattern phased, and `{group.name}` is {group.pattern}"
            yield Trouble((*at, key), reason, "Leave it out, or write `pattern: phased`.", because=because)
    elif group.catch_up is None:
        reason = f"the group `{group.name}` would stay as its windows were read, and the joint gate would never open"
        yield Trouble((*at, "pattern"), reason, "Add `catch_up: {}` to the group.", because=((*at, "catch_up"),))
    if group.pattern == "strangler_fig" and spec.source.kind != "postgres":
        reason = f"a {spec.source.kind} source has no change log"
        yield Trouble((*at, "pattern"), reason, "Use lift_and_shift.", because=(("source", "kind"),))


def _after(spec: Hybrid, group: HybridGroup, at: Path) -> Iterator[Trouble]:
    known = [one.name for one in spec.groups]
    for m, other in enumerate(group.after):
        if other not in known:
            todo = meant(other, known) or f"There are: {', '.join(known)}."
            yield Trouble((*at, "after", m), f"there is no group `{other}`", todo, because=(("groups",),))
    before = befores_of(spec)
    if group.name in before[group.name] and group.name == min(n for n in before if n in before[n]):
        circle = ", ".join(sorted(n for n in before[group.name] if n in before[n]))
        reason = f"the group `{group.name}` comes after itself ({circle})"
        yield Trouble((*at, "after"), reason, "Let one of them come after none.")
