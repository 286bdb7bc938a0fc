"""Do something by hand in the service's database, as an operator with psql does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import after_request
from lab.scenario.history import History


class CanRunSql(Protocol):
    """A stage whose database takes statements of the superuser."""

    def run_sql(self, name: str, sql: str) -> None:
        """Run the statements, each in a transaction of its own; then tell an event `sql`.

        Raises DatabaseRefused with the SQLSTATE.
        """
        ...


@dataclass(frozen=True, slots=True)
class RunSql:
    """Run `sql`; recovery runs `undo_sql`, which must be able to run a second time.

    Without `undo_sql` the change is lasting: the next reset takes it back with all data.
    """

    name: str
    sql: str
    undo_sql: str = ""

    @property
    def lasting(self) -> bool:
        return not self.undo_sql

    def describe(self) -> str:
        return f"run by hand: {self.sql}"

    def undo(self) -> Mapping[str, Any]:
        return {"run_sql": self.undo_sql, "name": self.name}

    def inject(self, stage: CanRunSql) -> None:
        stage.run_sql(self.name, self.sql)

    def is_observed(self, history: History) -> bool:
        told = after_request(history, self.name, "sql")
        return any(event["name"] == self.name for event in told)

    def recover(self, stage: CanRunSql) -> None:
        if self.undo_sql:
            stage.run_sql(self.name, self.undo_sql)
