from lab.postgres.roles import quote
from lab.service.database import refused

SYNTAX = 'psql:<stdin>:1: ERROR:  42601: syntax error at or near "SELEC"\nLINE 1: SELEC\n'


def test_arefused_statement_is_told_with_its_sqlstate() -> None:
    error = refused(SYNTAX)

    assert error.sqlstate == "42601"
    assert error.message == (
        'the database refused a statement: syntax error at or near "SELEC" (SQLSTATE 42601)'
    )


def test_what_kubectl_says_when_there_is_no_pod_is_passed_on() -> None:
    error = refused('Error from server (NotFound): pods "postgres-0" not found\n')

    assert error.sqlstate == ""
    assert 'pods "postgres-0" not found' in error.message


def test_silence_is_told_as_silence() -> None:
    assert refused("").message.endswith("no output")


def test_quotes_are_doubled() -> None:
    assert quote("it's") == "'it''s'"
