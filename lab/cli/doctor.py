"""lab doctor: what this host can run, and what a lab left on it."""

from typing import Annotated

import typer

from lab.cli import _output
from lab.cli._options import Json, Name


def doctor(
    name: Name = "lab",
    fix: Annotated[
        bool, typer.Option("--fix", help="Install what is missing (Debian, needs root).")
    ] = False,
    residue: Annotated[
        bool,
        typer.Option("--residue", help="Compare the host with how it was before the lab."),
    ] = False,
    json: Json = False,
) -> None:
    """Show every precondition of a lab at once, each with the command that fixes it.

    Exit code 0 when a lab can be made (with --residue: when nothing of one is left), else 4.

    Examples:

        lab doctor

        sudo lab doctor --fix

        lab doctor --residue
    """
    if residue:
        _show_residue(name, json=json)
    else:
        _show_findings(name, fix=fix, json=json)


def _show_findings(name: str, *, fix: bool, json: bool) -> None:
    from lab.errors import EXIT_FAILED
    from lab.lifecycle.health import examine_host, fix_host
    from lab.paths import find_paths

    paths = find_paths()
    if fix:
        with _output.make_progress().task("Installing what is missing"):
            commands = fix_host(paths, name)
        for command in commands:
            _output.note(f"ran: {' '.join(command)}")
    findings = examine_host(paths, name)
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
