"""Put the sample service on a lab that is up: images, database, seed, service, observer.

Every step looks first, so the same call deploys, goes on with a deploy that was
interrupted, brings a new build of the service, or finds nothing to do.
"""

import time
from dataclasses import dataclass

from lab import artifacts
from lab.artifacts.recipe import Artifact
from lab.artifacts.serviceimages import (
    OBSERVER,
    POSTGRES,
    RELEASES,
    chirps_tag,
    service_recipes,
)
from lab.errors import InvalidValue, LabError, RequestRefused, ServiceNotDeployed, ServiceNotReady
from lab.kube import apply, manifests
from lab.kube.client import Client
from lab.lifecycle import publish
from lab.lifecycle.lab import Lab, require_power
from lab.lifecycle.lock import exclusive
from lab.lifecycle.up import is_cluster_up
from lab.paths import Paths
from lab.postgres import roles
from lab.postgres.capacity import MAX_CONNECTIONS, RESERVED_CONNECTIONS
from lab.postgres.roles import DATABASE, quote
from lab.progress import Progress
from lab.service import images, placement, rollout, secrets, seed
from lab.service.database import Database
from lab.service.names import (
    APPS,
    BASE,
    NAMESPACE,
    OBSERVER_POD,
    OPERATOR_POD,
    OPERATOR_RELEASE,
    POSTGRES_POD,
    START_RELEASE,
)
from lab.service.reset import reset_service
from lab.service.seed import Seed

PROFILE = "lab-good"
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Deployed:
    """Where the service is on the host's loopback, and what had to be done for it."""

    address: str
    profile: str
    release: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for; sizes of the seed as in the service's own defaults."""

    profile: str = PROFILE
    users: int = 20_000
    chirps: int = 300_000


def deploy(
    paths: Paths, name: str, wish: Wish, *, progress: Progress, timeout_s: float
) -> Deployed:
    """Return when the service answers; `timeout_s` bounds each wait for pods."""
    require_power(paths, name, "deploy")
    manifests.read_values("chirps", wish.profile)
    with exclusive(paths, name):
        lab = Lab.load(paths, name)
        _refuse_own_hosts(lab)
        if not is_cluster_up(lab):
            raise LabError(f"lab {name!r} is not up", hint=f"sudo lab up --name {name}")
        return Deployment(lab, wish, progress, timeout_s).run()


def _refuse_own_hosts(lab: Lab) -> None:
    if lab.record.hosts:
        raise InvalidValue(
            f"the nodes of lab {lab.record.name!r} are machines of an inventory, and the service's "
            "images are brought to nodes of lab's own only",
            hint="sudo lab up --name sandbox, and there lab deploy",
        )


@dataclass(slots=True)
class Deployment:
    """One deploy, with the lab's lock held."""

    lab: Lab
    wish: Wish
    progress: Progress
    timeout_s: float
    changed: bool = False

    def run(self) -> Deployed:
        client = self.lab.connect()
        built = self._build()
        self._import(client, built)
        with self.progress.task("Starting PostgreSQL"):
            self._start_database(client, _key(built, "postgres"))
        wanted = Seed(self.wish.users, self.wish.chirps, _key(built, "chirps"))
        self._fill(client, wanted)
        with self.progress.task("Starting the observer"):
            self._start_observer(client, _key(built, "observer"))
        with self.progress.task("Starting the operator's pod"):
            self._start_operator(client, _key(built, "chirps"))
        self._start_service(client, wanted)
        publish.publish_service(self.lab)
        return Deployed(
            address=address(self.lab),
            profile=self.wish.profile,
            release=rollout.configured(client).release,
            changed=self.changed,
        )

    def _build(self) -> dict[str, Artifact]:
        built = artifacts.ensure(service_recipes(), paths=self.lab.paths, progress=self.progress)
        # Named in the record, so that `lab artifacts prune` leaves them.
        known = {name: str(artifact.path) for name, artifact in built.items()}
        self.lab.update(artifacts=self.lab.record.artifacts | known)
        return built

    def _import(self, client: Client, built: dict[str, Artifact]) -> None:
        places = placement.place(self.lab.record.nodes)
        placement.label_nodes(client, places)
        with self.progress.task("Importing the service's images") as task:
            self.changed |= images.import_images(self.lab, built, places, task) > 0

    def _start_database(self, client: Client, image_key: str) -> None:
        apply.apply_all(client, manifests.render("service-base"))
        passwords = secrets.ensure(client, tuple(RELEASES))
        apply.apply_all(
            client,
            manifests.render(
                "postgres",
                image=POSTGRES,
                image_key=image_key,
                max_connections=MAX_CONNECTIONS,
                reserved_connections=RESERVED_CONNECTIONS,
            ),
        )
        wait_for_pod(client, POSTGRES_POD, "postgres", timeout_s=self.timeout_s)
        Database(self.lab).run(roles.statements(passwords), database="postgres")

    def _fill(self, client: Client, wanted: Seed) -> None:
        database = Database(self.lab)
        with self.progress.task("Filling the template database") as task:
            self.changed |= seed.ensure_template(database, client, wanted, task)

    def _start_observer(self, client: Client, image_key: str) -> None:
        apply.apply_all(
            client,
            manifests.render("observer", image=OBSERVER, image_key=image_key),
        )
        placement.bring_home(client, OBSERVER_POD, self.lab.record.home)
        wait_for_pod(client, OBSERVER_POD, "observer", timeout_s=self.timeout_s)

    def _start_operator(self, client: Client, image_key: str) -> None:
        image = chirps_tag(OPERATOR_RELEASE)
        apply.apply_all(client, manifests.render("operator", image=image, image_key=image_key))
        placement.bring_home(client, OPERATOR_POD, self.lab.record.home)
        wait_for_pod(client, OPERATOR_POD, "operator", timeout_s=self.timeout_s)

    def _start_service(self, client: Client, wanted: Seed) -> None:
        profile = self.wish.profile
        if self._is_deployed(client, wanted):
            release = rollout.configured(client).release
            pods = rollout.replicas_of(profile)
            rollout.wait_ready(client, pods, release=release, timeout_s=self.timeout_s)
            return
        self.changed = True
        with self.progress.task(f"Starting {START_RELEASE} of the service"):
            reset_service(self.lab, client, profile, wanted.mark, timeout_s=self.timeout_s)

    def _is_deployed(self, client: Client, wanted: Seed) -> bool:
        """Whether the service runs from this build and seed, as many pods as it should have.

        Asked of the cluster and not of what this call has done: an earlier one may have been
        cut short in between.
        """
        try:
            told = rollout.configured(client)
        except ServiceNotDeployed:
            return False
        ours = (self.wish.profile, wanted.mark, rollout.replicas_of(self.wish.profile))
        is_plain = not (told.overrides or told.variables)
        is_ours = (told.profile, told.seed, told.replicas) == ours
        return is_ours and is_plain and has_database(self.lab)


def has_database(lab: Lab) -> bool:
    sql = f"SELECT datname FROM pg_database WHERE datname = {quote(DATABASE)}"  # noqa: S608 - ours
    return Database(lab).value(sql, database="postgres") is not None


def _key(built: dict[str, Artifact], archive: str) -> str:
    return built[images.artifact_name(archive)].key


def address(lab: Lab) -> str:
    return f"http://127.0.0.1:{lab.record.service_port}"


def wait_for_pod(client: Client, name: str, owner: str, *, timeout_s: float) -> None:
    """Return when the one pod of a StatefulSet is Ready and of its newest revision."""
    deadline = time.monotonic() + timeout_s
    while True:
        missing = _pod_missing(client, name, owner)
        if not missing:
            return
        if time.monotonic() > deadline:
            raise ServiceNotReady(
                f"{name} did not become ready within {timeout_s:g} s ({missing})",
                hint=f"lab kubectl -n {NAMESPACE} describe pod {name}; "
                f"lab kubectl -n {NAMESPACE} logs {name}",
            )
        time.sleep(POLL_S)


def _pod_missing(client: Client, name: str, owner: str) -> str:
    """Return why the pod does not count as there, empty when it does."""
    owning = client.get(f"{APPS}/statefulsets/{owner}")
    newest = owning.get("status", {}).get("updateRevision")
    if owning["metadata"]["generation"] != owning.get("status", {}).get("observedGeneration"):
        return "the controller has not seen it yet"
    try:
        pod = client.get(f"{BASE}/pods/{name}")
    except RequestRefused as exc:
        if exc.status == 404:
            return "it does not exist"
        raise
    if pod["metadata"].get("deletionTimestamp"):
        return "the pod that was there is being ended"
    if pod["metadata"].get("labels", {}).get("controller-revision-hash") != newest:
        return "the pod of an earlier revision is still there"
    return "" if rollout.is_ready(pod) else rollout.waits_for(pod) or "it is not Ready"
