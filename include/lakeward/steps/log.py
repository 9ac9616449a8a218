"""The change log of a group, and the source as its initial load reads it."""

from __future__ import annotations

from lakeward.domain.facts import Plan
from lakeward.errors import SpecError
from lakeward.ports import ChangeLog, Ports, Source
from lakeward.spec.models import StranglerFig


def log_of(ports: Ports, group: str) -> ChangeLog:
    """The change log of a group; SpecError when the migration follows none."""
    if ports.log is None:
        raise SpecError("This migration follows no change log.", todo="Write `pattern: strangler_fig`.")
    return ports.log(group)


def source_of(plan: Plan, group: str, ports: Ports) -> Source:
    """The source that a group is extracted from: where its log is followed, the cut makes the slot, which keeps all from there."""
    return log_of(ports, group).source(lasting=True) if isinstance(plan.migration, StranglerFig) else ports.source
