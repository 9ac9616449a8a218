"""The change log of a strangler fig: loaded once, then served tenure by tenure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from lakeward.domain.facts import Plan
from lakeward.errors import GateError, LakeError
from lakeward.ports import Ports
from lakeward_airflow.assets import update_assets
from lakeward_airflow.operators.base import GroupOperator, LoadOperator, RunOperator
from lakeward_airflow.runs import now, open_migration

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakeward.spec.load import LoadedMigration


class LoadOnceOperator(LoadOperator):
    """Choose the initial load, whose plan is frozen here, or what follows it when it is there."""

    def choose_branch(self, context: Context) -> str:  # noqa: ARG002
        """Look whether the group is loaded; plan its load if not."""
        from lakeward.steps.plan import make_plan
        from lakeward.steps.tenure import loaded_plan

        with open_migration(self.migration_file, exact=True) as (loaded, ports):
            if not self.anew and loaded_plan(loaded, self.group, ports):
                return self.go_on
            plan = make_plan(loaded, ports, self.run_key, now(), self.progress())
            _tell_card(plan, loaded, ports)
        return self.load


class ServeChangesOperator(GroupOperator):
    """Apply the source's changes for a tenure, then compare both sides at one position of its log.

    A try that dies is gone on with where the lake is; nothing is applied twice.

    :param group: name of the entity group. (templated)
    """

    def execute(self, context: Context) -> dict[str, object]:
        """Serve; GateError when something differs."""
        from lakeward.domain.changes import spelled
        from lakeward.reader import resolve
        from lakeward.spec.models import Hybrid
        from lakeward.steps.journal import journal
        from lakeward.steps.tenure import serve

        with open_migration(self.migration_file, exact=True) as (loaded, ports):
            plan = _plan(loaded, self.group, ports)
            _tell_card(plan, loaded, ports)
            with journal(plan, ports, self.group, "changes", now()) as entry:
                alone = not isinstance(loaded.spec, Hybrid)
                done = serve(plan, self.group, ports, now, progress=self.progress(), dual=alone)
                entry.rows, entry.outcome, entry.message = done.rows, "done" if done.equal else "held", done.told
            self.log.info("%s: %s", self.group, done.told)
            pointer = resolve(ports.store, plan.migration.migration, self.group)
            update_assets(context, self.outlets, plan.migration.target.connection, pointer.tables)
            for verdict in done.verdicts:
                self.log.info("%s %s: %s, %s", verdict.kind, verdict.subject, verdict.outcome, verdict.summary)
            if not done.equal:
                worse = ", ".join(f"{v.kind} {v.subject}" for v in done.verdicts if v.failed)
                raise GateError(
                    f"Group {self.group} differs at {spelled(done.position)}: {worse}.",
                    todo="`lakeward parity FILE --drill` names the rows; the next run goes on applying changes.",
                )
        return {
            "batches": done.batches,
            "transactions": done.transactions,
            "changes": done.changes,
            "quarantined": done.quarantined,
            "position": spelled(done.position),
            "retained_bytes": done.lag,
            "slowest_seconds": round(done.slowest, 1),
        }


class EvaluateComparisonsOperator(RunOperator):
    """Put what the tenures have compared to the gate: the newest comparison of every group, each at its own position of the log.

    A gate that is held for want of something leaves this skipped, and the next run asks again; it fails when a difference is proved.
    """

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Evaluate; AirflowSkipException when the gate is held, GateError when something is proved to be wrong."""
        from lakeward.steps.compared import judge_compared

        with open_migration(self.migration_file, exact=True) as (loaded, ports):
            plan, decision = judge_compared(loaded, ports, now(), self.progress())
            for line in (*map(str, decision.streaks), *decision.warnings):
                self.log.info("%s", line)
            if decision.open:
                self.keep_dossier(plan, ports)
            if any(reason.proven for reason in decision.why):
                raise GateError("The gate is held: " + "; ".join(decision.reasons), todo="Mend what the reasons name.")
            if not decision.open:
                raise AirflowSkipException("The gate is held: " + "; ".join(decision.reasons))
        return {
            "decision": decision.decision.value,
            "run_key": plan.run_key,
            "progress": list(map(str, decision.streaks)),
            "evidence_hash": decision.evidence_hash,
            "warnings": list(decision.warnings),
            "quarantined": decision.quarantined,
        }


class CompactChangesOperator(GroupOperator):
    """Fold what changes left behind: small files and delete files, when the file's ``compaction`` says ``rewrite``.

    :param group: name of the entity group. (templated)
    """

    def execute(self, context: Context) -> dict[str, object]:  # noqa: ARG002
        """Compact, or only look."""
        from lakeward.domain.compaction import rewriting
        from lakeward.steps.compact import compact

        with open_migration(self.migration_file, exact=True) as (loaded, ports):
            report = compact(_plan(loaded, self.group, ports), self.group, ports, now(), progress=self.progress())
        return {"due": report.due, "rewritten": [told for table in report.tables if (told := rewriting(table))]}


def _tell_card(plan: Plan, loaded: LoadedMigration, ports: Ports) -> None:
    """What the migration is; of a hybrid, whose groups have plans of their own, the task that plans the whole has told it."""
    from lakeward.spec.models import Hybrid
    from lakeward.steps.stock import tell_card

    if not isinstance(loaded.spec, Hybrid):
        tell_card(plan, Path(loaded.path).name, ports.ledger)


def _plan(loaded: LoadedMigration, group: str, ports: Ports) -> Plan:
    from lakeward.steps.tenure import loaded_plan

    plan = loaded_plan(loaded, group, ports)
    if plan is None:
        raise LakeError(f"Group {group} has no initial load.", todo="Clear the tasks of its load.")
    return plan
