"""Ids that are derived, never drawn, and the keys of what is stored: the same run gives the same ones."""

from __future__ import annotations

import hashlib

WHOLE = "all"
"""The window of a cut that takes everything."""


def digest(*parts: str | bytes, length: int = 64) -> str:
    """The first ``length`` hex digits of sha256 over the parts, each with its length before it."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(f"{len(data)}:".encode())
        sha.update(data)
    return sha.hexdigest()[:length]


def cut_id(migration: str, group: str, window: str, run_key: str) -> str:
    """Id of a group's cut, 16 hex digits."""
    return digest("cut", migration, group, window, run_key, length=16)


def compared_id(migration: str, group: str, run_key: str, position: int) -> str:
    """Id of the comparison at a position of the log, of what a run has loaded."""
    return cut_id(migration, group, f"position {position:016x}", run_key)


def batch_id(cut: str, table: str) -> str:
    """Id of what one cut brings to one lake table, 16 hex digits."""
    return digest("batch", cut, table, length=16)


def tag_name(cut: str) -> str:
    """Name of the tag that every table gets at the cut."""
    return f"cut_{cut}"


def compacted_tag(cut: str) -> str:
    """Name of the tag on a table's newest snapshot that holds the cut's rows in other files."""
    return f"{tag_name(cut)}_compacted"


def plan_key(migration: str, run_key: str) -> str:
    """Where the frozen plan of a run lies."""
    return f"{migration}/plans/{run_id(run_key)}.json"


def run_id(run_key: str) -> str:
    """A run's key in 16 hex digits, for keys and URLs."""
    return digest("run", run_key, length=16)


def cut_prefix(migration: str, group: str, cut: str) -> str:
    """Folder of everything that belongs to a cut."""
    return f"{migration}/cuts/{group}/{cut}"


def manifest_key(migration: str, group: str, cut: str) -> str:
    """Where the landing's manifest lies."""
    return f"{cut_prefix(migration, group, cut)}/manifest.json"


def staged_key(migration: str, group: str, cut: str) -> str:
    """Where the list of staged files lies."""
    return f"{cut_prefix(migration, group, cut)}/staged.json"


def landing_prefix(migration: str, group: str, cut: str, attempt: str) -> str:
    """Folder of one try at landing; tables are folders in it."""
    return f"{cut_prefix(migration, group, cut)}/landing/{attempt}"


def discarded_key(migration: str, group: str, cut: str) -> str:
    """Where it is noted that a cut was taken out of the lake again."""
    return f"{cut_prefix(migration, group, cut)}/discarded.json"


def evidence_prefix(migration: str, group: str, cut: str) -> str:
    """Folder of a cut's evidence: verdicts, differences, reports."""
    return f"{migration}/evidence/{group}/{cut}"


def verdict_key(migration: str, group: str, cut: str, kind: str, subject: str, inputs_hash: str) -> str:
    """Where one verdict lies."""
    return f"{evidence_prefix(migration, group, cut)}/{kind}/{subject}-{inputs_hash[:16]}.json"


def pointer_key(migration: str, group: str) -> str:
    """Where the pointer of a group lies."""
    return f"{migration}/pointers/{group}.json"


def transition_key(migration: str, stamp: str, run_key: str) -> str:
    """Where the record of a transition lies; ``stamp`` sorts by time."""
    return f"{migration}/transitions/{stamp}-{digest('run', run_key, length=8)}.json"


def sealed_key(migration: str, evidence_hash: str) -> str:
    """Where the whole evidence that an approval may bind to lies."""
    return f"{migration}/evidence/sealed/{evidence_hash}.json"


def maintenance_key(migration: str, run_key: str, task: str) -> str:
    """Where the report of what a run tidied up lies."""
    return f"{migration}/maintenance/{digest('run', run_key, length=16)}-{task}.json"


def claim_key(migration: str) -> str:
    """Where it is written who is moving the pointers, or who did so last."""
    return f"{migration}/switch/claim.json"


def chain_key(migration: str, number: int) -> str:
    """Where a record of the chain that vouches for the evidence lies; the first is number 1."""
    return f"{chain_prefix(migration)}{number:08d}.json"


def chain_prefix(migration: str) -> str:
    """What the keys of a migration's records begin with."""
    return f"{migration}/chain/"


def slot_name(migration: str, group: str) -> str:
    """Name of a group's replication slot and publication, which has at most 63 characters."""
    name = f"lakeward_{migration}_{group}"
    return name if len(name) <= 63 else f"lakeward_{digest('slot', migration, group, length=32)}"


def window_claim_key(migration: str, group: str) -> str:
    """Where it is written who is moving a window of a group, and which."""
    return f"{migration}/windows/{group}.json"


def catch_up_key(migration: str, group: str) -> str:
    """Where the mark lies that was taken before a group's first window was read."""
    return f"{migration}/catch_up/{group}.json"


def pause_key(migration: str) -> str:
    """Where it is written that a migration is to rest, as long as it is."""
    return f"{migration}/pause.json"


def hold_key(migration: str) -> str:
    """Where it is written who holds a feed for a cutover, and until when."""
    return f"{migration}/switch/hold.json"


def freeze_key(migration: str) -> str:
    """Where it is written who has frozen the source, and until when."""
    return f"{migration}/switch/freeze.json"


def approval_key(migration: str, stamp: str, run_key: str) -> str:
    """Where a person's answer lies; ``stamp`` sorts by time."""
    return f"{migration}/approvals/{stamp}-{digest('run', run_key, length=8)}.json"


def repair_key(migration: str, group: str, cut: str, outcome: str, repair: str) -> str:
    """Where a repair lies that was begun, or is done."""
    return f"{evidence_prefix(migration, group, cut)}/repairs/{outcome}-{repair}.json"


def repair_prefix(migration: str, group: str, cut: str, repair: str) -> str:
    """Folder of the rows that a repair has read, and of those that it replaces."""
    return f"{cut_prefix(migration, group, cut)}/repairs/{repair}"


def acceptance_key(migration: str, stamp: str) -> str:
    """Where it is kept that somebody accepts a difference, or takes that back; ``stamp`` sorts by time and ends in a hash."""
    return f"{migration}/evidence/acceptances/{stamp}.json"


def dossier_prefix(migration: str, run: str) -> str:
    """What the keys of a run's dossiers begin with; the number of the record that vouches for one follows.

    :param run: of ``run_id``.
    """
    return f"{migration}/evidence/dossiers/{run}-"
