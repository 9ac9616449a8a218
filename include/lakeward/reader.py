"""For those who read the lake: what a group's pointer says, and nothing else of lakeward."""

from __future__ import annotations

from lakeward.domain.evidence import Pointer
from lakeward.domain.identity import pointer_key
from lakeward.domain.stored import from_json
from lakeward.errors import LakeError
from lakeward.ports import ObjectStore


def resolve(store: ObjectStore, migration: str, group: str) -> Pointer:
    """What readers of a group follow now: the state, and for every table the snapshot to read; LakeError when never published.

    Resolve once per query or job and read exactly ``pointer.tables``: that is one cut, in every table of the group.
    """
    found = store.get(key := pointer_key(migration, group))
    if found is None:
        raise LakeError(
            f"Group {group} of {migration} was never published at {store.root}.",
            todo="Check the names and the landing's location, or wait for the append step.",
        )
    return from_json(Pointer, found[0], store.url(key))
