"""Say what a scenario asks, does and predicts, before anybody plays it."""

import textwrap
from collections.abc import Iterator
from typing import Any

from lab.scenario.loader import Loaded
from lab.scenario.model import Step, Variant

WIDTH = 96


def to_json(loaded: Loaded) -> dict[str, Any]:
    scenario, guide = loaded.scenario, loaded.guide
    return {
        "name": scenario.name,
        "title": scenario.title,
        "question": scenario.question,
        "page": guide.page,
        "baseline_s": scenario.baseline_s,
        "load": scenario.load.to_json(),
        "variants": [
            {
                "name": variant.name,
                "predicted": variant.expected.value,
                "steps": [{"name": step.name, "does": _does(step)} for step in variant.timeline],
                "checks": [check.name for check in (*variant.checks, *variant.because)],
                "invariants": [each.name for each in variant.invariants],
            }
            for variant in scenario.variants
        ],
        "evidence": list(guide.evidence),
    }


def to_text(loaded: Loaded) -> str:
    return "\n".join(_lines(loaded))


def _lines(loaded: Loaded) -> Iterator[str]:
    scenario, guide = loaded.scenario, loaded.guide
    yield from (scenario.title, "", scenario.question, "")
    yield "The page that the person on call gets:"
    yield from _wrapped(guide.page)
    yield ""
    yield (
        f"Traffic: {scenario.load.rate:g} requests/s, watched for {scenario.baseline_s:g} s before "
        "anything is done."
    )
    for variant in scenario.variants:
        yield ""
        yield f"{variant.name}: predicted to be {variant.expected.value}"
        yield from _variant(variant)
    yield ""
    yield f"Play it: sudo lab scenario run {scenario.name}"


def _variant(variant: Variant) -> Iterator[str]:
    for number, step in enumerate(variant.timeline, start=1):
        yield from _wrapped(f"{number}. {_does(step)}, when {step.when.sentence}")
    names = [check.name for check in (*variant.checks, *variant.because)]
    yield from _wrapped(f"judged by: {', '.join(names)}")


def _does(step: Step) -> str:
    return step.fault.describe() if step.fault else f"wait ({step.name})"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
