"""What the operators of one entity group have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseBranchOperator, BaseOperator

from lakeward.domain.facts import Plan
from lakeward.ports import Ports
from lakeward_airflow.runs import now, open_migration, progress

if TYPE_CHECKING:
    from lakeward.ports import Progress
    from lakeward.spec.load import LoadedMigration
    from lakeward.steps.journal import Entry


class RunOperator(BaseOperator):
    """Work on the run of one migration.

    :param migration_file: path of the migration file.
    :param run_key: names the run; the DAG run's id unless given. (templated)
    """

    template_fields: Sequence[str] = ("run_key",)
    ui_color = "#e8f0fe"

    def __init__(self, *, migration_file: str, run_key: str = "{{ run_id }}", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration_file = migration_file
        self.run_key = run_key

    @contextmanager
    def opened(self, *, dry: bool = False) -> Iterator[tuple[Plan, Ports, Entry]]:
        """The frozen plan, the ports, and the task's entry in the ledger; of a dry run it says so."""
        from lakeward.domain.overview import DRY
        from lakeward.steps.journal import journal

        with open_migration(self.migration_file) as (loaded, ports):
            plan = self.plan(loaded, ports)
            step = self.task_id.rsplit(".", 1)[-1] + (DRY if dry else "")
            with journal(plan, ports, self.entity_group, step, now()) as entry:
                yield plan, ports, entry

    def plan(self, loaded: LoadedMigration, ports: Ports) -> Plan:
        """The plan that is worked on: the run's own, frozen."""
        from lakeward.steps.artifacts import read_plan

        return read_plan(ports.store, loaded.spec.migration, self.run_key)

    @property
    def entity_group(self) -> str:
        """The group that is worked on; empty for the whole run."""
        return ""

    def keep_dossier(self, plan: Plan, ports: Ports) -> None:
        """Write the run's dossier anew."""
        from lakeward.steps.dossier import try_dossier

        self.log.info("Dossier: %s", try_dossier(plan, ports, now()))

    def progress(self) -> Progress:
        """Report into the task's log."""
        return progress(self.log)


class GroupOperator(RunOperator):
    """Work on one entity group of a run.

    :param group: name of the entity group. (templated)
    """

    template_fields: Sequence[str] = ("run_key", "group")

    def __init__(self, *, group: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group = group

    @property
    def entity_group(self) -> str:
        """The group that is worked on."""
        return self.group


class LoadOperator(GroupOperator, BaseBranchOperator):
    """Choose between the load of a group and what follows it.

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

    @property
    def anew(self) -> bool:
        """Whether the load is asked for, whatever is there."""
        return str(self.new) == "True"
