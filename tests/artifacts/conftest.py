"""Recipes that build in milliseconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from lab.artifacts.recipe import Workshop


@dataclass(frozen=True, slots=True)
class TextRecipe:
    """Writes its input into a program, and what it was built from beside it."""

    name: str
    text: str = "text"
    needs: tuple[str, ...] = ()
    owned_by_root: bool = False
    before: Callable[[Workshop], None] = field(default=lambda _: None, compare=False)

    def inputs(self) -> Mapping[str, str]:
        return {"text": self.text}

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        self.before(workshop)
        program = workshop.tree / "usr/local/bin" / self.name
        program.parent.mkdir(parents=True)
        program.write_text(self.text)
        program.chmod(0o755)
        (program.parent / f"{self.name}-link").symlink_to(self.name)
        return {"needs": " ".join(workshop.needs)}


@pytest.fixture
def recipe() -> type[TextRecipe]:
    return TextRecipe
