"""What faults do to a twin's database."""

from lab.faults.session import ANALYST
from lab.faults.wrong_secret import RIGHT, WRONG
from lab.postgres import backends
from lab.postgres.roles import DATABASE
from lab.stages.own_events import OwnEvents
from lab.twin.database import TwinDatabase
from lab.twin.sessions import Sessions, Wish

SQL_WITHIN_S = 30.0


class TwinDatabaseFaults:
    """The capabilities of `lab.faults` that concern the database."""

    def __init__(self, database: TwinDatabase, own: OwnEvents) -> None:
        self._database = database
        self._own = own
        self._sessions = Sessions(
            database.connect,
            lambda application: database.value(backends.terminate_named(application)),
        )

    def hold(
        self, name: str, sql: str, *, seconds: float | None, idle_in_transaction: bool
    ) -> None:
        def tell(what: str, message: str) -> None:
            self._own.tell("hold", name=name, what=what, message=message)

        self._sessions.hold(Wish(ANALYST + name, sql, seconds, idle_in_transaction), tell)

    def end(self, name: str) -> None:
        self._sessions.end(ANALYST + name)

    def terminate(self, application: str) -> None:
        ended = self._database.value(backends.terminate(application))
        self._own.tell("terminated", application=application, backends=int(ended))

    def run(self, name: str, sql: str) -> None:
        self._database.run((backends.bounded(SQL_WITHIN_S), sql), database=DATABASE)
        self._own.tell("sql", name=name)

    def shut_down(self) -> None:
        self._database.shut_down()

    def start_again(self) -> None:
        self._database.start_again()

    def spoil(self, release: str) -> None:
        self._database.spoil_password(release)
        self._own.tell("secret", release=release, what=WRONG)

    def restore(self, release: str) -> None:
        self._database.restore_password(release)
        self._own.tell("secret", release=release, what=RIGHT)

    def close(self) -> None:
        self._sessions.close()
