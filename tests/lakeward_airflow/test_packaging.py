"""The package as Airflow finds it: installed, or dropped into an Airflow home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from airflow_home import CLONE

DROPPED = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path[:] = [sys.argv[1]] + [path for path in sys.path if not path.startswith(sys.argv[2] + "/include") and not path.startswith(sys.argv[2] + "/plugins")]
sys.path[:] = [path for path in sys.path if "__editable__" not in path]
import lakeward_airflow, lakeward, lakeward_monitor
print(lakeward_airflow.__file__)
print(lakeward.__file__)
print(lakeward_monitor.LakewardMonitor.fastapi_apps[0]["url_prefix"])
"""


def test_the_provider_is_found_and_its_links_exist() -> None:
    (entry,) = [e for e in entry_points(group="apache_airflow_provider") if e.value.startswith("lakeward_airflow")]
    info = entry.load()()
    assert info["package-name"] == "lakeward"
    for link in info["extra-links"]:
        module, name = link.rsplit(".", 1)
        assert getattr(import_module(module), name)().name


def test_it_works_when_dropped_into_an_airflow_home(tmp_path: Path) -> None:
    for folder in ("plugins", "include"):
        shutil.copytree(CLONE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", "-c", DROPPED, str(tmp_path / "plugins"), str(CLONE)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        str(tmp_path / "plugins" / "lakeward_airflow" / "__init__.py"),
        str(tmp_path / "include" / "lakeward" / "__init__.py"),
        "/lakeward",
    ]


def test_airflow_does_not_run_the_modules_of_the_package_by_their_bare_names(tmp_path: Path) -> None:
    script = (
        "import sys; from airflow import plugins_manager; plugins_manager.get_fastapi_plugins(); "
        "apps = [a['name'] for a in plugins_manager.get_fastapi_plugins()[0]]; "
        "print(apps, sorted(m for m in ('runs', 'links', 'failures', 'api', 'app', 'figures') if m in sys.modules), "
        "plugins_manager.get_import_errors() if hasattr(plugins_manager, 'get_import_errors') else {})"
    )
    env = os.environ | {"AIRFLOW__CORE__PLUGINS_FOLDER": str(CLONE / "plugins"), "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("['lakeward'] [] {}"), done.stdout
