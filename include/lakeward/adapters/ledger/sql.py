"""The ledger over SQLAlchemy: SQLite for one machine, PostgreSQL for several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from sqlalchemy import URL, ColumnElement, Connection, Row, Table, and_, delete, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite

from lakeward.adapters.ledger.schema import open_engine, shown, told
from lakeward.adapters.ledger.tables import acceptances, meters, standing, steps, transitions, verdicts
from lakeward.domain.acceptance import Acceptance
from lakeward.domain.evidence import Outcome, Transition, Verdict
from lakeward.domain.identity import digest
from lakeward.domain.meters import Meter, added
from lakeward.domain.standing import Judged, Standing
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import UnreadableError
from lakeward.ports import StepRecord
from lakeward.ports.ledger import Kind

_STEP_KEY = ("migration", "run_key", "group_name", "step", "started_at")
_VERDICT_KEY = ("migration", "group_name", "kind", "subject", "inputs_hash")


class SqlLedger:
    """Operational history in a database, whose tables are brought to the newest revision when it is opened.

    Every record may be made again: the same one changes nothing.

    :param url: of SQLite with a file, or of PostgreSQL; a string, or a URL when there is a password in it.
    """

    def __init__(self, url: str | URL) -> None:
        self._url = make_url(url)
        self._engine = open_engine(self._url)
        self._insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert

    def __repr__(self) -> str:
        return f"SqlLedger({shown(self._url)!r})"

    def record_step(self, record: StepRecord) -> None:
        """Keep a step's execution; one that began at the same instant is the same one, and is brought up to date."""
        key = (record.migration, record.run_key, record.group, record.step, record.started_at)
        rest = {name: getattr(record, name) for name in ("outcome", "seconds", "rows", "message")}
        self._upsert(steps, dict(zip(_STEP_KEY, key, strict=True)), rest)

    def record_verdict(self, verdict: Verdict) -> None:
        """Keep a verdict; for inputs that are judged already nothing changes, unless they could not be measured then."""
        key = (verdict.migration, verdict.group, verdict.kind, verdict.subject, verdict.inputs_hash)
        rest = {
            "cut_id": verdict.cut_id,
            "outcome": verdict.outcome.value,
            "decided_at": verdict.decided_at,
            "body": to_json(verdict).decode(),
        }
        self._upsert(verdicts, dict(zip(_VERDICT_KEY, key, strict=True)), rest, only_if_error=True)

    def verdict(self, migration: str, group: str, kind: str, subject: str, inputs_hash: str) -> Verdict | None:
        """The verdict for exactly these inputs, if it was ever reached; errors are never returned."""
        key = dict(zip(_VERDICT_KEY, (migration, group, kind, subject, inputs_hash), strict=True))
        query = select(verdicts.c.body).where(
            and_(*(verdicts.c[name] == value for name, value in key.items())),
            verdicts.c.outcome != Outcome.ERROR.value,
        )
        with self._reading() as connection:
            body = connection.execute(query).scalar()
        return None if body is None else from_json(Verdict, body)

    def verdicts(self, migration: str, cut_id: str | None = None) -> tuple[Verdict, ...]:
        """The newest verdict of every group, kind and subject (of one cut), in that order."""
        of = verdicts.c
        place = (of.group_name, of.kind, of.subject)
        newest = func.row_number().over(partition_by=place, order_by=(of.decided_at.desc(), of.number.desc()))
        wanted = [of.migration == migration, *([of.cut_id == cut_id] if cut_id is not None else [])]
        ranked = select(*place, of.body, newest.label("age")).where(*wanted).subquery()
        query = select(ranked.c.body).where(ranked.c.age == 1)
        with self._reading() as connection:
            found = [from_json(Verdict, body) for body in connection.execute(query).scalars()]
        return tuple(sorted(found, key=lambda v: (v.group, v.kind, v.subject)))

    def record_transition(self, transition: Transition) -> None:
        """Keep who moved what, when and why."""
        body = to_json(transition)
        rest = {
            "migration": transition.migration,
            "run_key": transition.run_key,
            "at": transition.at,
            "body": body.decode(),
        }
        self._upsert(transitions, {"content_hash": digest(body)}, rest)

    def transitions(self, migration: str) -> tuple[Transition, ...]:
        """All transitions, oldest first."""
        of = transitions.c
        query = select(of.body).where(of.migration == migration).order_by(of.at, of.number)
        with self._reading() as connection:
            return tuple(from_json(Transition, body) for body in connection.execute(query).scalars())

    def record_acceptances(self, migration: str, standing: Sequence[Acceptance]) -> None:
        """Keep these as the acceptances of a migration that stand, and no others."""
        rows = [
            {"content_hash": digest(body := to_json(a)), "migration": migration, "at": a.at, "body": body.decode()}
            for a in standing
        ]
        with told(self._url, "write"), self._engine.execution_options(writes=True).begin() as connection:
            connection.execute(delete(acceptances).where(acceptances.c.migration == migration))
            if rows:
                connection.execute(self._insert(acceptances).on_conflict_do_nothing(), rows)

    def acceptances(self, migration: str) -> tuple[Acceptance, ...]:
        """The acceptances that stand, expired ones too, oldest first."""
        of = acceptances.c
        query = select(of.body).where(of.migration == migration).order_by(of.at, of.number)
        with self._reading() as connection:
            return tuple(from_json(Acceptance, body) for body in connection.execute(query).scalars())

    def steps(self, migration: str | None = None, run_key: str | None = None) -> tuple[StepRecord, ...]:
        """The newest record of every migration, run, group and step, oldest first."""
        of = steps.c
        place = (of.migration, of.run_key, of.group_name, of.step)
        newest = func.row_number().over(partition_by=place, order_by=of.started_at.desc())
        wanted = [column == value for column, value in ((of.migration, migration), (of.run_key, run_key)) if value]
        ranked = select(steps, newest.label("age")).where(*wanted).subquery()
        query = (
            select(ranked).where(ranked.c.age == 1).order_by(ranked.c.started_at, ranked.c.group_name, ranked.c.step)
        )
        with self._reading() as connection:
            return tuple(_step(row) for row in connection.execute(query))

    def runs(self, migration: str | None = None, *, by_group: bool = False) -> tuple[StepRecord, ...]:
        """The newest run of every migration: the newest record of each of its groups and steps, oldest first.

        :param by_group: the newest run of each group instead, where groups have runs of their own.
        """
        of = steps.c
        whose = [of.migration, of.group_name] if by_group else [of.migration]
        last = select(*whose, func.max(of.started_at).label("at")).where(*_is(of.migration, migration))
        began = last.group_by(*whose).subquery()
        at_last = [one == began.c[one.name] for one in whose]
        newest = select(*whose, of.run_key).join(began, and_(*at_last, of.started_at == began.c.at)).subquery()
        of_it = [one == newest.c[one.name] for one in whose]
        query = select(steps).join(newest, and_(*of_it, of.run_key == newest.c.run_key))
        with self._reading() as connection:
            found = sorted(map(_step, connection.execute(query)), key=lambda s: (s.started_at, s.group, s.step))
        newest_of = {(s.migration, s.run_key, s.group, s.step): s for s in found}
        return tuple(sorted(newest_of.values(), key=lambda s: (s.started_at, s.group, s.step)))

    def judged(self, migration: str | None = None, *, by_cut: bool = False) -> tuple[Judged, ...]:
        """The newest outcome of every migration, group, kind and subject; with ``by_cut``, of every cut."""
        of = verdicts.c
        place = [of.migration, of.group_name, of.kind, of.subject, *([of.cut_id] if by_cut else [])]
        newest = func.row_number().over(partition_by=place, order_by=(of.decided_at.desc(), of.number.desc()))
        columns = (of.migration, of.group_name, of.kind, of.subject, of.cut_id, of.outcome, of.decided_at)
        ranked = select(*columns, newest.label("age")).where(*_is(of.migration, migration)).subquery()
        query = select(ranked).where(ranked.c.age == 1)
        with self._reading() as connection:
            found = [_judged(row) for row in connection.execute(query)]
        return tuple(sorted(found, key=lambda j: (j.migration, j.group, j.kind, j.subject, j.cut_id)))

    def record_standing(self, migration: str, group: str, fact: Standing, at: datetime) -> None:
        """Keep what stands since ``at``; an older fact of its kind makes way, a newer one stays."""
        key = {"migration": migration, "group_name": group, "kind": type(fact).__name__}
        rest = {"at": at, "body": to_json(fact).decode()}
        insert = self._insert(standing).values(**key, **rest)
        newer = insert.on_conflict_do_update(index_elements=list(key), set_=rest, where=standing.c.at <= at)
        with told(self._url, "write"), self._engine.execution_options(writes=True).begin() as connection:
            connection.execute(newer)

    def standing(
        self, kind: type[Kind], migration: str | None = None
    ) -> Mapping[tuple[str, str], tuple[Kind, datetime]]:
        """What stands of a kind, with the instant since when, by migration and group."""
        of = standing.c
        query = select(of.migration, of.group_name, of.body, of.at)
        query = query.where(of.kind == kind.__name__, *_is(of.migration, migration))
        found: dict[tuple[str, str], tuple[Kind, datetime]] = {}
        with self._reading() as connection:
            for name, group, body, at in connection.execute(query):
                with suppress(
                    UnreadableError
                ):  # told by another version: as good as not told, until somebody tells it anew
                    found[name, group] = (from_json(kind, body), at)
        return found

    def record_meter(self, meter: Meter) -> None:
        """Keep a run's meter, and the sum of its day's; the same run again changes nothing. Runs of earlier days are summed up then."""
        of, place = meters.c, {"migration": meter.migration, "group_name": meter.group, "day": meter.day}
        mine = and_(of.migration == meter.migration, of.group_name == meter.group)
        with told(self._url, "write"), self._engine.execution_options(writes=True).begin() as connection:
            self._put_meter(connection, place, meter.began.isoformat(), meter)
            found = connection.execute(select(of.body).where(mine, of.day == meter.day, of.run_began != ""))
            self._put_meter(connection, place, "", added(from_json(Meter, body) for body in found.scalars()))
            connection.execute(delete(meters).where(mine, of.day < meter.day, of.run_began != ""))

    def _put_meter(self, connection: Connection, place: Mapping[str, str], began: str, meter: Meter) -> None:
        insert = self._insert(meters).values(**place, run_began=began, body=to_json(meter).decode())
        key = [*place, "run_began"]
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_={"body": insert.excluded.body}))

    def meters(self, migration: str, *, runs: bool = False) -> tuple[Meter, ...]:
        """The meter of every group and day, oldest first; or of the runs of its newest day."""
        of = meters.c
        wanted = of.run_began != "" if runs else of.run_began == ""
        query = select(of.body).where(of.migration == migration, wanted).order_by(of.day, of.group_name, of.run_began)
        with self._reading() as connection:
            return tuple(from_json(Meter, body) for body in connection.execute(query).scalars())

    def metered(self, migration: str | None = None) -> Mapping[str, tuple[str, tuple[Meter, ...]]]:
        """Of every migration the first day with a meter, and each group's meter of its newest day."""
        of = meters.c
        days = select(of.migration, of.group_name, func.min(of.day).label("first"), func.max(of.day).label("last"))
        days_of = days.where(of.run_began == "", *_is(of.migration, migration)).group_by(of.migration, of.group_name)
        ends = days_of.subquery()
        same = (of.migration == ends.c.migration, of.group_name == ends.c.group_name, of.day == ends.c.last)
        query = select(of.migration, ends.c.first, of.body).join(ends, and_(*same)).where(of.run_began == "")
        found: dict[str, tuple[str, tuple[Meter, ...]]] = {}
        with self._reading() as connection:
            for name, first, body in connection.execute(query.order_by(of.migration, of.group_name)):
                before, newest = found.get(name, (first, ()))
                found[name] = (min(before, first), (*newest, from_json(Meter, body)))
        return found

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with told(self._url, "read"), self._engine.connect() as connection:
            yield connection

    def _upsert(
        self, table: Table, key: Mapping[str, object], rest: Mapping[str, object], *, only_if_error: bool = False
    ) -> None:
        insert = self._insert(table).values(**key, **rest)
        replace = insert.on_conflict_do_update(
            index_elements=list(key),
            set_=dict(rest),
            where=table.c.outcome == Outcome.ERROR.value if only_if_error else None,
        )
        with told(self._url, "write"), self._engine.execution_options(writes=True).begin() as connection:
            connection.execute(replace)


def _is(column: ColumnElement[str], value: str | None) -> list[ColumnElement[bool]]:
    return [] if value is None else [column == value]


def _step(row: Row[tuple[object, ...]]) -> StepRecord:
    return StepRecord(
        migration=row.migration,
        run_key=row.run_key,
        group=row.group_name,
        step=row.step,
        outcome=row.outcome,
        started_at=row.started_at,
        seconds=row.seconds,
        rows=row.rows,
        message=row.message,
    )


def _judged(row: Row[tuple[object, ...]]) -> Judged:
    return Judged(
        migration=row.migration,
        group=row.group_name,
        kind=row.kind,
        subject=row.subject,
        cut_id=row.cut_id,
        outcome=Outcome(row.outcome),
        decided_at=row.decided_at,
    )
