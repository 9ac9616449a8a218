"""Pages from templates: everything that comes from data is escaped, and every link is relative, so that a path prefix does no harm."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import HTTPException, Request, Response
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from lakeward.domain.costs import double_days
from lakeward.domain.evidence import Outcome
from lakeward.domain.words import counted, spelled

if TYPE_CHECKING:
    from jinja2 import Environment

_STATIC = {"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
_STATIC |= dict.fromkeys(("icon.svg", "icon-dark.svg"), "image/svg+xml")
SIGNS = {
    Outcome.PASS: ("✓", "equal"),
    Outcome.WARN: ("△", "warns"),
    Outcome.FAIL: ("≠", "differs"),
    Outcome.ERROR: ("!", "not measured"),
}
"""A sign and a word for each outcome, since nobody should need the colour."""


def render(request: Request, name: str, status: int = 200, **shown: object) -> Response:
    """A page; ``root`` in it leads back to where the app is mounted."""
    below = request.scope["path"].removeprefix(request.scope.get("root_path", "")).lstrip("/")
    root = "../" * below.count("/") or "./"
    page = environment().get_template(name).render(root=root, **shown)
    return Response(page, status, media_type="text/html; charset=utf-8")


def static(name: str) -> Response:
    """The stylesheet or the script."""
    if name not in _STATIC:
        raise HTTPException(404, "There is no such file.")
    data = files("lakeward_airflow.monitor").joinpath("static", name).read_bytes()
    return Response(data, media_type=_STATIC[name], headers={"Cache-Control": "private, max-age=300"})


async def failed(request: Request, error: Exception) -> Response:
    """What went wrong as a page for people, and as text for programs."""
    code, detail = (error.status_code, str(error.detail)) if isinstance(error, HTTPException) else (502, str(error))
    if "text/html" not in request.headers.get("accept", "") or code == 401:
        return Response(detail, code, media_type="text/plain; charset=utf-8")
    return await run_in_threadpool(render, request, "error.html", code, code=code, detail=detail)


@cache
def environment() -> Environment:
    """Templates, with autoescape and no name that is not there."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("lakeward_airflow.monitor").joinpath("templates")
    loader = FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8"))
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters: dict[str, Callable[..., object]] = {
        "number": lambda value: f"{value:,}",
        "spelled": spelled,
        "words": lambda value: str(value).replace("_", " "),
        "part": lambda value: quote(str(value), safe=""),
        "size": _size,
        "span": _span,
        "local": _local,
        "period": _period,
        "coded": _coded,
        "figure": _figure,
        "fields": _fields,
        "seconds": _seconds,
        "days_since": double_days,
        "first_line": lambda value: str(value).strip().partition("\n")[0],
    }
    made.filters |= filters
    made.globals |= {"signs": SIGNS, "counted": counted, "Outcome": Outcome}
    return made


def _size(value: int) -> str:
    """Bytes in a unit that leaves few digits."""
    for unit, limit in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= limit:
            return f"{value // (limit // 10) / 10:,} {unit}"
    return f"{value} bytes"


def _span(value: timedelta) -> str:
    """A time span in its two largest units."""
    minutes = round(value.total_seconds() / 60)
    for size, name, small, little in ((1440, "d", 60, "h"), (60, "h", 1, "min")):
        if minutes >= size:
            return f"{minutes // size} {name} {minutes % size // small} {little}"
    return f"{minutes} min"


def _seconds(value: float | None) -> str:
    """A short time in a unit that leaves few digits."""
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 120 else _span(timedelta(seconds=value))


def _local(value: datetime, zone: str = "UTC") -> str:
    """An instant by the migration's clock."""
    try:
        at = value.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        at = value.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M} {at.tzname()}"


def _period(value: str | None, grain: str = "") -> str:
    """A period by its name: a month without its first day, a window by its beginning."""
    if value is None:
        return "total" if grain in {"", "total"} else "no date"
    return value.partition("/")[0].removesuffix("-01") if grain in {"month", "window"} else value


def _figure(value: str | None) -> str:
    """A figure to its last digit, in groups of three if it is a number."""
    if value is not None and re.fullmatch(r"-?[0-9]+([.][0-9]+)?", value):
        return f"{Decimal(value):,f}"
    return spelled(value, "none")


def _coded(value: str) -> Markup:
    """Prose whose commands stand between backticks."""
    parts = str(value).split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _fields(value: str) -> dict[str, str | None] | None:
    """The fields of a row that was kept as JSON text; None when it was cut off or is no object."""
    try:
        found = json.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
