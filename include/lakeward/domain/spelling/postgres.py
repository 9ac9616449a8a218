"""PostgreSQL. The session must be pinned to UTC, ISO dates and hex, as ours are: compact texts go by its settings."""

from __future__ import annotations

from typing import ClassVar

from sqlglot import exp

from lakeward.domain.spelling.base import Spelling
from lakeward.domain.tree import (
    Expression,
    Select,
    add,
    call,
    case,
    cast,
    compare,
    equal,
    named,
    number,
    own,
    side,
    times,
    word,
)


class Postgres(Spelling):
    """Numeric has no bounds, so that nothing overflows."""

    name = "postgres"
    typeof = "pg_typeof"
    kinds: ClassVar[dict[str, str]] = {k: k for k in ("boolean", "date", "timestamp", "timestamptz", "uuid")}

    def type_name(self, kind: str) -> Expression:
        return cast(word(kind), "regtype")

    def plain(self, value: Expression, kind: str) -> Expression:
        """The source's collation may sort otherwise, or take different texts for the same."""
        del kind
        return exp.Collate(this=self.text(value), expression=exp.to_identifier("C", quoted=True))

    def date(self, value: Expression) -> Expression:
        """``to_char`` takes a date for a timestamp, of which there are none past this day; the text of one is that of ISO."""
        far = compare(exp.GT, value, cast(word("294276-12-31"), "DATE"))
        return case((far, self.text(value)), other=self._shown(value, "YYYY-MM-DD", "YYYY-MM-DD BC"))

    def timestamp(self, value: Expression) -> Expression:
        return self._shown(value, "YYYY-MM-DD HH24:MI:SS.US", "YYYY-MM-DD BC HH24:MI:SS.US")

    def _shown(self, value: Expression, form: str, before: str) -> Expression:
        year = exp.Extract(this=exp.var("year"), expression=own(value))
        return call("to_char", value, case((compare(exp.LT, year, number(0)), word(before)), other=word(form)))

    def time(self, value: Expression) -> Expression:
        return call("to_char", value, word("HH24:MI:SS.US"))

    def hex(self, value: Expression) -> Expression:
        return call("encode", value, word("hex"))

    def compact(self, value: Expression, kind: str) -> Expression:
        return self.text(value) if kind == "boolean" else value

    def bits(self, value: Expression, kind: str) -> Expression:
        wide = "float4" if kind == "float" else "float8"
        sent = call("encode", call(f"{wide}send", cast(add(value, number(0)), wide)), word("hex"))
        return case((equal(value, word("NaN")), word("NaN")), other=sent)

    def hashed(self, text: Expression, digits: int) -> Expression:
        found = call("left", call("md5", call("convert_to", text, word("UTF8"))), number(digits))
        return cast(cast(self.joined(word("x"), found), f"bit({4 * digits})"), "BIGINT")

    def mixed(self, value: Expression) -> Expression:
        shifted = exp.BitwiseRightShift(this=side(value), expression=number(16))
        return exp.BitwiseXor(this=side(value), expression=exp.Paren(this=shifted))

    def wide(self, value: Expression, scale: int) -> Expression:
        return cast(value, "DECIMAL")

    def weighed(self, weight: Expression, measure: Expression, digits: int, scale: int) -> Expression:
        return times(call("sum", times(weight, measure)), number(10**scale))

    def total(self, value: Expression) -> Expression:
        return call("sum", cast(self.text(value), "DECIMAL"))

    def told(self, value: Expression, scale: int) -> Expression:
        return cast(value, f"DECIMAL(38, {scale})")

    def fence(self, query: Select) -> Select:
        return query.offset(0, copy=False)  # which does not keep it from sharing the query out

    def counted_apart(self, query: Select) -> Select:
        # A volatile column; else all rows would be sorted.
        return query.select(named(call("clock_timestamp"), "fence"), copy=False)
