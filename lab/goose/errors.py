"""Everything a run of migrations can fail with.

    GooseError
    ├── BadFile             a file has a name or content that is not allowed
    ├── NoMigrations        there is no file to run
    ├── OutOfOrder          a file is older than what was applied last, and was not applied
    ├── BadVersionTable     what was applied cannot be read or written
    └── MigrationFailed     PostgreSQL answered with an error while a file ran

A message names the file, the line and what PostgreSQL said, in lower case and without a
final full stop.
"""


class GooseError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadFile(GooseError):
    """`line` counts from 1; None when it is about the whole file."""

    def __init__(self, reason: str, *, file: str, line: int | None = None) -> None:
        super().__init__(f"{place(file, line)}: {reason}")
        self.file = file
        self.line = line


class NoMigrations(GooseError):
    pass


class OutOfOrder(GooseError):
    """`missing` are the names of the files, oldest first."""

    def __init__(self, missing: tuple[str, ...], *, newest: int) -> None:
        files = ", ".join(missing)
        super().__init__(f"not applied, but older than version {newest} of the database: {files}")
        self.missing = missing
        self.newest = newest


class BadVersionTable(GooseError):
    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message + code(sqlstate))
        self.sqlstate = sqlstate


class MigrationFailed(GooseError):
    """`statement` counts from 1 within the file; None when it was at the version row or COMMIT.

    `sqlstate` is None when PostgreSQL gave no answer: the connection was lost, or the
    statement cannot be sent.
    """

    def __init__(
        self,
        reason: str,
        *,
        file: str,
        line: int | None = None,
        statement: int | None = None,
        sqlstate: str | None = None,
    ) -> None:
        number = "" if statement is None else f", statement {statement}"
        super().__init__(f"{place(file, line)}{number}: {reason}{code(sqlstate)}")
        self.file = file
        self.line = line
        self.statement = statement
        self.sqlstate = sqlstate


def place(file: str, line: int | None) -> str:
    return file if line is None else f"{file} line {line}"


def code(sqlstate: str | None) -> str:
    return f" (SQLSTATE {sqlstate})" if sqlstate else ""
