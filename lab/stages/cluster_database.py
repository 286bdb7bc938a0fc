"""What faults do to a lab's database."""

from lab.errors import LabError
from lab.faults.session import ANALYST
from lab.faults.wrong_secret import RIGHT, WRONG
from lab.kube.client import Client
from lab.lifecycle.lab import Lab
from lab.postgres import backends
from lab.service import outage, secret_files, secrets
from lab.service.database import Database
from lab.service.sessions import Sessions, Wish
from lab.stages.own_events import OwnEvents

SQL_WITHIN_S = 30.0
# The runner gives a recovery a minute.
ANSWERS_WITHIN_S = 50.0
FILES_WITHIN_S = 20.0


class ClusterDatabaseFaults:
    """The capabilities of `lab.faults` that concern the database."""

    def __init__(self, lab: Lab, client: Client, own: OwnEvents) -> None:
        self._lab = lab
        self._client = client
        self._own = own
        self._sessions = Sessions(lab)

    def hold(
        self, name: str, sql: str, *, seconds: float | None, idle_in_transaction: bool
    ) -> None:
        def tell(what: str, message: str) -> None:
            self._own.tell("hold", name=name, what=what, message=message)

        self._sessions.hold(Wish(ANALYST + name, sql, seconds, idle_in_transaction), tell)

    def end(self, name: str) -> None:
        self._sessions.end(ANALYST + name)

    def terminate(self, application: str) -> None:
        ended = Database(self._lab).value(backends.terminate(application))
        self._own.tell("terminated", application=application, backends=int(ended or 0))

    def run(self, name: str, sql: str) -> None:
        Database(self._lab).run(f"{backends.bounded(SQL_WITHIN_S)}\n{sql};")
        self._own.tell("sql", name=name)

    def shut_down(self) -> None:
        outage.stop(self._client)

    def start_again(self, *, wait: bool) -> None:
        outage.start(self._client)
        if wait:
            outage.wait_until_it_answers(self._lab, self._client, timeout_s=ANSWERS_WITHIN_S)

    def wait_until_it_answers(self) -> None:
        outage.wait_until_it_answers(self._lab, self._client, timeout_s=ANSWERS_WITHIN_S)

    def spoil(self, release: str) -> None:
        self._spread(release, WRONG, secrets.spoil(self._client, release))

    def mend(self, release: str) -> None:
        self._spread(release, RIGHT, secrets.mend(self._client, release))

    def _spread(self, release: str, what: str, password: str) -> None:
        """Have it in the pods that run, and tell which were not seen to have it."""
        unseen = secret_files.spread(
            self._client,
            secret_files.looking_into(self._lab),
            release,
            password,
            within_s=FILES_WITHIN_S,
        )
        self._own.tell("secret", release=release, what=what, unseen=unseen)

    def close(self) -> None:
        """Whatever of it does not end now ends by itself, and must not hide another error."""
        try:
            self._sessions.close()
        except LabError as exc:
            self._own.tell("note", text=f"sessions that were held: {exc.message}")
