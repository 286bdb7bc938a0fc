"""Bring it together: a Deployment, its pods, a balancer and Jobs, in one event loop.

After each change, and when time alone changes something, the controllers look, the balancer
is given the ready endpoints, and what is new is told.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.errors import InvalidValue
from lab.twin import deployment, lines
from lab.twin.balancer import Balancer
from lab.twin.container import CHIRPS, Container, Process
from lab.twin.deployment import Deployment, Scaled, Step
from lab.twin.environment import Given
from lab.twin.jobs import Job, Jobs
from lab.twin.lines import Snapshot, Teller
from lab.twin.names import suffix
from lab.twin.pods import NORMAL, Identity, Pod
from lab.twin.prober import LOOPBACK, get
from lab.twin.replicaset import Pod as View
from lab.twin.replicaset import ReplicaSet
from lab.twin.spec import Probe, Spec

NAME = "chirps"
NODES = ("n3", "n4", "n5", "n6")

Notice = Callable[[str, str], None]


@dataclass(slots=True)
class Running:
    """What `start` made, and `stop` takes away."""

    given: Given
    balancer: Balancer
    deployment: Deployment
    jobs: Jobs
    pods: dict[str, Pod] = field(default_factory=dict)
    balanced: list[tuple[str, str, int]] = field(default_factory=list)


class World:
    """One at a time runs in it; `group` holds the tasks of all that lives in it."""

    def __init__(self, teller: Teller, notice: Notice, group: asyncio.TaskGroup) -> None:
        self.teller = teller
        self._notice = notice
        self._group = group
        self._running: Running | None = None
        self._changed = asyncio.Event()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    @property
    def running(self) -> Running:
        """What runs; raises InvalidValue when nothing does."""
        if self._running is None:
            raise InvalidValue("the twin is not started", hint='{"do": "start", ...}')
        return self._running

    async def start(self, given: Given, spec: Spec, *, host: str, port: int) -> int:
        """Make a Deployment and a balancer before it; return the balancer's port."""
        if self._running is not None:
            raise InvalidValue("the twin is started already: stop it first")
        balancer = Balancer(host, port)
        taken = await balancer.start()
        self._counts.clear()
        jobs = Jobs(self, self._group)
        self._running = Running(given, balancer, Deployment(NAME, spec), jobs)
        self.settle()
        return taken

    async def stop(self) -> None:
        """Kill all pods and Jobs, close the balancer; nothing to stop is fine."""
        if (running := self._running) is None:
            return
        # First, so that no controller replaces what ends.
        self._running = None
        pods = [*running.pods.values()]
        for pod in pods:
            pod.delete(0)
        await running.jobs.remove()
        await asyncio.gather(*(pod.gone.wait() for pod in pods))
        await running.balancer.close()
        self.teller.tell(self.snapshot())

    async def control(self) -> None:
        """Let the controllers look whenever something changed; never returns."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            self.settle()
            moment = self._next_look()
            wake = loop.call_at(moment, self._changed.set) if moment is not None else None
            await self._changed.wait()
            if wake is not None:
                wake.cancel()

    def _next_look(self) -> float | None:
        if (running := self._running) is None:
            return None
        return deployment.next_look(running.deployment, views(running), _now())

    def settle(self) -> None:
        """Do what the controllers ask for until they ask for nothing."""
        while (running := self._running) is not None:
            step = deployment.reconcile(running.deployment, views(running), _now())
            self._do(running, step)
            self._publish(running)
            if step.is_idle:
                return

    def tell(self, changed: Deployment) -> None:
        """Take in a Deployment with another spec, which is told before what follows from it."""
        self.running.deployment = changed
        self._publish(self.running)
        self.settle()

    def _do(self, running: Running, step: Step) -> None:
        running.deployment = step.deployment
        for scaled in step.scaled:
            self._tell_scaled(scaled)
        sets = {each.name: each for each in step.deployment.sets}
        for name in step.create:
            self._create(running, sets[name])
        for name in step.delete:
            pod = running.pods[name]
            about = f"ReplicaSet/{pod.identity.owner}"
            self.event(NORMAL, "SuccessfulDelete", about, f"Deleted pod: {name}")
            pod.delete()

    def _tell_scaled(self, scaled: Scaled) -> None:
        way = "up" if scaled.after > scaled.before else "down"
        said = f"Scaled {way} replica set {scaled.name} from {scaled.before} to {scaled.after}"
        self.event(NORMAL, "ScalingReplicaSet", f"Deployment/{NAME}", said)

    def _create(self, running: Running, owner: ReplicaSet) -> None:
        name, node = f"{owner.name}-{suffix()}", emptiest_node(running)
        identity = Identity(name, owner.name, owner.template, node, created=_now())
        pod = running.pods[name] = Pod(identity, running.deployment.spec.pod, self)
        about = f"ReplicaSet/{owner.name}"
        self.event(NORMAL, "SuccessfulCreate", about, f"Created pod: {name}")
        said = f"Successfully assigned {NAME}/{name} to {node}"
        self.event(NORMAL, "Scheduled", f"Pod/{name}", said)
        self._group.create_task(self._live(pod, running), name=name)

    async def _live(self, pod: Pod, running: Running) -> None:
        await pod.run()
        del running.pods[pod.name]
        self.changed()

    async def migrate(self, name: str, arguments: Sequence[str], release: str) -> str:
        """Start a Job; one of that name from before is removed first. Return its name."""
        running = self.running
        # Another command may start one of that name meanwhile.
        while name in running.jobs:
            await running.jobs.remove(name)
        if self._running is not running:
            raise InvalidValue("the twin was stopped meanwhile")
        node = emptiest_node(running)
        return running.jobs.start(name, arguments, release=release, node=node).name

    # What pods and Jobs ask for

    def launch(self, pod: Pod) -> Container:
        given = self.running.given
        name = log_name(pod)
        return self._process(given, name, given.of_pod(pod.identity), ["serve"])

    def launch_job(self, job: Job) -> Container:
        given = self.running.given
        return self._process(given, f"{job.pod}.log", given.of_job(job), job.arguments)

    def _process(
        self, given: Given, log: str, variables: Mapping[str, str], told: Sequence[str]
    ) -> Process:
        return Process(
            [*CHIRPS, *told],
            variables,
            given.keep / log,
            nice=given.nice,
            alive=given.alive,
            changed=self.changed,
            lost=lambda why: self._notice("log lost", why),
        )

    async def ask(self, pod: Pod, probe: Probe) -> str | None:
        return await get(probe, pod.container.port if pod.container else None)

    def changed(self) -> None:
        self._changed.set()

    def event(self, kind: str, reason: str, about: str, message: str) -> None:
        self._counts[about, reason, message] += 1
        self.teller.event(kind, reason, about, message, self._counts[about, reason, message])

    def ended(self, pod: Pod) -> None:
        self._notice("ended", f"{pod.name}: exit code {pod.exit_code}: {pod.last_words}")

    def job_ended(self, job: Job) -> None:
        said = job.container.last_words() if job.container else ""
        self._notice("ended", f"{job.pod}: exit code {job.exit_code}: {said}")

    # What is told

    def snapshot(self) -> Snapshot:
        return take(self._running) if self._running else Snapshot()

    def _publish(self, running: Running) -> None:
        """Give the balancer its endpoints, and tell what is new."""
        ready = ready_endpoints(running)
        if ready != running.balanced:
            running.balanced = ready
            running.balancer.set_endpoints(ready)
        self.teller.tell(take(running))


def views(running: Running) -> list[View]:
    """Return the pods as the controllers see them."""
    return [
        View(
            name=pod.name,
            owner=pod.identity.owner,
            created=pod.identity.created,
            node=pod.identity.node,
            ready_since=pod.ready_since,
            restarts=pod.restarts,
            terminating=pod.terminating,
        )
        for pod in running.pods.values()
    ]


def emptiest_node(running: Running) -> str:
    """Return where the fewest pods are, as the spread over host names wants it."""
    pods = running.pods.values()
    found = Counter(pod.identity.node for pod in pods if not pod.terminating)
    return min(NODES, key=lambda node: found[node])


def ready_endpoints(running: Running) -> list[tuple[str, str, int]]:
    return [
        (pod.name, LOOPBACK, pod.port)
        for pod in running.pods.values()
        if pod.ready and not pod.terminating and pod.port is not None
    ]


def take(running: Running) -> Snapshot:
    """Return all there is at this moment as lines."""
    pods, jobs = [*running.pods.values()], running.jobs.all
    told, least = running.deployment, running.deployment.spec.min_ready_s
    return Snapshot(
        pods={pod.identity.uid: lines.pod(pod) for pod in pods}
        | {job.pod_uid: lines.pod_of_job(job) for job in jobs},
        sets={
            each.name: lines.replicaset(each, pods, min_ready_s=least, now=_now())
            for each in told.sets
        },
        deployments={told.name: lines.deployment(told)},
        jobs={job.uid: lines.job(job) for job in jobs},
        endpoints=lines.endpoints(pods),
    )


def log_name(pod: Pod) -> str:
    return f"{pod.name}.{pod.restarts}.log"


def _now() -> float:
    return asyncio.get_running_loop().time()
