"""Figures of several processes of one engine made into one."""

from statistics import median

from machine import DISTURBED

MEDIANS = ("median_ms", "load_ms", "first_ms", "start_ms", "import_ms", "arena_bytes", "weights_bytes")


def of_rounds(rounds: list[dict]) -> dict:
    """Median of the rounds' medians, least of all runs, and spread: (highest - lowest round median) / median."""
    medians = [r["median_ms"] for r in rounds]
    out = {key: round(median(r[key] for r in rounds), 3) for key in MEDIANS if key in rounds[0]}
    return out | dict(
        min_ms=round(min(r["min_ms"] for r in rounds), 3),
        round_medians_ms=[round(m, 3) for m in medians],
        spread=round((max(medians) - min(medians)) / median(medians), 3),
        runs=sum(r["runs"] for r in rounds),
        peak_rss_bytes=max(r["peak_rss_bytes"] for r in rounds),
        relative_error=max(r["relative_error"] for r in rounds),
        equal=all(r["equal"] for r in rounds),
        foreign=round(max(r["foreign"] for r in rounds), 2),
        stolen=round(max(r["stolen"] for r in rounds), 2),
        **{key: rounds[0][key] for key in ("version", "isa") if key in rounds[0]},
    )


def ratio(engines: dict) -> float | None:
    """Time of the better peer over that of mmcc: above one, mmcc is faster."""
    own = engines.get("mmcc", {}).get("median_ms")
    peers = [e["median_ms"] for name, e in engines.items() if name != "mmcc" and "median_ms" in e]
    return round(min(peers) / own, 3) if own and peers else None


def line(model: str, engine: str, figures: dict, reused: bool) -> str:
    if "error" in figures:
        return f"{model:20s} {engine:13s} {figures['error']}"
    marks = ("" if figures["equal"] else "  WRONG") + ("  disturbed" if figures["foreign"] >= DISTURBED else "")
    marks += "  (earlier run)" if reused else ""
    return (
        f"{model:20s} {engine:13s} {figures['median_ms']:9.2f} ms  start {figures['start_ms']:7.0f} ms  "
        f"{figures['peak_rss_bytes'] / 1e6:7.0f} MB  error {figures['relative_error']:.1e}{marks}"
    )
