"""The chart's upgrade of MLflow's database, on real databases of the MLflow that is installed here."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from sqlalchemy import create_engine

from tests.contract.chart import CHART

INSTALLED = metadata.version("mlflow")


def upgrade(database: Path) -> subprocess.CompletedProcess[str]:
    """Run the script as the chart's init container does."""
    return subprocess.run(
        [sys.executable, CHART / "files" / "upgrade_database.py", database],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def revision(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found)


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose schema is one revision behind, with an experiment in it."""
    database = tmp_path_factory.mktemp("former") / "mlflow.db"
    url = f"sqlite:///{database}"
    InitialBase.metadata.create_all(create_engine(url))
    configuration = utils._get_alembic_config(url)
    script = ScriptDirectory.from_config(configuration)
    head = script.get_revision("head")
    command.upgrade(configuration, str(head.down_revision))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage) "
            "VALUES (7, 'team.istanbul', 'active')"
        )
        connection.commit()
    return database


@pytest.fixture
def database(former: Path, tmp_path: Path) -> Path:
    """A copy of the former database, last used by MLflow 3.0.0."""
    copy = tmp_path / "mlflow.db"
    copy.write_bytes(former.read_bytes())
    (tmp_path / "mlflow.db.mlflow-version").write_text("3.0.0\n")
    return copy


def test_a_database_of_a_former_mlflow_is_copied_and_upgraded(database: Path) -> None:
    before = revision(database)
    done = upgrade(database)
    assert done.returncode == 0, done.stderr
    utils._verify_schema(create_engine(f"sqlite:///{database}"))
    assert revision(database.with_name("mlflow-3.0.0.db")) == before != revision(database)
    with closing(sqlite3.connect(database)) as connection:
        assert ("team.istanbul",) in connection.execute("SELECT name FROM experiments").fetchall()


def test_the_second_start_of_a_version_leaves_the_database_alone(database: Path) -> None:
    database.with_name("mlflow.db.mlflow-version").unlink()
    assert upgrade(database).returncode == 0
    database.with_name("mlflow-unknown.db").unlink()
    before = database.stat().st_mtime_ns
    assert upgrade(database).returncode == 0
    assert database.stat().st_mtime_ns == before
    left = {path.name for path in database.parent.iterdir()}
    assert left == {"mlflow.db", "mlflow.db.mlflow-version"}


def test_before_the_first_start_there_is_nothing_to_copy(tmp_path: Path) -> None:
    assert upgrade(tmp_path / "mlflow.db").returncode == 0
    (left,) = tmp_path.iterdir()
    assert left.read_text() == f"{INSTALLED}\n"


def test_a_database_of_a_later_mlflow_is_refused_with_the_way_back(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
        connection.commit()
    done = upgrade(database)
    assert done.returncode == 1
    assert "could not be upgraded from MLflow 3.0.0" in done.stderr
    assert "mlflow-3.0.0.db" in done.stderr
    assert revision(database.with_name("mlflow-3.0.0.db")) == "from-the-future"
    assert database.with_name("mlflow.db.mlflow-version").read_text() == "3.0.0\n"


def test_the_copy_of_an_upgrade_that_broke_off_is_not_overwritten(database: Path) -> None:
    intact = database.with_name("mlflow-3.0.0.db")
    intact.write_bytes(database.read_bytes())
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DELETE FROM experiments")
        connection.commit()
    upgrade(database)
    with closing(sqlite3.connect(intact)) as connection:
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() != (0,)


def test_what_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(b"not a database" * 100)
    done = upgrade(database)
    assert done.returncode == 1
    assert "could not be copied" in done.stderr
    assert "Traceback" not in done.stderr
    assert database.read_bytes() == b"not a database" * 100
