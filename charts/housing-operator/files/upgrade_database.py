"""Bring MLflow's SQLite database to the schema of the MLflow in this image, after copying it.

MLflow refuses to start on a database of an older version, and its migrations may break off halfway.
The chart runs this before the server starts; as the Deployment's strategy is Recreate, no other
server has the database open. The version of MLflow that last used the database is kept beside it,
so that an ordinary start costs nothing.

Usage: upgrade_database.py DATABASE
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import metadata
from pathlib import Path


def copy_database(database: Path, copy: Path) -> None:
    """Copy a database; `copy` appears only when it is complete."""
    unfinished = copy.with_name(copy.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(database)) as source,
        closing(sqlite3.connect(unfinished)) as target,
    ):
        source.backup(target)
    unfinished.rename(copy)


def upgrade(database: Path, last: str, installed: str) -> None:
    """Upgrade a database that MLflow `last` used; SystemExit with what to do when that fails."""
    copy = database.with_name(f"{database.stem}-{last}{database.suffix}")
    if not copy.exists():  # else it is from an attempt that broke off: better than what is left
        try:
            copy_database(database, copy)
        except (OSError, sqlite3.Error) as error:
            sys.exit(
                f"{database} was not upgraded from MLflow {last} to {installed}, because it could "
                f"not be copied to {copy} first: {error}. Is the volume full?"
            )
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{database}"]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(
            f"{database} could not be upgraded from MLflow {last} to {installed}; the error is "
            f"above. As it was before, it is in {copy}: to go back, put that in the place of "
            f"{database.name} and install the version of the chart that ran MLflow {last}."
        )


def main(database: Path) -> None:
    """Make sure that the installed MLflow can open `database`, which need not exist yet."""
    installed = metadata.version("mlflow")
    used_by = database.with_name(database.name + ".mlflow-version")
    last = used_by.read_text().strip() if used_by.exists() else "unknown"
    if last == installed:
        return
    if database.exists():
        upgrade(database, last, installed)
    used_by.write_text(installed + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
