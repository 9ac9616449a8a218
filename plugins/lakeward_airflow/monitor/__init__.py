"""lakeward's pages on Airflow's API server. Every process loads plugins; only the one that serves pages pays for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]


async def pages(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The pages as an ASGI app that is built when the first request comes."""
    from lakeward_airflow.monitor.app import build

    await build()(scope, receive, send)
