"""Loading scenarios: all mistakes at once, and near matches for a wrong name."""

import shutil
from pathlib import Path

import pytest

from lab import content
from lab.errors import Interrupted, NoSuchScenario, ScenarioInvalid
from lab.scenario import guide, loader

NAME = "half-migrated-rename"
GUIDE = """# T
## Page
p
## Hints
1. a
2. b
   goes on
3. c
## Lesson
l
## Safe
- s
## Unsafe
- u
## Evidence
- [x](https://example.org/x): y
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(content.folder("scenarios") / NAME, tmp_path / NAME)
    return tmp_path


def spoil(folder: Path, *changes: tuple[str, str]) -> tuple[str, ...]:
    """Change the scenario's text and return the mistakes that are told."""
    path = folder / NAME / "scenario.py"
    text = path.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    with pytest.raises(ScenarioInvalid) as failure:
        loader.load(folder, NAME)
    return failure.value.mistakes


def test_a_scenario_is_loaded_with_its_guide(folder: Path):
    loaded = loader.load(folder, NAME)

    assert loaded.scenario.name == NAME
    assert loaded.guide.title


def test_an_unknown_name_gets_near_matches(folder: Path):
    with pytest.raises(NoSuchScenario) as failure:
        loader.load(folder, "half-migrated-renames")

    assert failure.value.hint == f"did you mean {NAME}?"


def test_a_name_that_is_like_none_gets_the_list(folder: Path):
    with pytest.raises(NoSuchScenario) as failure:
        loader.load(folder, "zzz")

    assert failure.value.hint == f"there are {NAME}"


def test_a_folder_that_is_empty_or_not_there_has_no_scenarios(tmp_path: Path):
    assert loader.names(tmp_path / "none") == ()
    with pytest.raises(NoSuchScenario):
        loader.load(tmp_path, "../etc")


def test_all_mistakes_are_told_at_once(folder: Path):
    (folder / NAME / "guide.md").write_text(GUIDE.replace("## Lesson\nl\n", ""))

    found = spoil(
        folder,
        ('name="half-migrated-rename"', 'name="other"'),
        ("rate=60", "rate=0"),
        ('seconds_after("expand", 2)', 'seconds_after("expnd", 2)'),
    )

    assert found == (
        "it is named 'other' in a folder 'half-migrated-rename'",
        "load: rate is 0, it must be more than 0",
        "careful: step 'roll out' waits for 'expnd', which is no earlier step",
        "guide.md has no section 'Lesson'",
    )


@pytest.mark.parametrize(
    ("before", "after", "mistake"),
    [
        ('question="What if', 'question="" and "', "it has no question"),
        ("baseline_s=10", "baseline_s=-1", "baseline_s is -1"),
        ("baseline_s=10", "baseline_s='10'", "another type than it must have"),
        ('name="control"', 'name="careless"', "two variants are named 'careless'"),
        ("careless=careless", "careless=careful", "careless variant has the role 'careful'"),
        ("careful=careful", "careful=careless", "careful variant has the role 'careless'"),
        ("proofs=(control, careful_without_expand)", "proofs=()", "has no proof"),
        ("    predicted=Outcome.NOT_REPRODUCED,\n", "", "does not say what it is predicted"),
        ("seed=1", "keepalive_share=2", "keepalive_share is 2"),
        ("seed=1", "keepalive_connections=0", "keepalive_connections is 0"),
        ("seed=1", "sessions_per_s=-1", "sessions_per_s is -1"),
        ("seed=1", "arrival='often'", "arrival is 'often'"),
        ("seed=1", "mix={'page': 0}", "weights of the mix"),
        ("seed=1", "total_timeout_s=0", "total_timeout_s is 0"),
        ('Step("expand"', 'Step("verify"', "no step can be named 'verify'"),
        ('Step("old pods gone", gone("v1"))', 'Step("rolled out", gone("v1"))', "two steps"),
        ('to=7, release="v2"', 'to=6, release="v2"', "two steps inject 'migrate rename-careful"),
        ("observed_within_s=120", "observed_within_s=0", "no time to be observed"),
        ('rolled_out("v2")', 'rolled_out("v2", within_s=0)', "waits without a bound"),
        ('SetImage("v2")', '"v2"', "injects 'v2', which lacks name"),
        ("checks=(nobody_notices,)", "checks=()", "it checks nothing"),
        ("        nobody_notices,\n", "        nobody_notices, nobody_notices,\n", "two checks"),
        ("(every_chirp_has_content,)", "(every_chirp_has_content,) * 2", "two invariants"),
    ],
)
def test_a_mistake_is_told_with_its_value(folder: Path, before: str, after: str, mistake: str):
    assert any(mistake in each for each in spoil(folder, (before, after)))


def test_an_empty_timeline_is_a_mistake(folder: Path):
    rename = 'timeline=rename_then_roll_out("rename-control", "v1b")'

    assert "control: its timeline is empty" in spoil(folder, (rename, "timeline=()"))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("scenario = (\n", "scenario.py line 1: '(' was never closed"),
        ("\n\nimport nowhere_at_all", "scenario.py line 3: ModuleNotFoundError"),
        ("1 / 0", "scenario.py line 1: ZeroDivisionError: division by zero"),
        ("x = 1", "sets no `scenario` of type Scenario (found None)"),
        ("scenario = 1", "(found 1)"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_with_its_line(folder: Path, text: str, mistake: str):
    (folder / NAME / "scenario.py").write_text(text)

    with pytest.raises(ScenarioInvalid) as failure:
        loader.load(folder, NAME)

    assert len(failure.value.mistakes) == 1
    assert mistake in failure.value.mistakes[0]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_guide_that_cannot_be_read_is_told(folder: Path, content: bytes | None):
    path = folder / NAME / "guide.md"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ScenarioInvalid, match=r"guide\.md cannot be read"):
        loader.load(folder, NAME)


def test_a_guide_is_read_into_its_parts():
    parsed, wrong = guide.parse(GUIDE)

    assert not wrong
    assert parsed == guide.Guide(
        "T", "p", ("a", "b goes on", "c"), "l", ("s",), ("u",), ("[x](https://example.org/x): y",)
    )


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ("# T\n", "", "has no title"),
        ("## Page\np\n", "", "no section 'Page'"),
        ("## Page\np\n", "## Page\n", "section 'Page' of guide.md is empty"),
        ("3. c\n", "", "has 2 hints, it must have 3"),
        ("- s\n", "s\n", "section 'Safe' of guide.md is no list"),
        ("(https://example.org/x)", "", "evidence without a link"),
        ("## Lesson", "## Leson", "a section 'Leson' that nobody reads"),
    ],
)
def test_what_is_missing_in_a_guide_is_told(before: str, after: str, wrong: str):
    assert any(wrong in each for each in guide.parse(GUIDE.replace(before, after))[1])


def test_a_file_that_exits_is_a_mistake_and_no_verdict(folder: Path):
    path = folder / NAME / "scenario.py"
    path.write_text(path.read_text() + "\nraise SystemExit(0)\n")

    with pytest.raises(ScenarioInvalid, match="SystemExit: 0"):
        loader.load(folder, NAME)


def test_an_interruption_while_a_file_is_read_is_passed_on(folder: Path):
    path = folder / NAME / "scenario.py"
    path.write_text("from lab.errors import Interrupted\nraise Interrupted('interrupted')\n")

    with pytest.raises(Interrupted):
        loader.load(folder, NAME)
