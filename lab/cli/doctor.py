"""lab doctor: what this host can run, and what a lab left on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _output
from lab.cli._options import Json, Name

if TYPE_CHECKING:
    from lab.doctor import Finding


def doctor(
    name: Name = "lab",
    stage: Annotated[
        str,
        typer.Option(
            "--stage",
            help="sandbox: six nodes. kind: containers in Docker. twin: processes, without root "
            "and Kubernetes.",
        ),
    ] = "sandbox",
    fix: Annotated[
        bool, typer.Option("--fix", help="Install what is missing (Debian, needs root).")
    ] = False,
    residue: Annotated[
        bool,
        typer.Option("--residue", help="Compare the host with how it was before the lab."),
    ] = False,
    json: Json = False,
) -> None:
    """Show every precondition at once, each with the command that fixes it.

    Exit code 0 when a lab can be made (with --stage twin: when scenarios can be played there,
    with --residue: when nothing of a lab is left), else 4.

    Examples:

        lab doctor

        lab doctor --stage twin

        lab doctor --stage kind

        sudo lab doctor --fix

        lab doctor --residue
    """
    if residue:
        _show_residue(name, json=json)
    elif stage == "twin":
        _examine_twin(fix=fix, json=json)
    elif stage == "kind":
        _examine_kind(fix=fix, json=json)
    elif stage == "sandbox":
        _examine_host(name, fix=fix, json=json)
    else:
        raise typer.BadParameter(f"{stage!r} is none of sandbox, kind, twin", param_hint="--stage")


def _examine_twin(*, fix: bool, json: bool) -> None:
    from lab.doctor.twin import examine_twin

    if fix:
        raise typer.BadParameter("what the twin needs comes with pip", param_hint="--fix")
    _show_findings(examine_twin(), json=json)


def _examine_kind(*, fix: bool, json: bool) -> None:
    from lab.doctor.kind import examine_kind

    if fix:
        raise typer.BadParameter("Docker is installed by its own means", param_hint="--fix")
    _show_findings(examine_kind(), json=json)


def _examine_host(name: str, *, fix: bool, json: bool) -> None:
    from lab.lifecycle.health import examine_host, fix_host
    from lab.paths import find_paths

    paths = find_paths()
    if fix:
        with _output.make_progress().task("Installing what is missing"):
            commands = fix_host(paths, name)
        for command in commands:
            _output.note(f"ran: {' '.join(command)}")
    _show_findings(examine_host(paths, name), json=json)


def _show_findings(findings: "Sequence[Finding]", *, json: bool) -> None:
    from lab.errors import EXIT_FAILED

    if json:
        _output.show_json(findings)
    else:
        rows = [
            (
                "ok" if finding.ok else ("MISSING" if finding.required else "advice"),
                finding.name,
                finding.detail,
            )
            for finding in findings
        ]
        _output.show_table(("", "what", "found"), rows)
        for finding in findings:
            if finding.fix and not finding.ok:
                _output.show(f"\n{finding.name}: {finding.fix}")
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def _show_residue(name: str, *, json: bool) -> None:
    from lab.errors import EXIT_FAILED
    from lab.lifecycle.health import find_residue
    from lab.paths import find_paths

    differences = find_residue(find_paths(), name)
    if json:
        _output.show_json(differences)
    elif not differences:
        _output.show(f"Nothing differs from before lab {name}")
    else:
        rows = [
            (d.blame, d.kind, _short(d.what, 60), _short(d.before), _short(d.after))
            for d in differences
        ]
        _output.show_table(("blame", "kind", "what", "before", "now"), rows)
    if any(difference.is_residue for difference in differences):
        raise typer.Exit(EXIT_FAILED)


def _short(text: str | None, most: int = 40) -> str:
    return "-" if text is None else text.replace("\n", " ")[:most]
