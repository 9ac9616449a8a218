"""AWS Signature Version 4, both halves: sign a request, and verify one as a strict server does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

MAX_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


class SignatureRefusedError(Exception):
    """A request that may not pass; `status` is 401 when it carries no signature, else 403."""

    def __init__(self, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it came over the wire: `target` is the raw path with its query, header names as sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header, None when absent."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class _Recomputed(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Signs exactly the headers that the client signed, over the hash of the body that arrived."""

    def __init__(self, credentials: Credentials, service: str, region: str, signed: frozenset[str]) -> None:
        super().__init__(credentials, service, region)
        self._signed = signed

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            if name.lower() in self._signed:
                chosen[name.lower()] = value
        return chosen

    def canonical_request(self, request: AWSRequest) -> str:
        whole: str = super().canonical_request(request)
        return whole.rpartition("\n")[0] + "\n" + hashlib.sha256(request.data or b"").hexdigest()


def sign(
    method: str,
    url: str,
    *,
    service: str,
    access_key: str,
    secret_key: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a request plus its signature."""
    digest = hashlib.sha256(body).hexdigest()
    request = AWSRequest(method, url, data=body, headers={**(headers or {}), "x-amz-content-sha256": digest})
    SigV4Auth(Credentials(access_key, secret_key), service, "us-east-1").add_auth(request)
    return {str(name): str(value) for name, value in request.headers.items()}


def verify(request: Request, *, access_key: str, secret_key: str, service: str, now: datetime) -> None:
    """Raise SignatureRefusedError unless the request is signed for `service` with this key at most 15 minutes from `now`."""
    authorization = request.header("authorization")
    if authorization is None:
        raise SignatureRefusedError(f"the request is not signed: sign it with SigV4, signing name {service}", 401)
    if not (found := _AUTHORIZATION.fullmatch(authorization.strip())):
        kind = authorization.split(" ", 1)[0]
        raise SignatureRefusedError(
            f"only SigV4 (AWS4-HMAC-SHA256) is accepted, signing name {service}; got {kind!r}", 401
        )
    if found["service"] != service:
        raise SignatureRefusedError(f"the signing name must be {service}, not {found['service']!r}")
    if not hmac.compare_digest(found["key"].encode(), access_key.encode()):
        raise SignatureRefusedError("the access key id is not known")
    signed = frozenset(found["headers"].split(";"))
    if not {"host", "x-amz-date"} <= signed:
        raise SignatureRefusedError("the headers host and x-amz-date must be signed")
    stamp = _checked_time(request.header("x-amz-date") or "", found["day"], now)
    _check_body(request)
    if not hmac.compare_digest(found["signature"], _signature(request, secret_key, stamp, found, signed)):
        raise SignatureRefusedError(
            "the signature does not match: wrong secret key, or the request was changed on its way"
        )


def _signature(request: Request, secret_key: str, stamp: str, found: re.Match[str], signed: frozenset[str]) -> str:
    auth = _Recomputed(
        Credentials(found["key"], secret_key), service=found["service"], region=found["region"], signed=signed
    )
    parts = urlsplit("http://lab" + request.target)
    again = AWSRequest(request.method, f"http://lab{parts.path}", data=request.body)
    again.params = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in request.headers:
        again.headers.add_header(name, value)
    again.context["timestamp"] = stamp
    return str(auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again))


def _checked_time(stamp: str, day: str, now: datetime) -> str:
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureRefusedError(f"x-amz-date must look like 20260131T235959Z, not {stamp!r}") from None
    if abs(signed_at - now) > MAX_SKEW:
        raise SignatureRefusedError(f"signed at {stamp}, more than 15 minutes from the server's {now:%Y%m%dT%H%M%SZ}")
    if not stamp.startswith(day):
        raise SignatureRefusedError(f"the credential's day {day} is not the day of x-amz-date {stamp}")
    return stamp


def _check_body(request: Request) -> None:
    """The declared hash, hex or (as the Java catalog client sends it) base64, must be that of the body."""
    declared = request.header("x-amz-content-sha256")
    digest = hashlib.sha256(request.body)
    if declared not in (None, digest.hexdigest(), base64.b64encode(digest.digest()).decode()):
        raise SignatureRefusedError("x-amz-content-sha256 is not the hash of the body")
