"""The page stands alone, is always the same, and shows hostile text as text."""

import base64
import copy
import hashlib
import itertools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lab.report import page, terminal, view
from lab.report.stored import StoredRun, StoredVariant
from tests.report import judged, synthetic
from tests.report.synthetic import CARELESS

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Walk(HTMLParser):
    """Every element in its order; asserts that each is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.contents: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice"
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        self.contents.setdefault(inside, []).append(data)
        if inside not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="session")
def html(shown) -> str:
    return page.render(shown)


@pytest.fixture(scope="session")
def walk(html) -> Walk:
    return Walk(html)


def test_the_same_run_gives_the_same_page_in_another_process(html, run_directory: Path):
    script = (
        "import sys; from pathlib import Path; from lab.report import page, view;"
        "sys.stdout.buffer.write(page.render(view.load(Path(sys.argv[1]))).encode())"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(run_directory)],
        check=True,
        capture_output=True,
        env={"PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        cwd=Path(__file__).parents[2],
    )

    assert found.stdout == html.encode()


def test_nothing_of_the_place_where_it_was_made_is_in_it(html, run_directory: Path):
    assert str(run_directory) not in html
    assert str(Path.home()) not in html or str(Path.home()) == "/"


def test_the_page_asks_nobody_for_anything(walk):
    for tag, attributes in walk.elements:
        assert "src" not in attributes
        assert tag not in ("link", "iframe", "object", "embed", "img", "form", "base", "area")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    for style in walk.contents["style"]:
        assert "@import" not in style
        assert "url(" not in style


def test_links_are_plain_evidence_and_tell_nobody_where_they_were_clicked(walk):
    links = walk.of("a")

    assert [each["href"] for each in links] == ["https://github.com/BerriAI/litellm/issues/6124"]
    assert all("noreferrer" in each["rel"] for each in links)


def test_the_policy_allows_the_pages_own_scripts_and_nothing_else(walk):
    policy = next(
        each["content"]
        for each in walk.of("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    )
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))

    programs = [each for each in walk.contents["script"] if not each.startswith("{")]
    found = {
        base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()
        for each in (*programs, *walk.contents["style"])
    }

    assert found == allowed
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_terminal_and_page_show_the_same_numbers(walk, shown):
    lines = terminal.summary(shown).splitlines()
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("figures")) + 1 :]
    told = [*lines[: len(lines) - len(table)]]
    for variant in shown.variants:
        assert any(variant.headline in line for line in told)
        assert variant.headline in walk.text
        for check in variant.checks:
            assert any(f"{check.predicted}  " in line and check.name in line for line in told)
            assert f"{check.predicted} {check.measured} {check.mark}" in walk.text
        for line in variant.story:
            assert line.text in " ".join(told)
            assert line.text in walk.text
        for figure in variant.figures:
            row = next(line for line in table if line.startswith(figure.label))
            assert figure.value in row
            assert f"{figure.label} {figure.value}" in walk.text


def test_charts_hold_the_numbers_of_the_view(walk, shown):
    drawn = json.loads(next(each for each in walk.contents["script"] if each.startswith("{")))

    for variant, series in zip(shown.variants, drawn["variants"], strict=True):
        assert sum(sum(band["counts"]) for band in series["bands"]) == variant.traffic.requests
        assert [band["counts"] for band in series["bands"]] == [
            list(band.counts) for band in variant.traffic.bands
        ]
        assert series["seconds"] == list(variant.axis.seconds)
        assert series["schema"] == list(variant.database.schema)
    assert drawn["x"] == [-20, 70]


def test_predicted_stands_next_to_measured(walk):
    assert "predicted 767 measured 797 number of failures, fresh" in walk.text


def test_a_reader_that_sees_nothing_finds_its_way(walk):
    levels = [int(tag[1]) for tag, _ in walk.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    tables = len(walk.of("table"))
    assert len(walk.of("caption")) == len(walk.of("thead")) == tables > 0
    assert all(each["scope"] in ("col", "row") for each in walk.of("th"))
    charts = [each for each in walk.of("div") if each.get("role") == "img"]
    assert len(charts) == 14
    assert all(each["aria-label"] for each in charts)
    assert walk.of("html")[0]["lang"] == "en"
    names = [each["id"] for _, each in walk.elements if "id" in each]
    assert len(names) == len(set(names))
    sections = [each for each in walk.of("section") if "aria-label" not in each]
    assert sections
    assert {each["aria-labelledby"] for each in sections} <= set(names)


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% raw %}",
    "\u2028\u2029\u202e\x00\x1b[2J",
    "\ud800",
    "javascript:alert(1)",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    found = page.render(hostile_view(text))

    walk = Walk(found)
    assert found.encode()
    assert len(walk.of("script")) == 4
    assert walk.of("img") == []
    assert walk.of("a") == []
    assert not set(found) & {"\u2028", "\u2029", "\u202e", "\x00", "\x1b", "\ud800"}


def hostile_view(text: str) -> view.View:
    """Put `text` into everything that comes from outside."""
    events = [hostile(each, text) for each in synthetic.history(CARELESS).events[::7]]
    events.append({"kind": "note", "t": synthetic.ns(30), "text": text})
    events.append(
        {
            "kind": "event",
            "t": synthetic.ns(30),
            "type": "Warning",
            "reason": text,
            "object": text,
            "message": text,
            "count": 3,
        }
    )
    guide = {"page": text, "lesson": f"[x]({text})", "evidence": [f"[a]({text})", text]}
    run = dict.fromkeys(("scenario", "title", "question", "stage", "lab", "clock"), text)
    stored = StoredVariant(text, tuple(events), None, ())
    return view.build(StoredRun(text, {**run, **guide}, (stored,), ()))


def hostile(event, text):
    changed = copy.deepcopy(event)
    for name in ("release", "pod", "endpoint", "sqlstate", "outcome", "object", "detail", "step"):
        if name in changed:
            changed[name] = text
    if event["kind"] in ("pod", "fault"):
        changed["name"] = text
    if event["kind"] == "run":
        changed["facts"] = {text: text}
        changed["load"] = {"rate": text}
    return changed


def test_a_link_that_does_not_lead_to_the_web_is_text():
    guide = {"evidence": ["[a](javascript:alert(1)) [b](http://x) [c](https://ok.example/p)"]}
    stored = StoredVariant("careless", (), None, ())

    walk = Walk(page.render(view.build(StoredRun("r", {**guide, "page": "p"}, (stored,), ()))))

    assert [each["href"] for each in walk.of("a")] == ["https://ok.example/p"]


@pytest.mark.parametrize("value", ["</script>", "<!--", "&", "\u2028", "\ud800"])
def test_embedded_json_cannot_end_its_element(value):
    text = page.embed({"a": value})

    assert text.isascii()
    assert not set(text) & set("<>&")
    assert json.loads(text) == {"a": value}


def test_an_invalid_run_is_shown_plainly():
    events = [each for each in synthetic.history(CARELESS).events if each.get("name") != "teardown"]
    verdict = judged.verdict(CARELESS, events)
    stored = StoredVariant("careless", tuple(events), verdict, ("the history ends",))

    walk = Walk(page.render(view.build(StoredRun("r", judged.RUN, (stored,), ()))))

    assert walk.text.count("This run proves nothing") == 1
    assert "this run proves nothing : careless invalid" in walk.text
    assert "the run did not come to its end: no teardown" in walk.text
    assert "the history ends" in walk.text
    assert "careless (not judged)" in walk.text


def test_two_minutes_at_sixty_requests_a_second_stay_below_a_megabyte():
    plan = synthetic.Plan(length_s=120)
    events = synthetic.history(plan).events
    both = tuple(StoredVariant(name, tuple(events), None, ()) for name in ("careless", "careful"))

    found = page.render(view.build(StoredRun("r", judged.RUN, both, ())))

    assert len(found.encode()) < 1_000_000
    assert "r-17" not in found  # the id of a single request


def test_ten_thousand_warnings_do_not_make_ten_thousand_rows():
    warning = {"kind": "event", "type": "Warning", "reason": "BackOff", "object": "Pod/a"}
    events = tuple({**warning, "t": n} for n in range(10_000))
    stored = StoredVariant("careless", events, None, ())

    found = page.render(view.build(StoredRun("r", {}, (stored,), ())))

    assert found.count("BackOff") == 300
    assert "9 700 more rows are not shown" in found
