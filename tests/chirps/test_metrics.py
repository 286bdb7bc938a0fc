import re

import psycopg

from lab.chirps.metrics import Family, gauge, render
from tests.chirps.service import ask, make_state

SAMPLE = re.compile(r'([a-z_]+)(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)')


def lines_of(text: str) -> list[str]:
    assert text.endswith("\n")
    return text.splitlines()


def test_every_line_is_in_the_text_format_and_every_family_is_declared_once() -> None:
    state = make_state([], psycopg.errors.UndefinedColumn("no"))
    for _ in range(2):
        ask(state, "GET", "/chirps")

    answer = ask(state, "GET", "/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    declared: list[str] = []
    for line in lines_of(answer.body.decode()):
        if line.startswith("# TYPE"):
            declared.append(line.split()[2])
        elif not line.startswith("# HELP"):
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert found[1] == declared[-1]
    assert len(declared) == len(set(declared))


def test_failures_are_counted_by_release_and_sqlstate() -> None:
    state = make_state(psycopg.errors.UndefinedColumn("no"))
    ask(state, "GET", "/chirps")

    text = ask(state, "GET", "/metrics").body.decode()

    labels = 'endpoint="list_chirps",status="500",sqlstate="42703",release="v1b"'
    assert f"chirps_requests_total{{{labels}}} 1" in lines_of(text)


def test_what_is_not_known_has_no_sample() -> None:
    text = ask(make_state(), "GET", "/metrics").body.decode()

    assert not [line for line in lines_of(text) if line.startswith("chirps_schema_version")]


def test_the_pool_is_told() -> None:
    text = ask(make_state(CHIRPS_POOL_SIZE="3"), "GET", "/metrics").body.decode()

    assert "chirps_pool_max 3" in lines_of(text)


def test_a_label_is_escaped() -> None:
    text = render([Family("a", "gauge", "An a.", [({"b": 'x"\\\n'}, 1.5)])])

    assert lines_of(text)[-1] == r'a{b="x\"\\\n"} 1.5'


def test_whole_numbers_have_no_point_and_others_keep_their_digits() -> None:
    text = render([gauge("a", "A.", 1e15), gauge("b", "B.", 0.1 + 0.2), gauge("c", "C.", None)])

    samples = [line for line in lines_of(text) if not line.startswith("#")]
    assert samples == ["a 1000000000000000", "b 0.30000000000000004"]
