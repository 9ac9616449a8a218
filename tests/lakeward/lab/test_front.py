"""The one port: what AIStor Tables accepts passes, what it refuses is refused, over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import pyarrow as pa
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import RESTError

from lakeward.lab import Lab

CONFIG = "/_iceberg/v1/config?warehouse=warehouse"


@pytest.fixture
def keys(lab: Lab) -> dict[str, str]:
    landing = json.loads(lab.env()["AIRFLOW_CONN_LANDING"])
    return {"access": landing["login"], "secret": landing["password"], "url": landing["extra"]["endpoint_url"]}


@pytest.fixture
def s3(keys: dict[str, str]) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=keys["url"],
        aws_access_key_id=keys["access"],
        aws_secret_access_key=keys["secret"],
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, signature_version="s3v4"),
    )
    yield client
    client.close()


@pytest.fixture
def catalog(lab: Lab) -> Catalog:
    connection = json.loads(lab.env()["AIRFLOW_CONN_LAKEHOUSE"])
    assert connection["conn_type"] == "iceberg"
    return load_catalog("lakehouse", uri=connection["host"], **connection["extra"])


Call = Callable[..., requests.Response]


@pytest.fixture
def call(keys: dict[str, str]) -> Call:
    """Send a signed request; parts of the signature can be spoilt."""

    def send(
        method: str = "GET",
        path: str = CONFIG,
        body: object = None,
        *,
        service: str = "s3tables",
        region: str = "eu-central-9",
        key: str = keys["access"],
        secret: str = keys["secret"],
        sent_body: bytes | None = None,
        sent_path: str | None = None,
        **headers: str,
    ) -> requests.Response:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = AWSRequest(
            method, keys["url"] + path, data=data, headers={"Content-Type": "application/json"} | headers
        )
        SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
        with requests.Session() as session:
            return session.request(
                method,
                keys["url"] + (sent_path or path),
                data=data if sent_body is None else sent_body,
                headers=dict(request.headers),
                timeout=20,
            )

    return send


def error_of(response: requests.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    assert error["code"] == response.status_code
    return response.status_code, error["type"], error["message"]


def test_a_signed_call_passes_in_any_region(call: Call) -> None:
    assert call().json()["overrides"]["prefix"] == "warehouse"
    assert call(region="us-east-1").status_code == 200
    spaced = call(path="/_iceberg/v1/warehouse/namespaces?pageSize=5&parent=a%20b%2Bc&pageToken=")
    assert spaced.status_code != 403


def test_the_java_client_sends_the_hash_in_base64(keys: dict[str, str]) -> None:
    """It signs over the hex digest all the same."""
    digest = hashlib.sha256(body := b'{"namespace": ["java_trial"]}')

    class JavaAuth(SigV4Auth):
        def canonical_request(self, request: AWSRequest) -> str:
            return super().canonical_request(request).rpartition("\n")[0] + "\n" + digest.hexdigest()

    url = f"{keys['url']}/_iceberg/v1/warehouse/namespaces"
    headers = {"x-amz-content-sha256": base64.b64encode(digest.digest()).decode(), "Content-Type": "application/json"}
    request = AWSRequest("POST", url, data=body, headers=headers)
    JavaAuth(Credentials(keys["access"], keys["secret"]), "s3tables", "us-east-1").add_auth(request)
    with requests.Session() as session:
        assert session.post(url, data=body, headers=dict(request.headers), timeout=20).status_code == 200
        assert session.post(url, data=body + b" ", headers=dict(request.headers), timeout=20).status_code == 403


@pytest.mark.parametrize(
    ("spoilt", "status", "reason"),
    [
        ({"service": "s3"}, 403, "signing name must be s3tables, not 's3'"),
        ({"service": "execute-api"}, 403, "signing name must be s3tables"),
        ({"secret": "wrong"}, 403, "does not match"),
        ({"key": "LABUNKNOWN"}, 403, "access key id is not known"),
        ({"sent_path": "/_iceberg/v1/config?warehouse=other"}, 403, "does not match"),
        ({"method": "POST", "body": {"name": "a"}, "sent_body": b'{"name":"b"}'}, 403, "does not match"),
        (
            {"method": "POST", "body": b"{}", "X-Amz-Content-SHA256": hashlib.sha256(b"other").hexdigest()},
            403,
            "not the hash of the body",
        ),
        ({"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, 403, "not the hash of the body"),
    ],
)
def test_a_wrong_signature_is_refused(call: Call, spoilt: dict[str, Any], status: int, reason: str) -> None:
    got_status, kind, message = error_of(call(**spoilt))
    assert (got_status, kind) == (status, "ForbiddenException")
    assert reason in message


@pytest.mark.parametrize(("minutes", "status"), [(-14, 200), (14, 200), (-16, 403), (16, 403)])
def test_the_clock_may_differ_by_a_quarter_of_an_hour(
    call: Call, monkeypatch: pytest.MonkeyPatch, minutes: int, status: int
) -> None:
    there = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: there.replace(tzinfo=None))
    assert call().status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer abc"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=x"},
    ],
)
def test_unsigned_and_bearer_calls_are_refused(keys: dict[str, str], headers: dict[str, str]) -> None:
    for path in (CONFIG, "/_iceberg/v1/oauth/tokens", "/_iceberg/v1/warehouses", "/_iceberg/", "/_iceberg"):
        with requests.Session() as session:
            response = session.post(keys["url"] + path, headers=headers, timeout=20)
        status, kind, message = error_of(response)
        assert (status, kind) == (401, "NotAuthorizedException")
        assert "SigV4" in message


def test_a_presigned_call_is_refused(call: Call, keys: dict[str, str]) -> None:
    with requests.Session() as session:
        response = session.get(f"{keys['url']}{CONFIG}&X-Amz-Signature=00&X-Amz-Algorithm=AWS4-HMAC-SHA256", timeout=20)
    assert error_of(response)[0] == 401


def test_warehouses_are_created_once(call: Call, s3: Any) -> None:
    path = "/_iceberg/v1/warehouses"
    assert call("POST", path, {"name": "second-one", "upgrade-existing": False}).status_code == 200
    assert error_of(call("POST", path, {"name": "second-one", "upgrade-existing": False}))[:2] == (
        409,
        "AlreadyExistsException",
    )
    assert call("POST", path, {"name": "second-one", "upgrade-existing": True}).status_code == 200
    assert error_of(call("POST", path, {"name": "landing"}))[0] == 409
    assert call(path="/_iceberg/v1/config?warehouse=second-one").json()["overrides"]["prefix"] == "second-one"
    assert error_of(call(path="/_iceberg/v1/config?warehouse=third-one"))[:2] == (404, "NoSuchWarehouseException")
    assert {"landing", "warehouse", "second-one"} <= {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "Upper"},
        {"name": "a"},
        {"name": "-ab"},
        {"name": "a_b_c"},
        {"name": "a" * 64},
        {"name": 5},
        [],
        b"{",
    ],
)
def test_bad_warehouse_names_are_refused(call: Call, body: object) -> None:
    assert error_of(call("POST", "/_iceberg/v1/warehouses", body))[:2] == (400, "BadRequestException")


@pytest.mark.parametrize("levels", [["Upper"], ["_a"], ["a_"], ["a-b"], ["a", "b"], [], [""], ["é"], "text", None])
def test_namespaces_that_aistor_refuses_are_refused(call: Call, levels: object) -> None:
    response = call("POST", "/_iceberg/v1/warehouse/namespaces", {"namespace": levels})
    assert error_of(response)[:2] == (400, "BadRequestException")


def test_pyiceberg_creates_appends_and_reads(catalog: Catalog) -> None:
    catalog.create_namespace("front_trial")
    rows = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", "b", None]})
    table = catalog.create_table("front_trial.rows", schema=rows.schema)
    table.append(rows)
    table.append(rows)
    again = catalog.load_table("front_trial.rows")
    assert again.scan().to_arrow().sort_by("id").column("id").to_pylist() == [1, 1, 2, 2, 3, 3]
    assert again.io.properties["s3.endpoint"] == catalog.properties["s3.endpoint"]
    with pytest.raises(RESTError, match="only a-z, 0-9"):
        catalog.create_table("front_trial.Rows", schema=rows.schema)
    with pytest.raises(RESTError, match="only a-z, 0-9"):
        catalog.rename_table("front_trial.rows", "front_trial.rows_")
    catalog.purge_table("front_trial.rows")
    catalog.drop_namespace("front_trial")
    assert ("front_trial",) not in catalog.list_namespaces()


def test_several_tables_commit_at_once(call: Call, catalog: Catalog) -> None:
    catalog.create_namespace("together")
    schema = pa.schema([("id", pa.int64())])
    tables = [catalog.create_table(f"together.{name}", schema=schema) for name in ("a", "b")]
    changes = [
        {
            "identifier": {"namespace": ["together"], "name": table.name()[1]},
            "requirements": [{"type": "assert-table-uuid", "uuid": str(table.metadata.table_uuid)}],
            "updates": [{"action": "set-properties", "updates": {"seen": "1"}}],
        }
        for table in tables
    ]
    path = "/_iceberg/v1/warehouse/transactions/commit"
    assert call("POST", path, {"table-changes": changes}).status_code == 204
    assert [table.refresh().properties["seen"] for table in tables] == ["1", "1"]
    for table in tables:
        catalog.purge_table(table.name())
    catalog.drop_namespace("together")


def test_conditional_writes(s3: Any) -> None:
    key = {"Bucket": "landing", "Key": "front/pointer"}
    s3.delete_object(**key)
    first = s3.put_object(**key, Body=b"1", IfNoneMatch="*")
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0123456789abcdef0123456789abcdef"'}):
        with pytest.raises(ClientError) as refused:
            s3.put_object(**key, Body=b"2", **condition)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    s3.put_object(**key, Body=b"3", IfMatch=first["ETag"])
    assert s3.get_object(**key)["Body"].read() == b"3"


def test_of_eight_racers_one_wins(s3: Any) -> None:
    def race(round_: int) -> int:
        def one(racer: int) -> int:
            try:
                s3.put_object(Bucket="landing", Key=f"front/race{round_}", Body=bytes([racer]), IfNoneMatch="*")
            except ClientError as lost:
                return int(lost.response["ResponseMetadata"]["HTTPStatusCode"])
            return 200

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(one, range(8)))
        assert set(answers) <= {200, 409, 412}
        return answers.count(200)

    assert [race(round_) for round_ in range(3)] == [1] * 3


def test_s3_as_it_is_used(s3: Any, keys: dict[str, str]) -> None:
    odd = "front/a b+c=d/é~'()*!/x%2Fy"
    s3.put_object(Bucket="landing", Key=odd, Body=b"", Metadata={"note": "x"}, ContentType="text/x-odd")
    head = s3.head_object(Bucket="landing", Key=odd)
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (0, "text/x-odd", {"note": "x"})
    listed = s3.list_objects_v2(Bucket="landing", Prefix="front/a b+", Delimiter="|")
    assert [item["Key"] for item in listed["Contents"]] == [odd]
    s3.delete_objects(Bucket="landing", Delete={"Objects": [{"Key": odd}]})
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="landing", Key=odd)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.put_object(Bucket="no-such-bucket", Key="x", Body=b"")
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "landing", "MaxKeys": 1})
    with requests.Session() as session:
        assert session.get(url, timeout=20).status_code == 200
        assert session.get(f"{keys['url']}/landing", timeout=20).status_code == 403


def test_multipart_and_ranges(s3: Any) -> None:
    part = os.urandom(5 * 2**20)
    key = {"Bucket": "landing", "Key": "front/parts"}
    upload = s3.create_multipart_upload(**key)["UploadId"]
    tags = [s3.upload_part(**key, UploadId=upload, PartNumber=n, Body=part)["ETag"] for n in (1, 2)]
    listed = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
    s3.complete_multipart_upload(**key, UploadId=upload, MultipartUpload={"Parts": listed})
    assert s3.head_object(**key)["ContentLength"] == 2 * len(part)
    got = s3.get_object(**key, Range=f"bytes={len(part) - 3}-{len(part) + 2}")
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["Body"].read() == part[-3:] + part[:3]


def test_large_bodies_stream_through(s3: Any, lab: Lab) -> None:
    state = lab.status()
    assert state is not None
    body = os.urandom(2**20) * 64
    began = time.monotonic()
    s3.put_object(Bucket="landing", Key="front/large", Body=body)
    digest = hashlib.md5()
    stream = s3.get_object(Bucket="landing", Key="front/large")["Body"]
    while chunk := stream.read(2**20):
        digest.update(chunk)
    assert digest.digest() == hashlib.md5(body).digest()
    assert time.monotonic() - began < 20
    status = Path(f"/proc/{state.processes['front']}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak < 130_000, f"the front held {peak} kB: it must not hold bodies"
    s3.delete_object(Bucket="landing", Key="front/large")
