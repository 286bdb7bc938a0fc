"""Which numbers do the charts of a page draw?

Counts per second, never single requests: the page stays small however many were sent. All
variants share the same axes, so that shapes can be compared by eye.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from lab.report import words
from lab.report.lanes import Lane
from lab.report.pods import READY, PodBand
from lab.report.requests import NOBODY
from lab.report.timeline import CLUSTER, Row
from lab.report.traffic import Band
from lab.report.view import VariantView, View

# Lines closer to the edge than this cannot be read.
_LEAST_MS, _MOST_MS = 1.0, 100.0
# A run that has just begun is no single bar from edge to edge.
_LEAST_S = 15


def to_json(view: View) -> dict[str, Any]:
    """Return what `report.js` draws, as plain JSON values."""
    variants = view.variants
    return {
        "x": [min(each.axis.first for each in variants), max(map(_last, variants))],
        "most": {
            "requests": max(max(_highest_stack(v.traffic.bands), _foreseen(v)) for v in variants),
            "pods": max(_highest_stack(v.pods) for v in variants),
            "sessions": max(
                _highest((*v.database.connections, *v.database.blocked)) for v in variants
            ),
        },
        **_latency(variants),
        **_schema(variants),
        "variants": [_variant(each) for each in variants],
    }


def _last(variant: VariantView) -> int:
    """Return the last second that is drawn: a forecast needs its room before it is measured."""
    points = variant.forecast.points if variant.forecast else ()
    foreseen = [math.ceil(second) + 1 for second, _ in points]
    return max(variant.axis.last, *foreseen, variant.axis.first + _LEAST_S)


def _variant(variant: VariantView) -> dict[str, Any]:
    looks = {release: place for place, release in enumerate(variant.releases)}
    latency, database = variant.traffic.latency, variant.database
    return {
        "name": variant.name,
        "seconds": list(variant.axis.seconds),
        "bands": [_request_band(each, looks) for each in variant.traffic.bands],
        "failed": f"{words.number(variant.traffic.failures)} failed",
        "p50": _rounded(latency.p50),
        "p99": _rounded(latency.p99),
        "max": _rounded(latency.highest),
        "pods": [_pod_band(each, looks) for each in variant.pods],
        "schema": list(database.schema),
        "blocked": list(database.blocked),
        "connections": list(database.connections),
        "floor": list(database.floor),
        "waits": list(database.wait_s),
        "marks": [{"second": round(m.second, 3), "label": m.label} for m in variant.marks],
        "lanes": [_lane(each, looks) for each in variant.lanes],
        "rows": [_row(each) for each in variant.timeline],
        "forecast": _forecast(variant),
    }


def _lane(lane: Lane, looks: dict[str, int]) -> dict[str, Any]:
    return {
        "node": lane.node,
        "pod": lane.pod,
        "name": lane.release,
        "release": looks.get(lane.release, 0),
        "restarts": lane.restarts,
        "spans": [
            [each.state, round(each.begin, 2), None if each.end is None else round(each.end, 2)]
            for each in lane.spans
        ],
    }


def _row(row: Row) -> list[Any]:
    # A dot in the lane of the cluster; its words stand in the table.
    return [round(row.second, 2), row.kind, "" if row.kind == CLUSTER else row.what]


def _forecast(variant: VariantView) -> dict[str, Any] | None:
    found = variant.forecast
    return {"source": found.source, "points": [list(p) for p in found.points]} if found else None


def _request_band(band: Band, looks: dict[str, int]) -> dict[str, Any]:
    if band.release == NOBODY:
        kind, name = "silent" if band.failed else "ok", "no answer" if band.failed else "unknown"
    else:
        kind, name = "failed" if band.failed else "ok", band.release
    return {
        "kind": kind,
        "release": looks.get(band.release, 0),
        "name": name,
        "label": f"{name} failed" if kind == "failed" else name,
        "counts": list(band.counts),
    }


def _pod_band(band: PodBand, looks: dict[str, int]) -> dict[str, Any]:
    return {
        "kind": "ok" if band.state == READY else "hollow",
        "release": looks.get(band.release, 0),
        "name": band.release,
        "label": f"{band.release} {band.state}",
        "counts": list(band.counts),
    }


def _highest_stack(bands: Sequence[Band] | Sequence[PodBand]) -> int:
    return max((sum(column) for column in zip(*(b.counts for b in bands), strict=True)), default=0)


def _foreseen(variant: VariantView) -> int:
    points = variant.forecast.points if variant.forecast else ()
    return math.ceil(max((count for _, count in points), default=0))


def _highest(values: Iterable[int | None]) -> int:
    return max((each for each in values if each is not None), default=0)


def _latency(variants: Sequence[VariantView]) -> dict[str, Any]:
    """Return a range between powers of ten around all latencies: the scale is logarithmic."""
    lows = [x for v in variants for x in v.traffic.latency.p50 if x is not None and x > 0]
    highs = [x for v in variants for x in v.traffic.latency.highest if x is not None and x > 0]
    low = math.floor(math.log10(min(lows, default=_LEAST_MS)))
    high = max(math.ceil(math.log10(max(highs, default=_MOST_MS))), low + 1)
    # `10.0 ** -3` is not what is written 0.001.
    decades = [float(f"1e{power}") for power in range(low, high + 1)]
    return {"latency": [decades[0], decades[-1]], "decades": decades}


def _schema(variants: Sequence[VariantView]) -> dict[str, Any]:
    versions = sorted(
        {x for v in variants for x in (*v.database.schema, *v.database.floor) if x is not None}
    )
    # A damaged line may name any version; an axis shows a few.
    return {"schema": [versions[0], versions[-1]] if versions else [0, 1], "versions": versions[:9]}


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    """Microseconds are enough; a logarithmic scale has no room for nothing and less."""
    return [None if each is None or each <= 0 else round(each, 3) for each in values]
