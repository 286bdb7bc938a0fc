"""What can a world be told, and what does it answer? The commands of `lab.twin`, one a function."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lab.errors import InvalidValue, ServiceNotReady
from lab.twin.deployment import Deployment
from lab.twin.environment import read_given, variables
from lab.twin.jobs import arguments, job_name
from lab.twin.pods import Pod
from lab.twin.spec import Probe, Template, Variables, read_spec
from lab.twin.world import World, log_name

Told = Mapping[str, Any]
Answer = dict[str, Any]
Command = Callable[[World, Told], Awaitable[Answer]]

LOOPBACK = "127.0.0.1"
LOOK_EVERY_S = 0.05
READY_WITHIN_S = 120.0


async def start(world: World, told: Told) -> Answer:
    template = Template(_text(told, "release"), _policies(told) or ())
    given, host = read_given(told), str(told.get("host") or LOOPBACK)
    spec = read_spec(given.profile, template)
    port = await world.start(given, spec, host=host, port=_number(told, "port", 0))
    return {"target": f"http://{host}:{port}"}


async def wait_ready(world: World, told: Told) -> Answer:
    """Raises ServiceNotReady with what is missing, and why, when the bound is over."""
    within_s = _seconds(told, "within_s", READY_WITHIN_S)
    deadline = asyncio.get_running_loop().time() + within_s
    while missing := missing_of(world):
        if asyncio.get_running_loop().time() > deadline:
            raise ServiceNotReady(f"the twin did not become ready within {within_s:g} s: {missing}")
        await asyncio.sleep(LOOK_EVERY_S)
    return {}


def missing_of(world: World) -> str:
    """Return what keeps a rollout from being complete and alone, empty when nothing does."""
    found, pods = world.running.deployment, [*world.running.pods.values()]
    newest = found.newest.name if found.newest else ""
    others = [pod for pod in pods if pod.terminating or pod.identity.owner != newest]
    unready = [pod for pod in pods if pod not in others and not pod.ready]
    if found.is_complete and not others and not unready:
        return ""
    ready = sum(pod.ready for pod in pods if pod not in others)
    said = [f"{ready} of {found.spec.replicas} pods of {found.spec.template.release} are Ready"]
    if others:
        said.append(f"{len(others)} others are left")
    return "; ".join([*said, *map(_plight, unready)])


def _plight(pod: Pod) -> str:
    """Say how a pod is that is not ready."""
    if pod.exit_code is None:
        return f"{pod.name} is not ready"
    last = f": {pod.last_words}" if pod.last_words else ""
    return f"{pod.name} ({pod.reason}) ended with exit code {pod.exit_code}{last}"


async def set_image(world: World, told: Told) -> Answer:
    release, policies = _text(told, "release"), _policies(told)
    return _tell(world, lambda found: found.set_image(release, policies))


async def scale(world: World, told: Told) -> Answer:
    replicas = _number(told, "replicas", None)
    return _tell(world, lambda found: found.scale(replicas))


async def set_strategy(world: World, told: Told) -> Answer:
    return _tell(world, lambda found: found.set_strategy(told))


async def pause(world: World, _told: Told) -> Answer:
    return _tell(world, Deployment.pause)


async def resume(world: World, _told: Told) -> Answer:
    return _tell(world, Deployment.resume)


async def undo(world: World, _told: Told) -> Answer:
    answer = _tell(world, Deployment.undo)
    return {**answer, "release": world.running.deployment.spec.template.release}


def _tell(world: World, change: Callable[[Deployment], Deployment]) -> Answer:
    world.tell(change(world.running.deployment))
    return {"generation": world.running.deployment.generation}


async def migrate(world: World, told: Told) -> Answer:
    to = None if told.get("to") is None else _number(told, "to", None)
    track, options = _text(told, "track"), _texts(told, "options")
    name = str(told.get("job") or job_name(track, to))
    given = arguments(track, to, options)
    return {"job": await world.migrate(name, given, _text(told, "release"))}


async def clear_migration(world: World, _told: Told) -> Answer:
    await world.running.jobs.remove()
    return {}


async def signal_pod(world: World, told: Told) -> Answer:
    pod, name = _pod(world, told), _text(told, "signal")
    if name not in signal.Signals.__members__:
        raise InvalidValue(f"signal is {name!r}: it must be a name such as 'SIGSTOP'")
    if pod.container is None:
        raise InvalidValue(f"pod {pod.name} has no container that runs ({pod.reason})")
    pod.container.signal(signal.Signals[name])
    return {}


async def delete_pod(world: World, told: Told) -> Answer:
    grace_s = None if told.get("grace_s") is None else _seconds(told, "grace_s", 0)
    _pod(world, told).delete(grace_s)
    return {}


async def watch(world: World, told: Told) -> Answer:
    run, instance = _text(told, "run"), _text(told, "instance")
    world.teller.open(world.snapshot(), run=run, instance=instance)
    return {}


async def unwatch(world: World, _told: Told) -> Answer:
    # What has happened by now is part of the stream.
    world.settle()
    world.teller.close()
    return {}


async def facts(world: World, _told: Told) -> Answer:
    running = world.running
    spec, balancer = running.deployment.spec, running.balancer
    newest = running.deployment.newest
    return {
        "release": spec.template.release,
        "target": f"http://{balancer.host}:{balancer.port}",
        "replicas": spec.replicas,
        "max_surge": spec.max_surge,
        "max_unavailable": spec.max_unavailable,
        "min_ready_s": spec.min_ready_s,
        "progress_deadline_s": spec.progress_deadline_s,
        "grace_s": spec.pod.grace_s,
        "pre_stop_s": spec.pod.pre_stop_s,
        "readiness_probe": _probe(spec.pod.readiness),
        "paused": spec.paused,
        "revision": newest.revision if newest else None,
    }


def _probe(told: Probe | None) -> dict[str, float]:
    """Return seconds and a count under the names of a profile; empty where nothing is probed."""
    if told is None:
        return {}
    return {
        "period_seconds": told.period_s,
        "timeout_seconds": told.timeout_s,
        "failure_threshold": told.failures,
    }


async def pods(world: World, _told: Told) -> Answer:
    keep = world.running.given.keep
    found = [
        {
            "name": pod.name,
            "release": pod.identity.release,
            "node": pod.identity.node,
            "phase": pod.phase,
            "ready": pod.ready,
            "terminating": pod.terminating,
            "restarts": pod.restarts,
            "reason": pod.reason,
            "exit_code": pod.exit_code,
            "pid": pod.container.pid if pod.container else None,
            "port": pod.port,
            "log": str(keep / log_name(pod)),
        }
        for pod in world.running.pods.values()
    ]
    return {"pods": found}


async def stop(world: World, _told: Told) -> Answer:
    await world.stop()
    return {}


COMMANDS: Mapping[str, Command] = {
    command.__name__: command
    for command in (
        start, wait_ready, set_image, scale, set_strategy, pause, resume, undo, migrate,
        clear_migration, signal_pod, delete_pod, watch, unwatch, facts, pods, stop,
    )
}  # fmt: skip
SLOW = frozenset({"wait_ready", "migrate", "clear_migration", "stop"})
"""Those during which other commands are taken."""


def _pod(world: World, told: Told) -> Pod:
    name, found = _text(told, "pod"), world.running.pods
    if name not in found:
        raise InvalidValue(f"there is no pod {name!r} (there are {', '.join(found) or 'none'})")
    return found[name]


def _policies(told: Told) -> Variables | None:
    """Return the variables of a template in one order, None when nothing is said of them."""
    if told.get("variables") is None:
        return None
    return tuple(sorted(variables(told, "variables").items()))


def _text(told: Told, name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidValue(f"{name} is {value!r}: it must be a text")
    return value


def _texts(told: Told, name: str) -> tuple[str, ...]:
    value = told.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidValue(f"{name} is {value!r}: it must be a list of texts")
    return tuple(value)


def _number(told: Told, name: str, default: int | None) -> int:
    value = told.get(name, default)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    raise InvalidValue(f"{name} is {value!r}: it must be a whole number")


def _seconds(told: Told, name: str, default: float) -> float:
    value = told.get(name, default)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return value
    raise InvalidValue(f"{name} is {value!r}: it must be seconds")
