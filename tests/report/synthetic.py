"""A rename half-way through a rolling update, made up: histories as an observer would write them.

Four pods of v1, replaced one by one (surge 1, unavailable 0); the migration commits before the
first new pod is Ready. Careless: v1 answers what reads or writes `body` with 500 and 42703 from
then on. Everything follows from the seed, so tests count again what the report says.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.scenario.load import CHIRP_ENDPOINTS, Load
from lab.scenario.validity import PHASES

Event = dict[str, Any]

SECOND = 1_000_000_000
START = 7_000 * SECOND
STOPS_IN_S = 6.0
WATCHED = (
    "pods",
    "replicasets",
    "deployments",
    "endpointslices",
    "events",
    "nodes",
    "jobs",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One variant; seconds count from the start of the load."""

    variant: str = "careless"
    seed: int = 1
    rate: int = 60
    length_s: float = 90.0
    migrate_s: float = 20.0
    commit_s: float = 21.4
    image_s: float = 22.0
    ready_s: tuple[float, ...] = (26.3, 35.6, 44.8, 54.1)
    min_ready_s: float = 5.0
    old: str = "v1"
    new: str = "v2-naive"
    pod_suffix: str = ""
    broken: bool = True

    @property
    def gone_s(self) -> tuple[float, ...]:
        return tuple(each + self.min_ready_s for each in self.ready_s)


CARELESS = Plan()
CAREFUL = Plan(variant="careful", new="v2", broken=False, commit_s=21.2)


@dataclass(slots=True)
class History:
    """Events of one run, in the order of their time."""

    plan: Plan
    events: list[Event] = field(default_factory=list)

    def add(self, second: float, kind: str, **fields: Any) -> None:
        self.events.append({"kind": kind, "t": ns(second), **fields})

    def of(self, kind: str) -> list[Event]:
        return [each for each in self.events if each["kind"] == kind]


def ns(second: float) -> int:
    return START + round(second * SECOND)


def history(plan: Plan) -> History:
    made = History(plan)
    chance = random.Random(plan.seed)
    _engine(made)
    _rollout(made)
    _requests(made, chance)
    _sessions(made, chance)
    _samples(made, chance)
    _audit(made)
    _streams(made)
    made.events.sort(key=lambda each: each["t"])
    return made


def pods_ready(plan: Plan, second: float) -> list[tuple[str, str]]:
    """Return (release, pod) of what serves at `second`."""
    old = [(plan.old, name(plan, plan.old, i)) for i in range(4) if second < plan.gone_s[i]]
    new = [(plan.new, name(plan, plan.new, i)) for i in range(4) if second >= plan.ready_s[i]]
    return old + new


def name(plan: Plan, release: str, index: int) -> str:
    return f"chirps-{release}-{index}{plan.pod_suffix}"


def _engine(made: History) -> None:
    plan = made.plan
    made.add(
        -1.0,
        "run",
        scenario="half-migrated-rename",
        variant=plan.variant,
        stage="sandbox",
        distribution="kubeadm",
        version="v1.36.1",
        clock="honest",
        seed=plan.seed,
        load=Load(rate=plan.rate, seed=plan.seed).to_json(),
        facts={"replicas": 4, "max_surge": 1, "max_unavailable": 0, "min_ready_s": 5},
    )
    end = plan.length_s
    for second, phase in zip(
        (-0.9, 0.0, plan.migrate_s - 0.1, end - 12, end - 11, end, end + 3), PHASES, strict=True
    ):
        made.add(second, "phase", name=phase)
    _step(made, "migrate", waiting=plan.migrate_s - 0.1, due=plan.migrate_s)
    made.add(
        plan.migrate_s, "fault", name="migrate", step="migrate", what="requested", detail="to 6"
    )
    made.add(plan.commit_s + 0.3, "fault", name="migrate", what="observed", detail="schema 6")
    _step(made, "roll out", waiting=plan.commit_s + 0.3, due=plan.image_s)
    made.add(
        plan.image_s, "fault", name="set-image", step="roll out", what="requested", detail=plan.new
    )
    made.add(plan.image_s + 0.5, "fault", name="set-image", what="observed", detail="")
    _step(made, "complete", waiting=plan.image_s + 0.5, due=plan.gone_s[-1])


def _step(made: History, name: str, *, waiting: float, due: float) -> None:
    made.add(waiting, "step", name=name, what="waiting", detail="")
    made.add(due, "step", name=name, what="due", detail="")


def _rollout(made: History) -> None:
    plan = made.plan
    made.add(
        plan.commit_s, "schema", bound=2_000_000, version=6, floor=5, seen=ns(plan.commit_s + 0.2)
    )
    for resource in WATCHED:
        made.add(-0.6, "watch", resource=resource, what="listed", detail="1 at 1")
    for index in range(4):
        _pod(made, -0.5, "LISTED", plan.old, index, ready=True)
        _pod(made, plan.ready_s[index] - 3.5, "ADDED", plan.new, index, ready=False)
        _pod(made, plan.ready_s[index], "MODIFIED", plan.new, index, ready=True)
        _pod(made, plan.gone_s[index], "MODIFIED", plan.old, index, ready=True, terminating=True)
        _pod(made, plan.gone_s[index] + STOPS_IN_S, "DELETED", plan.old, index, ready=False)
    made.add(
        plan.ready_s[0] - 3.4,
        "event",
        type="Normal",
        reason="Scheduled",
        object=f"Pod/{name(plan, plan.new, 0)}",
        message="Successfully assigned",
        count=1,
    )
    ended = [each + STOPS_IN_S for each in plan.gone_s]
    for second in (-0.5, *plan.ready_s, *plan.gone_s, *ended):
        ready = [_endpoint(pod, ready=True) for _, pod in pods_ready(plan, second)]
        stopping = [
            _endpoint(name(plan, plan.old, index), ready=False)
            for index, gone in enumerate(plan.gone_s)
            if gone <= second < gone + STOPS_IN_S
        ]
        made.add(second, "endpoints", service="chirps", endpoints=ready + stopping)


def _endpoint(pod: str, *, ready: bool) -> Event:
    """A pod that stops is no longer ready and still serves the connections it has."""
    where = {"pod": pod, "address": "10.0.0.1", "node": "n3"}
    return {**where, "ready": ready, "serving": True, "terminating": not ready}


def _pod(
    made: History,
    second: float,
    kind: str,
    release: str,
    index: int,
    *,
    ready: bool,
    terminating: bool = False,
) -> None:
    made.add(
        second,
        "pod",
        type=kind,
        name=name(made.plan, release, index),
        uid=f"{release}-{index}",
        app="chirps",
        release=release,
        node=f"n{3 + index}",
        phase="Running" if ready else "Pending",
        ready=ready,
        terminating=terminating,
        restarts=0,
        reason=None,
    )


def _requests(made: History, chance: random.Random) -> None:
    plan = made.plan
    mix = Load().mix
    names, weights = tuple(mix), tuple(mix.values())
    for seq in range(int(plan.length_s * plan.rate)):
        second = seq / plan.rate
        endpoint = chance.choices(names, weights)[0]
        release, pod = chance.choice(pods_ready(plan, second))
        fails = (
            plan.broken
            and release == plan.old
            and second >= plan.commit_s
            and endpoint in CHIRP_ENDPOINTS
        )
        took = chance.lognormvariate(-5.3, 0.35)
        chirp = 300_000 + seq if endpoint == "create_chirp" and not fails else None
        made.add(
            second,
            "request",
            seq=seq,
            stream="keepalive" if seq % 4 == 0 else "fresh",
            endpoint=endpoint,
            sent=ns(second + 0.0003),
            connected=ns(second + 0.0009),
            first=ns(second + took * 0.9),
            done=ns(second + took),
            outcome="http_5xx" if fails else "ok",
            status=500 if fails else 201 if endpoint.startswith("create") else 200,
            sqlstate="42703" if fails else None,
            release=release,
            pod=pod,
            node="n3",
            schema=6 if second >= plan.commit_s else 5,
            draining=False,
            id=f"r-{seq}",
            conn=seq,
            reused=seq % 4 == 0,
            **({"ref": f"ref-{seq}", "chirp": chirp} if endpoint == "create_chirp" else {}),
        )


def _sessions(made: History, chance: random.Random) -> None:
    plan = made.plan
    for seq in range(int(plan.length_s * 2)):
        second = seq / 2
        steps = []
        for endpoint in ("page", "list_chirps", "create_chirp", "get_chirp"):
            release, pod = chance.choice(pods_ready(plan, second))
            bad = (
                plan.broken
                and release == plan.old
                and second >= plan.commit_s
                and endpoint in CHIRP_ENDPOINTS
            )
            steps.append(
                {
                    "endpoint": endpoint,
                    "status": 500 if bad else 200,
                    "outcome": "http_5xx" if bad else "ok",
                    "release": release,
                    "pod": pod,
                    "sqlstate": "42703" if bad else None,
                }
            )
            if bad:
                break
        posts = [each for each in steps if each["endpoint"] == "create_chirp"]
        acked = bool(posts) and posts[0]["outcome"] == "ok"
        failed = steps[-1]["endpoint"] if steps[-1]["outcome"] != "ok" else None
        made.add(
            second,
            "session",
            seq=seq,
            done=ns(second + 0.05),
            ok=failed is None,
            steps=steps,
            failed_step=failed,
            pair=[steps[0]["release"], steps[1]["release"]],
            ref=f"session-{seq}" if posts else None,
            chirp=900_000 + seq if acked else None,
        )


def _samples(made: History, chance: random.Random) -> None:
    plan = made.plan
    for second in range(int(plan.length_s)):
        planned = (second + 1) * plan.rate
        made.add(
            second + 0.99,
            "health",
            lag_p99_ms=round(chance.uniform(0.4, 3.0), 3),
            lag_max_ms=round(chance.uniform(3.0, 9.0), 3),
            cpu=0.11,
            in_flight=1,
            planned=planned,
            sent=planned,
            done=planned - 1,
            cap_reached=False,
        )
        for stream in ("watch", "database"):
            made.add(second + 0.99, "tick", stream=stream, lag_max_ms=2.0)
        for half in (0.1, 0.6):
            now = second + half
            blocked = 3 if plan.commit_s - 0.4 < now < plan.commit_s + 0.1 else 0
            made.add(
                now,
                "db",
                sent=ns(now - 0.002),
                schema=6 if now >= plan.commit_s else 5,
                floor=5,
                connections=8 * len(pods_ready(plan, now)) // 2,
                sessions=[{"application": "chirps/v1/x", "state": "idle", "count": 4}],
                blocked=blocked,
                longest_wait_s=0.03 if blocked else 0,
                blockers=[],
                invalid_indexes=[],
            )


def _audit(made: History) -> None:
    sent = [*made.of("request"), *made.of("session")]
    acked = [each for each in sent if each.get("chirp")]
    for each in acked:
        made.add(
            made.plan.length_s + 1,
            "audit",
            ref=each["ref"],
            chirp=each["chirp"],
            acked=True,
            stored=1,
            readable=True,
            release=made.plan.new,
            matches=True,
        )
    made.add(
        made.plan.length_s + 2,
        "audit_done",
        acked=len(acked),
        stored=len(acked),
        lost=0,
        ambiguous=0,
        duplicated=0,
        unreadable=0,
        unread=0,
    )


def _streams(made: History) -> None:
    """Put everything that an observer wrote into one stream."""
    count = sum(1 for each in made.events if each["kind"] not in ("run", "phase", "step", "fault"))
    made.add(-0.8, "stream", stream="all", run="r", instance="i")
    made.add(made.plan.length_s + 2.5, "closed", stream="all", lines=count + 2)


def lines(events: list[Event]) -> Iterator[str]:
    for each in events:
        yield json.dumps(each, separators=(",", ":")) + "\n"


def write_history(directory: Path, made: History) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "history.jsonl"
    path.write_text("".join(lines(made.events)))
    return path
