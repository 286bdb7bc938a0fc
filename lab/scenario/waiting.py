"""What do pods that are not ready wait for, in the words of the kubelet?"""

from lab.scenario.events import Event
from lab.scenario.history import History


def reasons(history: History) -> tuple[str, ...]:
    """Return a sentence for each reason that pods give now, such as a missing image."""
    latest: dict[str, Event] = {event["name"]: event for event in history.of("pod")}
    waiting: dict[tuple[str, str], list[str]] = {}
    for name, pod in sorted(latest.items()):
        if pod["type"] != "DELETED" and not pod["ready"] and pod.get("reason"):
            waiting.setdefault((pod["release"] or "", pod["reason"]), []).append(name)
    return tuple(
        f"{len(names)} of {release or 'no release'} with {reason} ({names[0]})"
        for (release, reason), names in waiting.items()
    )
