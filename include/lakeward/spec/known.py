"""What the models know: which keys may stand at a path, what they mean, and which a misspelt one stands for."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable
from enum import Enum
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lakeward.spec.document import Path
from lakeward.spec.problems import meant


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Its fields by the keys that people write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that stands at a path of the document, or None when there is none."""
    here: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int):
            continue
        field = fields_of(here).get(part) if here else None
        here = next(iter(models_in(field.annotation)), None) if field else None
    return here


def models_in(annotation: object) -> tuple[type[BaseModel], ...]:
    """The models that an annotation holds, inside lists, mappings and unions too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ()
    if get_origin(annotation) in {Annotated, Union, UnionType, tuple, list, dict, Literal}:
        return tuple(m for arg in get_args(annotation) for m in models_in(arg))
    return ()


def described(model: type[BaseModel], path: Path) -> str:
    """What the reference says of the key at a path."""
    parent = model_at(model, path[:-1])
    name = path[-1] if path else None
    field = fields_of(parent).get(name) if parent and isinstance(name, str) else None
    return field.description if field and field.description else ""


def hint(key: str, path: Path, model: type[BaseModel]) -> str:
    """What the key was meant to be, or where it belongs, or what may stand here."""
    here = model_at(model, path)
    known = list(fields_of(here)) if here else []
    if close := meant(key, known):
        return close
    if owners := [where for where, other in _walk(model, "") if key in fields_of(other)]:
        return f"It belongs to {' or '.join(owners[:3])}."
    return f"Known here: {', '.join(known)}." if known else ""


def meant_key(key: str, model: type[BaseModel], given: Container[str]) -> str:
    """The one field that is not given and that a misspelt key surely stands for, or nothing."""
    fields = fields_of(model)
    close = difflib.get_close_matches(key.lower(), fields, n=2, cutoff=0.6)
    close = difflib.get_close_matches(key.lower(), fields, n=1, cutoff=0.8) or close
    needed = [name for name in close if name not in given and fields[name].is_required()]
    if needed:
        return needed[0]
    return close[0] if len(close) == 1 and close[0] not in given else ""


def _walk(model: type[BaseModel], prefix: str) -> Iterable[tuple[str, type[BaseModel]]]:
    yield (f"`{prefix}`" if prefix else "the top level"), model
    for name, field in fields_of(model).items():
        for inner in models_in(field.annotation):
            yield from _walk(inner, f"{prefix}.{name}".removeprefix("."))
