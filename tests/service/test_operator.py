"""An answer of the operator's pod is told from one of kubectl."""

import pytest

from lab.errors import ServiceNotReady
from lab.service.operator import Answer, read

ASKED = ("can-i-contract", "--to", "9")


def test_a_no_is_an_answer() -> None:
    assert read(1, '{"answer": "no"}\n', "", ASKED) == Answer(1, {"answer": "no"})


@pytest.mark.parametrize("out", ["", "[]", "no"])
def test_where_nobody_answered_the_last_words_are_told(out: str) -> None:
    with pytest.raises(ServiceNotReady, match='pods "operator-0" not found') as caught:
        read(1, out, 'x\nError from server: pods "operator-0" not found\n', ASKED)

    assert caught.value.hint == "lab chirps migrate can-i-contract --to 9"
