"""Where do Debian packages come from, and which are in a root?"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
SUITES = frozenset({SUITE, f"{SUITE}-updates", f"{SUITE}-security"})
COMPONENT = "main"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"


@dataclass(frozen=True, slots=True)
class Source:
    uris: str
    suites: tuple[str, ...]
    signed_by: str = KEYRING

    def to_deb822(self) -> str:
        return (
            f"Types: deb\nURIs: {self.uris}\nSuites: {' '.join(self.suites)}\n"
            f"Components: {COMPONENT}\nSigned-By: {self.signed_by}\n"
        )


PUBLIC = (
    Source(MIRROR, (SUITE, f"{SUITE}-updates")),
    Source(SECURITY, (f"{SUITE}-security",)),
)


def find_sources(*, root: Path, environ: Mapping[str, str]) -> tuple[Source, ...]:
    """Return the mirror that was asked for, else those of the host if it runs the same release.

    Sources of other vendors are left out, since nothing of theirs belongs into a node.
    """
    if mirror := environ.get("LAB_DEBIAN_MIRROR"):
        return (Source(mirror, (SUITE, f"{SUITE}-updates")),)
    if release_of(root) != ("debian", SUITE):
        return PUBLIC
    return tuple(host_sources(root / "etc/apt")) or PUBLIC


def release_of(root: Path) -> tuple[str, str]:
    """Return (`debian`, `bookworm`) or whatever the host is; empty where it does not say."""
    try:
        lines = (root / "etc/os-release").read_text().splitlines()
    except OSError:
        return "", ""
    pairs = (line.partition("=") for line in lines)
    values = {name: value.strip('"') for name, _, value in pairs}
    return values.get("ID", ""), values.get("VERSION_CODENAME", "")


def host_sources(apt: Path) -> Iterator[Source]:
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))):
        if path.is_file():
            yield from parse_one_line(path.read_text())
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        yield from parse_deb822(path.read_text())


def parse_one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        words = line.partition("#")[0].replace("[", " [ ").replace("]", " ] ").split()
        if not words or words.pop(0) != "deb":
            continue
        options: list[str] = []
        if words[:1] == ["["] and "]" in words:
            end = words.index("]")
            options, words = words[1:end], words[end + 1 :]
        pairs = dict(option.partition("=")[::2] for option in options)
        if len(words) >= 3:
            signed_by = pairs.get("signed-by", KEYRING)
            yield from select(words[0], words[1:2], components=words[2:], signed_by=signed_by)


def parse_deb822(text: str) -> Iterator[Source]:
    for stanza in parse_stanzas(text):
        if "deb" in stanza.get("types", "").split() and stanza.get("enabled", "yes") != "no":
            yield from select(
                stanza.get("uris", ""),
                stanza.get("suites", "").split(),
                components=stanza.get("components", "").split(),
                signed_by=stanza.get("signed-by", KEYRING),
            )


def select(
    uris: str, suites: Iterable[str], *, components: Iterable[str], signed_by: str
) -> Iterator[Source]:
    wanted = tuple(suite for suite in suites if suite in SUITES)
    if uris and wanted and COMPONENT in components and "debian-archive" in signed_by:
        yield Source(uris, wanted, signed_by)


def parse_stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of a Debian control file, with field names in lower case."""
    stanza: dict[str, str] = {}
    last = ""
    for line in (*text.splitlines(), ""):
        if line.startswith("#"):
            continue
        if not line.strip():
            if stanza:
                yield stanza
            stanza = {}
        elif line[0].isspace() and last in stanza:
            stanza[last] += f"\n{line}"
        else:
            name, _, value = line.partition(":")
            last = name.lower()
            stanza[last] = value.strip()


def installed_packages(status: str) -> dict[str, str]:
    """Return the versions of all packages that a dpkg status file calls installed."""
    return {
        stanza["package"]: stanza["version"]
        for stanza in parse_stanzas(status)
        if stanza.get("status", "").endswith(" installed")
    }
