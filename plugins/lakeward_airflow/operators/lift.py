"""A group of a hybrid that is read at one cut: looked at again by every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeward_airflow.operators.base import LoadOperator
from lakeward_airflow.runs import now, open_migration

if TYPE_CHECKING:
    from airflow.sdk import Context


class CompareAgainOperator(LoadOperator):
    """Compare a group with the source as it is now; choose its load when it differs or is not there yet, else what follows it."""

    def choose_branch(self, context: Context) -> str:  # noqa: ARG002
        """Compare, and say what came of it."""
        from lakeward.steps.lift import why_lift

        with open_migration(self.migration_file) as (loaded, ports):
            why = "asked for" if self.anew else why_lift(loaded, self.group, ports, now(), self.progress())
        self.log.info("%s %s", self.group, f"is read: {why}" if why else "is equal to its source as it is now")
        return self.load if why else self.go_on
