"""Everything a run of migrations can fail with.

    GooseError
    ├── BadFile             a file has a name or content that is not allowed
    ├── BadOption           an option has a value that cannot be meant
    ├── NoMigrations        there is no file to run
    ├── OutOfOrder          a file is older than what was applied last, and was not applied
    ├── NoNextVersion       one more file was asked for, and all are applied
    ├── NoCurrentVersion    what was applied last has no file, or nothing was applied
    ├── NotReversible       a file does not say that it may be taken back
    ├── BadVersionTable     what was applied cannot be read or written
    ├── BadFloor            which releases still work cannot be read
    ├── Locked              another run holds the lock
    ├── LockLost            the lock was gone before the run ended
    └── MigrationFailed     PostgreSQL answered with an error while a file ran
        ├── LockTimeout         a lock was not to be had in time
        ├── StatementTimeout    a statement took longer than it may
        ├── ConnectionLost      there is no connection any more
        └── FloorDiffers        the file left another floor than it says

A message names the file, the line and what PostgreSQL said, in lower case and without a
final full stop.
"""

from collections.abc import Sequence


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


class BadOption(GooseError):
    pass


class NoMigrations(GooseError):
    pass


class OutOfOrder(GooseError):
    """`missing` are the names of the files, oldest first."""

    def __init__(self, missing: tuple[str, ...], *, newest: int) -> None:
        files = ", ".join(missing)
        super().__init__(f"not applied, but older than version {newest} of the database: {files}")
        self.missing = missing
        self.newest = newest


class NoNextVersion(GooseError):
    def __init__(self, version: int) -> None:
        super().__init__(f"no file is pending: the database is at version {version}")
        self.version = version


class NoCurrentVersion(GooseError):
    """`version` is what was applied last, 0 when nothing was."""

    def __init__(self, version: int) -> None:
        applied = f"version {version} was applied last, and there is no file of it"
        super().__init__(applied if version else "nothing was applied that could be taken back")
        self.version = version


class NotReversible(GooseError):
    """`files` are what stands in the way, in the order in which they would be taken back."""

    def __init__(self, files: Sequence[tuple[str, str | None]]) -> None:
        said = ", ".join(f"{name} (reversible={word or 'not said'})" for name, word in files)
        super().__init__(f"may not be taken back: {said}")
        self.files = tuple(name for name, _ in files)


class BadVersionTable(GooseError):
    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message + code(sqlstate))
        self.sqlstate = sqlstate


class BadFloor(GooseError):
    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message + code(sqlstate))
        self.sqlstate = sqlstate


class Locked(GooseError):
    """`holder` is who has the lock, as far as PostgreSQL tells."""

    def __init__(
        self, reason: str, *, holder: str | None = None, sqlstate: str | None = None
    ) -> None:
        by = f" (held by {holder})" if holder else ""
        super().__init__(reason + by + code(sqlstate))
        self.holder = holder
        self.sqlstate = sqlstate


class LockLost(GooseError):
    pass


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


class LockTimeout(MigrationFailed):
    pass


class StatementTimeout(MigrationFailed):
    pass


class ConnectionLost(MigrationFailed):
    """Whether the file is applied is for the version table to say: it may have been in COMMIT."""


class FloorDiffers(MigrationFailed):
    pass


def place(file: str, line: int | None) -> str:
    return file if line is None else f"{file} line {line}"


def code(sqlstate: str | None) -> str:
    return f" (SQLSTATE {sqlstate})" if sqlstate else ""
