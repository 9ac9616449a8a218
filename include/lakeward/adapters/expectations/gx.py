"""Great Expectations 1.24.1 over a DuckDB connection that is open already: no data context, no pandas, no files, no network.

Never import this module at the top of another one: it costs 5 to 10 s and 250 MB. It leans on internals of Great Expectations
and duckdb-engine, whose versions are pinned; a test for every permitted expectation tells when they move.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import duckdb_engine
import sqlalchemy as sa
from great_expectations.core.batch import Batch
from great_expectations.core.id_dict import IDDict
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.registry import get_expectation_impl
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import Validator
from sqlalchemy.dialects import registry
from sqlalchemy.pool import StaticPool

from lakeward.domain.expectations import PERMITTED, Kind
from lakeward.domain.sql import ident


class QuotingPreparer(duckdb_engine.DuckDBIdentifierPreparer):
    """Quotes every name: DuckDB reserves more words (`at`) than it lists."""

    def _requires_quotes(self, value: str) -> bool:  # noqa: ARG002
        return True


class DuckDialect(duckdb_engine.Dialect):
    """duckdb-engine's dialect, without transactions (a rollback drops the pending result) and with DuckDB's own catalog."""

    supports_statement_cache = False
    supports_native_decimal = True
    preparer = QuotingPreparer

    def do_begin(self, connection: object) -> None:
        """Do nothing: views and files are only read."""

    def do_rollback(self, connection: object) -> None:
        """Do nothing."""

    def do_commit(self, connection: object) -> None:
        """Do nothing."""

    def do_close(self, connection: object) -> None:
        """Do nothing: the connection belongs to who opened it."""

    def has_table(self, connection: sa.Connection, table_name: str, *_: object, **__: object) -> bool:
        """Whether there is a view of that name."""
        found = connection.exec_driver_sql("SELECT count(*) FROM duckdb_views() WHERE view_name = $1", (table_name,))
        return bool(found.scalar())

    def get_columns(self, connection: sa.Connection, table_name: str, *_: object, **__: object) -> Any:
        """Columns by DESCRIBE. Their types are left open: whether a rule suits its column was checked before."""
        rows = connection.exec_driver_sql(f"DESCRIBE {ident(table_name)}")
        return [{"name": row[0], "type": sa.types.NullType(), "nullable": True, "default": None} for row in rows]

    def get_pk_constraint(self, *_: object, **__: object) -> Any:
        """Views have none."""
        return {"constrained_columns": [], "name": None}


registry.register("lakeward_duckdb", __name__, "DuckDialect")


class ExactEngine(SqlAlchemyExecutionEngine):
    """Figures as DuckDB gives them: the base class makes floats of decimals."""

    def resolve_metric_bundle(self, metric_fn_bundle: Iterable[Any]) -> dict[Any, Any]:
        """Every figure that the bundled metrics ask of one table, by one query."""
        found: dict[Any, Any] = {}
        for query in self._organize_metrics_by_domain(metric_fn_bundle):
            table = self.get_domain_records(domain_kwargs=query["domain_kwargs"])
            row = self.execute_query(sa.select(*query["select"]).select_from(table)).one()
            found.update(zip(query["metric_ids"], row, strict=True))
        return found


def _exactly(name: str) -> str:
    """Register the expectation once more with bounds that stay what they are, and give its type.

    The models make floats of decimals and of long integers, and dates of timestamps; whether a bound suits its column was
    checked before.
    """
    base: Any = get_expectation_impl(name)
    bounds = [bound for bound in ("min_value", "max_value", "sum_total") if bound in base.__fields__]
    body = {"__annotations__": dict.fromkeys(bounds, Any), "__module__": __name__, **dict.fromkeys(bounds)}
    type(base)(f"{base.__name__}Exactly", (base,), body)
    return f"{name}_exactly"


_EXACT = {
    name: _exactly(name)
    for name, permitted in PERMITTED.items()
    if {Kind.VALUE, Kind.NUMBER} & {*permitted.required.values(), *permitted.optional.values()}
}


def configuration(expect: str, args: Mapping[str, object]) -> ExpectationConfiguration:
    """An expectation with its arguments."""
    return ExpectationConfiguration(type=_EXACT.get(expect, expect), kwargs=dict(args))


class QuietValidator(Validator):
    """The validator without progress bars of its own."""

    def _determine_progress_bars(self) -> bool:
        return False


@contextmanager
def opened(con: duckdb.DuckDBPyConnection) -> Iterator[ExactEngine]:
    """An execution engine on the connection, which stays open; Great Expectations says nothing meanwhile."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it tells what it caught; what it caught is in the results
    wrapped = duckdb_engine.ConnectionWrapper(con)
    engine = ExactEngine(
        engine=sa.create_engine("lakeward_duckdb://", creator=lambda: wrapped, poolclass=StaticPool),
        create_temp_table=False,
    )
    # For regular expressions it looks for known dialects by attribute; Dremio's REGEXP_MATCHES is DuckDB's too.
    engine.dialect_module = cast("Any", SimpleNamespace(DremioDialect=DuckDialect))
    try:
        yield engine
    finally:
        engine.engine.dispose()
        logger.setLevel(level)


class TableRules:
    """Puts expectations to one view."""

    def __init__(self, engine: ExactEngine, view: str) -> None:
        self._engine = engine
        data: Any = SqlAlchemyBatchData(engine, table_name=view)
        named: Any = IDDict(view=view)  # the batch's id is made of it
        self._validator = QuietValidator(execution_engine=engine, batches=[Batch(data=data, batch_definition=named)])

    def run(self, rules: Sequence[ExpectationConfiguration], result_format: str) -> list[Any]:
        """Results in the order of the rules; one that could not be evaluated has its exceptions in it."""
        numbered = [copy.deepcopy(rule) for rule in rules]
        for number, rule in enumerate(numbered):
            rule.meta = {"number": number}
        results = self._validator.graph_validate(
            configurations=numbered, runtime_configuration={"result_format": {"result_format": result_format}}
        )
        return sorted(results, key=lambda result: int(result.expectation_config.meta["number"]))

    def failing(self, rule: ExpectationConfiguration, columns: Sequence[str]) -> tuple[str, list[object]]:
        """SQL with its parameters that selects columns of the rows that break the rule."""
        config = copy.deepcopy(rule)
        config.kwargs["batch_id"] = self._validator.active_batch_id
        expectation: Any = config.to_domain_obj()
        counted = f"{expectation.map_metric}.unexpected_count"
        metric = expectation.get_validation_dependencies(
            execution_engine=self._engine, runtime_configuration={"result_format": "BOOLEAN_ONLY"}
        ).metric_configurations[counted]
        condition, compute, accessor = self._validator.get_metric(
            MetricConfiguration(
                f"{expectation.map_metric}.condition", metric.metric_domain_kwargs, metric.metric_value_kwargs
            )
        )
        rows = self._engine.get_domain_records(domain_kwargs={**compute, **accessor})
        chosen: list[sa.ColumnClause[Any]] = [sa.column(sa.sql.quoted_name(name, quote=True)) for name in columns]
        query = sa.select(*chosen).where(condition).select_from(rows)
        compiled = query.compile(dialect=self._engine.dialect, compile_kwargs={"render_postcompile": True})
        return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]
