"""`lakeward evidence`, `lakeward ledger`: what was proved, verified, shown, and put back into a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lakeward.cli.console import exits, note, say
from lakeward.errors import DataError

app = typer.Typer(help="What was proved, kept beside the landing.", no_args_is_help=True)
ledger_app = typer.Typer(help="Operational history; it can be made again from the evidence.", no_args_is_help=True)


@app.command()
@exits(1)
def verify(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The landing: a folder, or `s3://bucket/prefix`.")],
    connection: Annotated[str, typer.Option(help="Connection id of type `aws`, for s3.")] = "landing",
    trust: Annotated[
        list[str],
        typer.Option(metavar="KEY", help="A public key, or its fingerprint, that may have signed; repeatable."),
    ] = [],  # noqa: B006 - typer reads it
    head: Annotated[
        list[str], typer.Option(metavar="NUMBER:HASH", help="A record that you have noted, which must be there.")
    ] = [],  # noqa: B006
) -> None:
    """Check that evidence is what it was when it was written: records and their signatures, and all that they vouch for.

    Without --trust the keys of the connection `lakeward_signing` are trusted, if there is one. Exits 1 when a byte was changed, or
    something is missing, reordered or foreign.

    Example: `lakeward evidence verify s3://landing/lakeward --trust 'wF3O...=' --head 17:6b1f...`
    """
    from contextlib import closing

    from lakeward.adapters.connections import from_environment
    from lakeward.adapters.open import open_signer, open_store
    from lakeward.cli.console import home
    from lakeward.domain.signing import signer_of
    from lakeward.spec.models import LandingSpec
    from lakeward.steps.evidence import verify as verify_store

    is_s3 = path.startswith("s3://")
    if not is_s3 and not Path(path).is_dir():
        raise DataError(f"There is no folder {path}.", todo="Name the folder of `landing.path`, or an s3:// URL.")
    landing = LandingSpec(path=path if is_s3 else str(Path(path).absolute()), connection=connection if is_s3 else None)
    signer = signer_of("", trust) if trust else open_signer(from_environment)
    with closing(open_store(landing, from_environment, home())) as store:
        found = verify_store(store, signer=signer, heads=head)
    say(f"{found.sealed} approvals' evidence, {found.verdicts} verdicts, {found.files} files of theirs were looked at.")
    for line in (*found.chains, *found.notes):
        say(line)
    if found.wrong:
        raise DataError(
            "Evidence is not as it was written:\n" + "\n".join(f"  - {wrong}" for wrong in found.wrong),
            todo="Restore these objects from the store's versions; find out who can write there.",
        )
    if not (found.sealed or found.verdicts or found.chains):
        raise DataError(f"There is no evidence at {path}.", todo="Name the folder of `landing.path`.")
    say("All of it is as it was written.")


@app.command()
def keygen() -> None:
    """Print a new key that signs evidence, as a connection, and its public key for those who verify. Nothing is stored.

    Example: `lakeward evidence keygen`
    """
    import json

    from lakeward.adapters.connections import variable
    from lakeward.adapters.open import SIGNING
    from lakeward.domain.signing import fingerprint_of, new_pair

    secret, public = new_pair()
    say(f"export {variable(SIGNING)}='{json.dumps({'conn_type': 'generic', 'password': secret})}'")
    note("The line above is secret: it belongs into a secrets backend, or the environment of every worker.")
    note(f"Public key, for those who verify:  {public}")
    note(f"Its fingerprint:                   {fingerprint_of(public)}")


@app.command()
@exits(1)
def dossier(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")],
    run: Annotated[str, typer.Option(metavar="KEY", help="The run; default: the one whose cut is published.")] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the page here, and nothing into the store.")
    ] = None,
) -> None:
    """Write the dossier of a run: all that was moved and proved, on one page for who signs and who audits.

    Example: `lakeward evidence dossier dags/migrations/retail.yaml --out dossier.html`
    """
    from lakeward.cli.session import now, opened, run_of_cut
    from lakeward.domain.dossier import render
    from lakeward.reader import resolve
    from lakeward.steps.artifacts import read_plan
    from lakeward.steps.dossier import collect, keep_dossier

    with opened(file) as (loaded, ports):
        name, group = loaded.spec.migration, loaded.spec.groups[0].name
        key = run or run_of_cut(ports.store, name, group, resolve(ports.store, name, group).cut_id)
        if key is None:
            raise DataError(
                f"The landing of {group}'s published cut is gone, so its run is not known.", todo="Name it: --run KEY."
            )
        plan = read_plan(ports.store, name, key)
        if out is None:
            say(ports.store.url(keep_dossier(plan, ports, now())))
            return
        out.write_text(render(collect(plan, ports, now())), "utf-8")
    say(str(out))


@ledger_app.command()
@exits(1)
def rebuild(file: Annotated[Path, typer.Argument(metavar="FILE", help="A migration file.")]) -> None:
    """Put steps, verdicts, transitions, acceptances and what stands back into a ledger that was lost, from what they left in store and lake; what is there stays.

    Example: `lakeward ledger rebuild dags/migrations/retail.yaml`
    """
    from lakeward.cli.session import now, opened
    from lakeward.steps.accept import tell_ledger
    from lakeward.steps.evidence import rebuild as rebuild_ledger
    from lakeward.steps.rebuild import rebuild_standing, rebuild_steps

    with opened(file) as (loaded, ports):
        name = loaded.spec.migration
        verdicts, transitions = rebuild_ledger(name, ports.store, ports.ledger)
        steps, accepted = rebuild_steps(name, ports.store, ports.lake, ports.ledger), tell_ledger(ports, name)
        pointers = rebuild_standing(name, file.name, ports, now())
    say(
        f"{verdicts} verdicts, {transitions} transitions, {accepted} acceptances and {pointers} pointers of {name} are in the ledger; "
        f"{steps} steps were put back."
    )
