"""Who may see what: Airflow's own rights on each migration's DAG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from fastapi import HTTPException, Path, status

from lakeward.domain.standing import Card
from lakeward.errors import LakewardError
from lakeward.ports import ObjectStore
from lakeward_airflow.monitor.store import find_card, open_evidence

Name = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9_]*[a-z0-9])?$", max_length=200)]
Hash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Cut = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
User = GetUserDep


def readable(name: str, user: User) -> Card:
    """The migration, if the user may see the runs of its DAG; who may not learns nothing about what there is."""
    card = find_card(name)
    if card is None or not may_see(card.dag_id, user):
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such migration, or you may not see it.")
    return card


def may_see(dag_id: str, user: User) -> bool:
    """Whether the user may see the runs of a DAG."""
    return _may("GET", dag_id, user)


def may_trigger(dag_id: str, user: User) -> bool:
    """Whether the user may start runs of a DAG."""
    return _may("POST", dag_id, user)


def visible(cards: Iterable[Card], user: User) -> list[Card]:
    """Those that the user may see."""
    return [card for card in cards if may_see(card.dag_id, user)]


def _may(method: ResourceMethod, dag_id: str, user: User) -> bool:
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return get_auth_manager().is_authorized_dag(
        method=method, access_entity=DagAccessEntity.RUN, details=details, user=user
    )


@contextmanager
def evidence_of(card: Card) -> Iterator[ObjectStore]:
    """The store that holds a migration's evidence, closed at the end; one that does not answer is 502."""
    try:
        with closing(open_evidence(card)) as store:
            yield store
    except LakewardError as error:
        raise HTTPException(status.HTTP_502_BAD_GATEWAY, str(error)) from None
