"""The real goose, as its Go module builds it."""

import os
from pathlib import Path
from unittest.mock import patch

from lab.artifacts import ensure
from lab.artifacts.gobuild import GoPrograms
from lab.paths import find_paths
from lab.progress import Silent

MODULE = Path(__file__).parents[1] / "tools/goose"
PROGRAM = "github.com/pressly/goose/v3/cmd/goose"
# It brings drivers of other databases, which take long to compile.
OTHER_DATABASES = (
    "no_azuresql,no_clickhouse,no_libsql,no_mssql,no_mysql,no_sqlite3,no_vertica,no_ydb"
)


def build_goose() -> Path:
    """Return the program; it is built once, and then in the cache. Raises ArtifactError."""
    recipe = GoPrograms("goose", MODULE, packages=(PROGRAM,))
    with patch.dict(os.environ, GOFLAGS=f"-tags={OTHER_DATABASES}"):
        artifact = ensure([recipe], paths=find_paths(), progress=Silent())["goose"]
    return artifact.tree / "usr/local/bin/goose"
