"""Variables in a line: what goose's own rules make of it."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.goose.envsub import DEEPEST, substitute

ENVIRON = {"A": "hello", "EMPTY": "", "\u00c4_1": "umlaut"}


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("$A, ${A}.", "hello, hello."),
        ("<$NONE>", "<>"),
        ("${NONE:-x ${A} y}", "x hello y"),
        ("${EMPTY:-x}${EMPTY-y}${NONE-z}", "xz"),
        ("${A?never}", "hello"),
        ("${A:1:3} ${A:3} ${A: -2} ${A:0:-1}", "ell lo lo hell"),
        ("${A:9}${A:1:-9}${A:-9:2}", "hello"),
        ("$$ \\$A \\\\ $(A) $", "$ $A \\\\ $(A) $"),
        ("a } b \\x", "a } b \\x"),
        ("${\u00c4_1} $\u00c4_1!", "umlaut umlaut!"),
        ("", ""),
    ],
)
def test_variables_are_put_in(line: str, result: str) -> None:
    assert substitute(line, ENVIRON) == result


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("${NONE?}", "$NONE: not set"),
        ("${NONE?ask ${A}}", "$NONE: ask hello"),
        ("$1", "expected a variable at '1'"),
        ("${A", "expected ':' at ''"),
        ("${A:-x", "expected '}' at ''"),
        ("${A!x}", "expected ':' at '!x}'"),
        ("${A:b}", "expected a number, not 'b'"),
        ("${A:1:b}", "expected a number, not 'b'"),
        ("${A:-" * (DEEPEST + 1), "variables are nested too deeply"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^\S") as caught:
        substitute(line, ENVIRON)

    assert str(caught.value) == reason


@settings(deadline=None)
@given(st.text())
def test_text_without_dollars_and_backslashes_stays_as_it_is(text: str) -> None:
    plain = text.replace("$", "").replace("\\", "")

    assert substitute(plain, ENVIRON) == plain


@settings(max_examples=100, deadline=None)
@given(st.text("$${{}}:-?\\(A1x ", max_size=20))
def test_any_line_is_put_in_or_refused(line: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(substitute(line, ENVIRON), str)
