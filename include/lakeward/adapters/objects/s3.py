"""An S3 bucket (AIStor, AWS, any that honours conditional writes) as an object store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004

from lakeward.adapters.objects.keys import checked
from lakeward.adapters.refusals import FULL, SKEWED, is_full, is_skewed
from lakeward.domain.file_facts import StorageAccess
from lakeward.errors import ConflictError, LakeError, SpecError, redact
from lakeward.ports import Entry

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

REGION = "us-east-1"
PATIENCE = {"connect_timeout": 5.0, "read_timeout": 60.0}
UNDECIDED = 6
"""How often a conditional write is asked again when the store could not decide between writers (409)."""
_OPENING = Lock()
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})


class S3Store:
    """Objects below ``s3://bucket/prefix``; path style, four tries per call, keys from a connection of type ``aws``.

    The connection's login and password (or the extras ``aws_access_key_id``, ``aws_secret_access_key``, ``aws_session_token``)
    are the keys; without any, those that boto3 finds by itself. Extras ``endpoint_url``, ``region_name`` and, of ``config_kwargs``,
    ``connect_timeout`` and ``read_timeout`` (seconds) as in Airflow.
    """

    def __init__(self, root: str, connection: Connection) -> None:
        parts = urlsplit(root)
        if parts.scheme != "s3" or not parts.netloc:
            raise LakeError(f"{root!r} is no S3 location.", todo="Write `s3://bucket/prefix`.")
        self.root = root.rstrip("/")
        self._bucket = parts.netloc
        self._prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._name = connection.conn_id
        self.access = access_of(connection)
        with _OPENING:
            self._client = _session().client(
                "s3",
                aws_access_key_id=self.access.access_key,
                aws_secret_access_key=self.access.secret_key,
                aws_session_token=self.access.session_token or None,
                endpoint_url=self.access.endpoint or None,
                region_name=self.access.region,
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": 4},
                    **_patience(connection),
                    s3={"addressing_style": "path"},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )

    def url(self, key: str) -> str:
        """``s3://bucket/prefix/key``."""
        return f"{self.root}/{checked(key)}"

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and etag, or None when there is no such object."""
        with self._told(f"read {key}"):
            try:
                answer = self._client.get_object(**self._at(key))
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    return None
                raise
            return answer["Body"].read(), answer["ETag"]

    def open(self, key: str) -> BinaryIO:
        """The content, as it comes; FileNotFoundError when there is no such object."""
        with self._told(f"read {key}"):
            try:
                return cast("BinaryIO", self._client.get_object(**self._at(key))["Body"])
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    raise FileNotFoundError(key) from None
                raise

    def etag(self, key: str) -> str | None:
        """The store's own checksum of the content, or None when there is no such object."""
        with self._told(f"look at {key}"):
            try:
                return str(self._client.head_object(**self._at(key))["ETag"])
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return None
                raise

    def put(self, key: str, data: bytes) -> str:
        """Write, whatever was there; the etag."""
        with self._told(f"write {key}"):
            return str(self._client.put_object(**self._at(key), Body=data)["ETag"])

    def put_new(self, key: str, data: bytes) -> bool:
        """Write only if absent."""
        return self._put_on_condition(key, data, {"IfNoneMatch": "*"})

    def put_if(self, key: str, data: bytes, etag: str) -> bool:
        """Write only if the object still has that etag."""
        return self._put_on_condition(key, data, {"IfMatch": etag})

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        """Keys that begin with ``prefix`` and their sizes, sorted."""
        return [(entry.key, entry.bytes) for entry in self.entries(prefix)]

    def entries(self, prefix: str) -> tuple[Entry, ...]:
        """As ``list``, with the instant at which each was written."""
        with self._told(f"list {prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}{prefix}"
            )
            found = [
                Entry(o["Key"].removeprefix(self._prefix), int(o["Size"]), o["LastModified"], o["ETag"])
                for p in pages
                for o in p.get("Contents", ())
            ]
        return tuple(sorted(found, key=lambda entry: entry.key))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete; absent ones are no error."""
        for first in range(0, len(keys), 1000):
            some = keys[first : first + 1000]
            with self._told(f"delete {some[0]} and {len(some) - 1} more"):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": self._at(k)["Key"]} for k in some], "Quiet": True}
                )
            for error in answer.get("Errors", ()):
                raise LakeError(
                    f"{self._where()} did not delete {error['Key']}: {error['Code']} {error.get('Message', '')}.",
                    todo="Give the connection's keys the right to delete there.",
                )

    def check(self) -> None:
        """LakeError when the bucket can't be reached with these keys."""
        with self._told("look at the bucket"):
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{checked(key)}"}

    def _put_on_condition(self, key: str, data: bytes, condition: dict[str, str]) -> bool:
        with self._told(f"write {key}"):
            for attempt in range(UNDECIDED):
                try:
                    self._client.put_object(**self._at(key), Body=data, **condition)
                except ClientError as error:
                    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                    if status == 409:
                        time.sleep(0.05 * 2**attempt)
                    elif status == 412 or _code(error) == "NoSuchKey":
                        again = attempt or error.response["ResponseMetadata"].get("RetryAttempts")
                        return bool(again) and self._holds(key, data)
                    else:
                        raise
                else:
                    return True
        raise ConflictError(
            f"{self._where()} could not decide between writers of {key}, {UNDECIDED} times.", todo="Run the step again."
        )

    def _holds(self, key: str, data: bytes) -> bool:
        """Whether a call that was sent again found its own first try, whose answer was lost."""
        there = self.get(key)
        return there is not None and there[0] == data

    def _where(self) -> str:
        return f"The object store at {self.access.endpoint or 'AWS'} (connection `{self._name}`, bucket {self._bucket})"

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours, without the driver's text being able to show a key."""
        try:
            yield
        except ClientError as error:
            raise self._refused(error, doing) from None
        except (ConnectionError, HTTPClientError) as error:
            raise LakeError(
                f"{self._where()} is not reachable, we wanted to {doing}: {self._safe(error)}.",
                todo="Check `endpoint_url` in the connection's extra, and that the store is up; then run the step again.",
            ) from None
        except BotoCoreError as error:
            raise LakeError(
                f"{self._where()}: could not {doing}: {self._safe(error)}.", todo="Check the connection's extra."
            ) from None

    def _refused(self, error: ClientError, doing: str) -> LakeError:
        code = _code(error)
        if code == "NoSuchBucket":
            return LakeError(
                f"{self._where()}: there is no such bucket, we wanted to {doing}.",
                todo="Create the bucket, or correct `landing.path`.",
            )
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if is_skewed(f"{code} {error}"):
            return LakeError(f"{self._where()} refused to let us {doing}: {code} {self._safe(error)}.", todo=SKEWED)
        if is_full(f"{status} {code} {error}"):
            return LakeError(f"{self._where()} is full, we wanted to {doing}: {code} {self._safe(error)}.", todo=FULL)
        if code in _EXPIRED:
            return LakeError(
                f"{self._where()} refused to let us {doing}: {code} {self._safe(error)}.",
                todo="The connection's keys have expired or were revoked: put new ones into it, then run the step again.",
            )
        if status in {401, 403}:
            return LakeError(
                f"{self._where()} refused to let us {doing}: {code} {self._safe(error)}.",
                todo="Check the connection's keys (login and password; they may have been revoked) and their rights to list, read, write and delete.",
            )
        return LakeError(
            f"{self._where()}: could not {doing}: {self._safe(error)}.",
            todo="Run the step again when the store is well; its log says what ails it.",
        )

    def _safe(self, error: Exception) -> str:
        return redact(str(error), (self.access.secret_key, self.access.session_token, self.access.access_key))


@cache
def _session() -> boto3.session.Session:
    """One for the process, for it holds no keys: the description of the service is read once, which takes a tenth of a second."""
    return boto3.session.Session()


def _patience(connection: Connection) -> dict[str, float]:
    """Seconds to connect and to wait for an answer; SpecError when the connection says something else."""
    given = connection.extra.get("config_kwargs") or {}
    try:
        return {name: float(given.get(name, usual)) for name, usual in PATIENCE.items()}  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        raise SpecError(
            f"Connection `{connection.conn_id}`: config_kwargs is {given!r}.",
            todo='Write seconds, as {"connect_timeout": 5, "read_timeout": 60}.',
        ) from None


def access_of(connection: Connection) -> StorageAccess:
    """Endpoint, region and keys of a connection of type ``aws``; LakeError when there are no keys."""
    extra = {name: str(value) for name, value in connection.extra.items() if value}
    region = extra.get("region_name", REGION)
    key = connection.login or extra.get("aws_access_key_id", "")
    secret = connection.password or extra.get("aws_secret_access_key", "")
    token = extra.get("aws_session_token", "")
    if not (key and secret):
        found = boto3.session.Session().get_credentials()
        if found is None:
            raise LakeError(
                f"Connection `{connection.conn_id}` has no keys, and this machine has none of its own.",
                todo="Put the access key into login and the secret key into password.",
            )
        frozen = found.get_frozen_credentials()
        key, secret, token = frozen.access_key, frozen.secret_key, frozen.token or ""
    return StorageAccess(
        endpoint=extra.get("endpoint_url", ""), region=region, access_key=key, secret_key=secret, session_token=token
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
