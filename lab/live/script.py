"""What is said in a demonstration, and when: scenes, the room's questions, the trainer's notes.

Careless, then careful, and each in the same order: predict, watch, compare. Everything said comes
from the scenario and its guide, so every scenario can be demonstrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lab.report import prose
from lab.report.clean import clean
from lab.report.guesses import QUESTIONS, Guess, table
from lab.report.telling import plain
from lab.report.view import VariantView
from lab.scenario.loader import Loaded
from lab.scenario.model import Variant


class Kind(StrEnum):
    SITUATION = "situation"
    PREDICT = "predict"
    PLAY = "play"
    RESULT = "result"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Scene:
    kind: Kind
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind.value} {self.variant}".strip()


def scenes(variants: Sequence[str]) -> tuple[Scene, ...]:
    each = (Kind.PREDICT, Kind.PLAY, Kind.RESULT)
    played = [Scene(kind, variant) for variant in variants for kind in each]
    last = [Scene(Kind.BOTH)] if len(variants) > 1 else []
    return (Scene(Kind.SITUATION), *played, *last)


def audience(
    scene: Scene,
    loaded: Loaded,
    views: Sequence[VariantView],
    guesses: dict[str, Guess],
    held: str,
) -> dict[str, Any] | None:
    """Return what the room reads above the charts, None where the charts are enough."""
    guess = guesses.get(scene.variant, {})
    match scene.kind:
        case Kind.SITUATION:
            page = [_line(each) for each in loaded.guide.page.split("\n\n")]
            return {"title": loaded.scenario.question, "text": page}
        case Kind.PREDICT:
            return {
                "title": f"{scene.variant}: what is going to happen?",
                "text": _doing(_variant(loaded, scene.variant)),
                "asks": [each.text for each in QUESTIONS],
                "table": [row[:2] for row in table(guess, {})] if guess else [],
            }
        case Kind.PLAY if held:
            return {"title": f"Next: {held}", "text": _does(loaded, scene.variant, held)}
        case Kind.PLAY:
            return None
        case Kind.RESULT:
            return _result(scene.variant, views, guess)
        case Kind.BOTH:
            return {"title": "Careless and careful", "text": [], "table": _both(views)}


def _line(text: str) -> str:
    """Return a paragraph of a guide as one line."""
    return " ".join(plain(each) for each in prose.paragraphs(text))


def _variant(loaded: Loaded, name: str) -> Variant:
    return next(each for each in loaded.scenario.variants if each.name == name)


def _doing(variant: Variant) -> list[str]:
    done = [step.fault.describe() for step in variant.timeline if step.fault]
    return [f"{number}. {clean(each)}" for number, each in enumerate(done, 1)]


def _does(loaded: Loaded, variant: str, step: str) -> list[str]:
    steps = _variant(loaded, variant).timeline
    return [clean(s.fault.describe()) for s in steps if s.name == step and s.fault]


def _result(variant: str, views: Sequence[VariantView], guess: Guess) -> dict[str, Any] | None:
    view = next((each for each in views if each.name == variant), None)
    if view is None:
        return None
    found = table(guess, view.answers)
    return {"title": f"{variant}: {view.outcome}", "text": [view.headline], "table": found}


def _both(views: Sequence[VariantView]) -> list[list[str]]:
    answers = [table({}, each.answers) for each in views]
    rows = [["question", *(each.name for each in views)]]
    rows.append(["outcome", *(each.outcome for each in views)])
    for place, question in enumerate(QUESTIONS, 1):
        rows.append([question.text, *(told[place][2] for told in answers)])
    return rows


def notes(scene: Scene, loaded: Loaded) -> list[str]:
    """Return what only the trainer reads."""
    return [_line(each) for each in _notes(scene, loaded) if each.strip()]


def _notes(scene: Scene, loaded: Loaded) -> list[str]:
    guide = loaded.guide
    lesson = guide.lesson.split("\n\n")
    match scene.kind:
        case Kind.SITUATION:
            return ["Read the page aloud. At 3am there is nothing else to know.", *guide.evidence]
        case Kind.PREDICT:
            checks = _variant(loaded, scene.variant).checks
            told = [f"It is predicted: {each.name}." for each in checks]
            return ["Let the room answer aloud, and write it down. Traffic runs already.", *told]
        case Kind.PLAY:
            asks = [f"Ask: {each}" for each in guide.hints]
            safe = [f"Safe meanwhile: {each}" for each in guide.safe]
            return [*asks, *safe, *(f"Makes it worse: {each}" for each in guide.unsafe)]
        case Kind.RESULT:
            return ["What would have told the person on call, and how late?", *lesson]
        case Kind.BOTH:
            card = loaded.scenario.card
            return [*lesson, *(f"Owed: {each}" for each in (card.owed if card else ()))]
