"""What a migration's store still holds on to: pointers, and every cut that left something there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from lakeward.domain.evidence import Pointer, State, Transition
from lakeward.domain.file_facts import Manifest, Staged
from lakeward.domain.identity import discarded_key, evidence_prefix
from lakeward.domain.maintenance import LandingUse
from lakeward.domain.stored import from_json
from lakeward.ports import Entry, ObjectStore
from lakeward.steps.artifacts import manifest_of, staged_of
from lakeward.steps.claim import last_claim


@dataclass(frozen=True, slots=True)
class HeldCut:
    """A cut, all that lies in its folder, and how it is used."""

    group: str
    cut_id: str
    entries: tuple[Entry, ...]
    manifest: Manifest | None
    staged: Staged | None
    use: LandingUse


@dataclass(frozen=True, slots=True)
class Holdings:
    """Everything that a migration holds on to."""

    pointers: tuple[Pointer, ...]
    cuts: tuple[HeldCut, ...]

    @property
    def pinned(self) -> dict[str, frozenset[int]]:
        """Qualified table to the snapshots that a pointer names."""
        found: dict[str, set[int]] = defaultdict(set)
        for pointer in self.pointers:
            for pins in (pointer.tables, pointer.compared.tables if pointer.compared else {}):
                for table, snapshot in pins.items():
                    found[table].add(snapshot)
        return {table: frozenset(snapshots) for table, snapshots in found.items()}

    @property
    def retired(self) -> frozenset[str]:
        """Qualified tables that nobody comes back from any more."""
        return frozenset(t for p in self.pointers if p.state is State.RETIRED for t in p.tables)


def look(store: ObjectStore, migration: str) -> Holdings:
    """Look at everything of a migration.

    :raises ConflictError: a transition is under way.
    """
    claim = last_claim(store, migration)
    if claim and claim.open:
        raise claim.busy()
    return Holdings(tuple(pointers_in(store, migration).values()), held_cuts(store, migration))


def held_cuts(store: ObjectStore, migration: str) -> tuple[HeldCut, ...]:
    """Every cut that left something in the store."""
    pointers, moved = pointers_in(store, migration), _transitions(store, migration)
    folders: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in store.entries(f"{migration}/cuts/"):
        group, _, rest = entry.key.removeprefix(f"{migration}/cuts/").partition("/")
        folders[group, rest.partition("/")[0]].append(entry)
    return tuple(
        _cut(store, migration, group, cut, tuple(entries), pointers.get(group), moved)
        for (group, cut), entries in sorted(folders.items())
    )


def pointers_in(store: ObjectStore, migration: str) -> dict[str, Pointer]:
    """Group to its pointer."""
    keys = [entry.key for entry in store.entries(f"{migration}/pointers/")]
    found = [from_json(Pointer, one[0], store.url(key)) for key in keys if (one := store.get(key))]
    return {pointer.group: pointer for pointer in found}


def _cut(
    store: ObjectStore,
    migration: str,
    group: str,
    cut: str,
    entries: tuple[Entry, ...],
    pointer: Pointer | None,
    moved: dict[str, datetime],
) -> HeldCut:
    manifest, staged = manifest_of(store, migration, group, cut), staged_of(store, migration, group, cut)
    evidence = store.entries(f"{evidence_prefix(migration, group, cut)}/")
    used = [entry.modified for entry in (*entries, *evidence)]
    used += [pointer.moved_at] if pointer and manifest else []
    used += [moved[manifest.run_key]] if manifest and manifest.run_key in moved else []
    use = LandingUse(
        published=str(pointer.state) if pointer and pointer.shows(cut) else "",
        last_used=max(used),
        superseded=_superseded(store, migration, manifest, pointer),
        discarded=any(entry.key == discarded_key(migration, group, cut) for entry in entries),
    )
    return HeldCut(group, cut, entries, manifest, staged, use)


def _superseded(store: ObjectStore, migration: str, manifest: Manifest | None, pointer: Pointer | None) -> bool:
    """Whether a cut that was taken later is published: the append step refuses this one from then on."""
    if manifest is None or pointer is None or not pointer.cut_id or pointer.shows(manifest.cut_id):
        return False
    newer = manifest_of(store, migration, manifest.group, pointer.cut_id)
    return newer is not None and newer.taken_at > manifest.taken_at


def _transitions(store: ObjectStore, migration: str) -> dict[str, datetime]:
    """Run to the instant of its last transition."""
    keys = [entry.key for entry in store.entries(f"{migration}/transitions/")]
    last: dict[str, datetime] = {}
    for one in (from_json(Transition, item[0], store.url(key)) for key in keys if (item := store.get(key))):
        last[one.run_key] = max(one.at, last.get(one.run_key, one.at))
    return last
