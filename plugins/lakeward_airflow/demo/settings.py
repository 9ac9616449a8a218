"""How the demo's Airflow is configured: by environment variables alone, on loopback alone, below LAKEWARD_HOME alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLONE = Path(__file__).resolve().parents[3]
USER = "admin"


@dataclass(frozen=True, slots=True)
class AirflowHome:
    """One Airflow: its folder, its port, its users with their roles, and the password of them all."""

    folder: Path
    port: int
    dags: Path = CLONE / "dags"
    users: tuple[tuple[str, str], ...] = ((USER, "admin"),)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)

    @property
    def url(self) -> str:
        """Where its API server answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        """Its metadata."""
        return self.folder / "airflow.db"

    @property
    def logs(self) -> Path:
        """Logs of tasks, by DAG and run; those of the servers lie beside."""
        return self.folder / "logs"

    def environment(self, home: Path, connections: Mapping[str, str]) -> dict[str, str]:
        """The variables of its processes; nothing of another Airflow's configuration gets in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        passwords = self.folder / "passwords.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(passwords, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump({name: self.password for name, _ in self.users}, out)
        options = {
            "CORE__DAGS_FOLDER": self.dags,
            "CORE__PLUGINS_FOLDER": CLONE / "plugins",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": 4,
            "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in self.users),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": passwords,
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": False,
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            "API__HOST": "127.0.0.1",
            "API__PORT": self.port,
            "API__BASE_URL": self.url,
            "API__WORKERS": 1,
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "LOGGING__BASE_LOG_FOLDER": self.logs,
            "DAG_PROCESSOR__PARSING_PROCESSES": 1,
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.5,
            "USAGE_DATA_COLLECTION__ENABLED": False,
        }
        return (
            kept
            | dict(connections)
            | {f"AIRFLOW__{name}": str(value) for name, value in options.items()}
            | {"AIRFLOW_HOME": str(self.folder), "LAKEWARD_HOME": str(home), "NO_PROXY": "127.0.0.1,localhost"}
        )
