"""What does one second look like? The numbers that stand large on a page, and in a terminal."""

from dataclasses import dataclass

from lab.report import words
from lab.report.pods import READY
from lab.report.view import VariantView

FINE, HURT, PLAIN = "fine", "hurt", "plain"


@dataclass(frozen=True, slots=True)
class Tile:
    """One number; `tone` is fine, hurt or plain, and never the only thing that tells."""

    label: str
    value: str
    remark: str
    tone: str = PLAIN


def glance(variant: VariantView, place: int | None = None) -> tuple[Tile, ...]:
    """Return the numbers of the second at `place` of the axis; of the last one without."""
    length = len(variant.axis)
    at = length - 1 if place is None else min(max(place, 0), length - 1)
    return (*_traffic(variant, at), _pods(variant, at), _schema(variant, at), _locks(variant, at))


def _traffic(variant: VariantView, at: int) -> tuple[Tile, ...]:
    bands = variant.traffic.bands
    sent = sum(band.counts[at] for band in bands)
    failed = sum(band.counts[at] for band in bands if band.failed)
    so_far = sum(sum(band.counts[: at + 1]) for band in bands if band.failed)
    p99 = variant.traffic.latency.p99[at]
    return (
        Tile("requests/s", words.number(sent), _by_release(variant, at)),
        Tile(
            "failing now",
            words.percent(failed / sent) if sent else words.NOTHING,
            f"{words.number(failed)} in this second, {words.number(so_far)} so far",
            HURT if failed else FINE,
        ),
        Tile(
            "latency p99",
            words.milliseconds(p99),
            f"p50 {words.milliseconds(variant.traffic.latency.p50[at])}",
        ),
    )


def _by_release(variant: VariantView, at: int) -> str:
    told = [
        f"{band.release or 'nobody'}{' failed' if band.failed and band.release else ''} "
        f"{words.number(band.counts[at])}"
        for band in variant.traffic.bands
        if band.counts[at]
    ]
    return ", ".join(told) or "none"


def _pods(variant: VariantView, at: int) -> Tile:
    found = [(band, band.counts[at]) for band in variant.pods if band.counts[at]]
    ready = [(band.release, count) for band, count in found if band.state == READY]
    others = [
        f"{count} {band.release} {band.state}" for band, count in found if band.state != READY
    ]
    told = [f"{count} {release}" for release, count in ready] + others
    total = sum(count for _, count in ready)
    return Tile("pods ready", str(total), ", ".join(told) or "none heard of")


def _schema(variant: VariantView, at: int) -> Tile:
    version, floor = variant.database.schema[at], variant.database.floor[at]
    value = words.NOTHING if version is None else str(version)
    return Tile("schema", value, f"compat floor {words.NOTHING if floor is None else floor}")


def _locks(variant: VariantView, at: int) -> Tile:
    database = variant.database
    blocked, wait_s = database.blocked[at], database.wait_s[at]
    if blocked is None:
        return Tile("blocked by a lock", words.NOTHING, "the database was not heard of")
    told = f"longest {words.seconds(wait_s)}" if blocked else f"{database.connections[at]} sessions"
    return Tile("blocked by a lock", str(blocked), told, HURT if blocked else PLAIN)
