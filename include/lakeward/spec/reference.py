"""The reference of migration files and their JSON schema, both made from the models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel, StringConstraints, TypeAdapter
from pydantic.fields import FieldInfo

from lakeward.spec.known import fields_of, models_in
from lakeward.spec.models import AnyMigration, Hybrid, LiftAndShift, Phased, StranglerFig
from lakeward.spec.scalars import Identifier, LakeName, Scalar, Word

TITLE = "lakeward migration file"
_PLAIN: dict[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    NoneType: "nothing",
    date: "date, as `2026-01-31`",
}
_NAMED: dict[object, str] = {Scalar: "value", Identifier: "id", LakeName: "name"}
_WORDS = {
    "Hours": "hours of the day, as `22:00-06:00`",
    "Size": "size, as `128MB`",
    "Span": "length of time, as `2h`",
    "Pause": "length of time, as `30s`; `0s` is none",
    "LakeType": "[type](#types-of-the-lake)",
    "Transform": "transform, as `month(ordered_at)` or `bucket(16, id)`",
    "SortTerm": "column, `-column` is descending",
    "Expression": "[measure](#measures)",
    "WindowSize": "length, as `1 month` or `100000 keys`",
    "Schedule": "`@hourly`, `@daily`, `@weekly`, `@monthly` or cron, as `30 22 * * mon-fri`",
    "ZoneName": "IANA time zone",
}


def json_schema() -> dict[str, object]:
    """JSON schema (draft 2020-12) of migration files, for editors."""
    made = TypeAdapter(AnyMigration).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": TITLE, **made}


def reference() -> str:
    """Every key with its type, default and meaning, as Markdown: one section for each part of a file."""
    lines = ["## Every key", "", "`required` stands where a key has no default. Unknown keys are refused.", ""]
    sections = _sections(LiftAndShift, "")
    for model, path in sections.items():
        lines += _part(sections, model, _heading(path), fields_of(model))
    told = {path: [model] for model, path in sections.items()}
    for title, pattern in (("phased migrations", Phased), ("strangler figs", StranglerFig), ("hybrids", Hybrid)):
        lines += [f"## More keys of {title}", "", *_more(told, pattern)]
    return "\n".join(lines).rstrip() + "\n"


def _more(told: dict[str, list[type[BaseModel]]], pattern: type[BaseModel]) -> Iterator[str]:
    """What a pattern has beside those that were told before, by the paths at which their models stand."""
    found = _sections(pattern, "")
    for model, path in found.items():
        if model in (before := told.setdefault(path, [])):
            continue
        known = {name for one in before for name in fields_of(one)}
        before.append(model)
        fields = {name: field for name, field in fields_of(model).items() if name not in known or name == "pattern"}
        yield from _part(found, model, f"{_heading(path)}{', beside the above' if known else ''}", fields)


def _part(
    sections: dict[type[BaseModel], str], model: type[BaseModel], heading: str, fields: dict[str, FieldInfo]
) -> list[str]:
    rows = [_row(sections, name, field) for name, field in fields.items()]
    return [
        f"### {heading}",
        "",
        _doc(model),
        "",
        "| Key | Value | Default | Meaning |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def _sections(model: type[BaseModel], path: str) -> dict[type[BaseModel], str]:
    """Every model and the path at which it stands first, in the order of the file."""
    found = {model: path}
    for name, field in fields_of(model).items():
        for inner in models_in(field.annotation):
            for one, where in _sections(inner, _below(path, name, field)).items():
                found.setdefault(one, where)
    return found


def _below(path: str, name: str, field: FieldInfo) -> str:
    many = get_origin(field.annotation) is tuple
    return f"{path}.{name}{'[]' if many else ''}".removeprefix(".")


def _heading(path: str) -> str:
    return f"`{path}`" if path else "Top level"


def _anchor(path: str) -> str:
    """As GitHub makes it of a heading."""
    return "".join(c for c in path.lower() if c.isalnum() or c in "_-")


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _row(sections: dict[type[BaseModel], str], name: str, field: FieldInfo) -> str:
    if inner := models_in(field.annotation):
        many = get_origin(field.annotation) is tuple
        value = f"{'list of ' if many else ''}[`{name}`](#{_anchor(sections[inner[0]])})"
    else:
        value = _type(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)
    return f"| `{name}` | {_cell(value)} | {_cell(_default(field))} | {_cell(field.description or '')} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(v) for v in value)}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(annotation: object) -> str:
    if annotation in _NAMED:
        return _NAMED[annotation]
    if isinstance(annotation, type):
        return _class(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(annotation)
    if origin is Literal:
        return " or ".join(f"`{str(v).lower() if isinstance(v, bool) else v}`" for v in args)
    if origin in {Union, UnionType}:
        return " or ".join(dict.fromkeys(_type(arg) for arg in args if arg is not NoneType))
    said = [_type(arg) for arg in args if arg is not Ellipsis]
    return f"mapping of {said[0]} to {said[1]}" if origin is dict else f"list of {said[0]}"


def _annotated(annotation: object) -> str:
    base, *metadata = get_args(annotation)
    for one in metadata:
        if isinstance(one, StringConstraints):
            return "id" if one in get_args(Identifier) else "name"
    bounds = [f"{word} {getattr(one, name)}" for one in metadata for name, word in _BOUNDS if hasattr(one, name)]
    return _type(base) + (f", {', '.join(bounds)}" if bounds else "")


_BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))


def _class(kind: type) -> str:
    if issubclass(kind, Word):
        return _WORDS[kind.__name__]
    if issubclass(kind, Enum):
        return " or ".join(f"`{member.value}`" for member in kind)
    return _PLAIN.get(kind, kind.__name__)
