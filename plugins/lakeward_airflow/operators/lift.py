"""A group of a hybrid that is read at one cut: looked at again by every run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseBranchOperator

from lakeward_airflow.operators.base import GroupOperator
from lakeward_airflow.runs import now, open_migration

if TYPE_CHECKING:
    from airflow.sdk import Context


class CompareAgainOperator(GroupOperator, BaseBranchOperator):
    """Compare a group with the source as it is now; choose its load when it differs or is not there yet, else what follows it.

    :param group: name of the entity group. (templated)
    :param load: id of the first task of the load.
    :param go_on: id of the task that follows it.
    :param new: ``True`` loads anew. (templated)
    """

    template_fields: Sequence[str] = ("run_key", "group", "new")

    def __init__(self, *, load: str, go_on: str, new: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.load = load
        self.go_on = go_on
        self.new = new

    def choose_branch(self, context: Context) -> str:  # noqa: ARG002
        """Compare, and say what came of it."""
        from lakeward.steps.lift import why_lift

        with open_migration(self.migration_file) as (loaded, ports):
            why = (
                "asked for" if str(self.new) == "True" else why_lift(loaded, self.group, ports, now(), self.progress())
            )
        self.log.info("%s %s", self.group, f"is read: {why}" if why else "is equal to its source as it is now")
        return self.load if why else self.go_on
