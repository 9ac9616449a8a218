"""What steps leave for the next ones in the object store: plan, manifest, staged files; the first writer wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lakeward import __version__
from lakeward.domain.evidence import Pointer
from lakeward.domain.facts import GroupPlan, Plan
from lakeward.domain.file_facts import Manifest, Staged
from lakeward.domain.identity import manifest_key, plan_key, pointer_key, staged_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import LakeError, LakewardError
from lakeward.ports import ObjectStore


def freeze_plan(store: ObjectStore, plan: Plan) -> Plan:
    """Store the plan of a run if there is none yet; return the one that is stored."""
    key = plan_key(plan.migration.migration, plan.run_key)
    if store.put_new(key, to_json(plan)):
        return plan
    return read_plan(store, plan.migration.migration, plan.run_key)


def read_plan(store: ObjectStore, migration: str, run_key: str) -> Plan:
    """The frozen plan of a run; LakewardError when there is none or another version of lakeward made it."""
    key = plan_key(migration, run_key)
    found = store.get(key)
    if found is None:
        raise LakewardError(
            f"Run {run_key!r} of {migration} has no plan at {store.url(key)}.", todo="Run the plan step first."
        )
    plan = from_json(Plan, found[0], store.url(key))
    if plan.version != __version__:
        raise LakewardError(
            f"Run {run_key!r} of {migration} was planned by lakeward {plan.version}; this is {__version__}.",
            todo="Finish the run with the version that began it, or start a new run.",
        )
    return plan


def plan_of_published(store: ObjectStore, migration: str, group: str) -> Plan | None:
    """The plan of the run whose cut a group's pointer shows; None when it shows none. LakewardError as ``read_plan``."""
    found = store.get(key := pointer_key(migration, group))
    cut = from_json(Pointer, found[0], store.url(key)).cut_id if found else ""
    manifest = manifest_of(store, migration, group, cut) if cut else None
    return read_plan(store, migration, manifest.run_key) if manifest else None


def find_manifest(store: ObjectStore, plan: Plan, group: GroupPlan) -> Manifest | None:
    """The landing of a group, if it is complete."""
    return manifest_of(store, plan.migration.migration, group.name, group.cut_id)


def manifest_of(store: ObjectStore, migration: str, group: str, cut_id: str) -> Manifest | None:
    """The landing of any cut, if it is complete."""
    found = store.get(key := manifest_key(migration, group, cut_id))
    return from_json(Manifest, found[0], store.url(key)) if found else None


def read_manifest(store: ObjectStore, plan: Plan, group: GroupPlan) -> Manifest:
    """The landing of a group; LakewardError when it is not complete."""
    manifest = find_manifest(store, plan, group)
    if manifest is None:
        raise LakewardError(
            f"Group {group.name} has not landed at cut {group.cut_id}.", todo="Run the extract step first."
        )
    return manifest


def write_manifest(store: ObjectStore, plan: Plan, group: GroupPlan, manifest: Manifest) -> Manifest:
    """Store the manifest if there is none yet; return the one that is stored."""
    if store.put_new(manifest_key(plan.migration.migration, group.name, group.cut_id), to_json(manifest)):
        return manifest
    return read_manifest(store, plan, group)


def key_of(store: ObjectStore, url: str) -> str:
    """The key of a URL that the store gave."""
    return url.removeprefix(f"{store.root.rstrip('/')}/")


def check_landing(store: ObjectStore, manifest: Manifest) -> None:
    """LakeError when a landed file is missing or is not what was written: a landing is read as it was landed or not at all."""
    files = [*manifest.figures, *(file for table in manifest.tables for file in table.files)]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda file: store.etag(key_of(store, file.url)), files)
    wrong = [
        f"{f.url} is {'missing' if now is None else 'changed'}"
        for f, now in zip(files, found, strict=True)
        if now != f.checksum
    ]
    if wrong:
        raise LakeError(
            f"The landing of group {manifest.group} at cut {manifest.cut_id} is not what was landed: {'; '.join(wrong[:10])}.",
            todo="The janitor takes landed rows that are older than `landing.keep`; else find out who writes below the landing "
            "path. A new run lands anew.",
        )


def find_staged(store: ObjectStore, plan: Plan, group: GroupPlan) -> Staged | None:
    """The staged files of a group, if all of them are there."""
    return staged_of(store, plan.migration.migration, group.name, group.cut_id)


def staged_of(store: ObjectStore, migration: str, group: str, cut_id: str) -> Staged | None:
    """The staged files of any cut, if all of them are there."""
    found = store.get(key := staged_key(migration, group, cut_id))
    return from_json(Staged, found[0], store.url(key)) if found else None


def read_staged(store: ObjectStore, plan: Plan, group: GroupPlan) -> Staged:
    """The staged files of a group; LakewardError when the flatten step has not finished."""
    staged = find_staged(store, plan, group)
    if staged is None:
        raise LakewardError(
            f"Group {group.name} has no staged files at cut {group.cut_id}.", todo="Run the flatten step first."
        )
    return staged


def write_staged(store: ObjectStore, plan: Plan, group: GroupPlan, staged: Staged) -> Staged:
    """Store the list of staged files if there is none yet; return the one that is stored."""
    if store.put_new(staged_key(plan.migration.migration, group.name, group.cut_id), to_json(staged)):
        return staged
    return read_staged(store, plan, group)
