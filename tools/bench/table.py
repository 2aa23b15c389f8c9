"""The results as Markdown."""

from math import exp, log

import machine

NAMES = {"mmcc": "mmcc", "onnxruntime": "ONNX Runtime", "openvino-f32": "OpenVINO f32"}


def markdown(result: dict) -> str:
    peak = machine.fma_peak(result["peak"])
    models = result["models"]
    engines = [n for n in NAMES if any(n in m.get("engines", {}) for m in models.values())]
    lines = [heading(result, peak)]
    lines += grid(
        "Median ms (share of FMA peak; spread of the rounds)",
        ["model", "GFLOP", *(NAMES[e] for e in engines), "× the better peer"],
        [
            [label, number(m.get("gflop"), 2), *(speed(m, e, peak) for e in engines), ratio_of(m)]
            for label, m in models.items()
        ],
    )
    ratios = [m["ratio_to_better_peer"] for m in models.values() if m.get("ratio_to_better_peer")]
    if ratios:
        mean = exp(sum(map(log, ratios)) / len(ratios))
        lines += ["", f"Geometric mean {mean:.2f}×, least {min(ratios):.2f}×, of {len(ratios)} models."]
    lines += grid(
        "Process start to first output, ms (load alone; more than one warm inference)",
        ["model", *(NAMES[e] for e in engines)],
        [[label, *(cell(m, e, start) for e in engines)] for label, m in models.items()],
    )
    lines += grid(
        "Peak resident memory, MB; largest error relative to the largest output",
        ["model", *(NAMES[e] for e in engines)],
        [[label, *(cell(m, e, memory) for e in engines)] for label, m in models.items()],
    )
    compiled = {label: m["compile"] for label, m in models.items() if m.get("compile", {}).get("seconds")}
    if compiled:
        lines += grid(
            "mmcc compile",
            ["model", "s", "peak MB", "weights MB", "artifact MB"],
            [
                [label, f"{c['seconds']:.1f}", megabytes(c["peak_rss_bytes"]),
                 megabytes(models[label].get("params") and 4 * models[label]["params"]), megabytes(c["artifact_bytes"])]
                for label, c in compiled.items()
            ],
        )  # fmt: skip
    problems = [f"- {label}: {m['error']}" for label, m in models.items() if "error" in m]
    problems += [
        f"- {label}, {NAMES[e]}: {f['error']}"
        for label, m in models.items()
        for e, f in m.get("engines", {}).items()
        if "error" in f
    ]
    if problems:
        lines += ["", "Not measured:", "", *problems]
    return "\n".join(lines)


def heading(result: dict, peak: float | None) -> str:
    limits = result["peak"]
    shown = [f"{k.split('_')[0].upper()} {v:.0f} GFLOP/s" for k, v in limits.items() if k.endswith("_fma_gflops")]
    if "read_gb_per_s" in limits:
        shown.append(f"reads {limits['read_gb_per_s']:.0f} GB/s")
    versions = {
        e: f["version"] for m in result["models"].values() for e, f in m.get("engines", {}).items() if "version" in f
    }
    return (
        f"{result['machine']}, {result['memory_gib']} GiB. {result['date']}, {result['threads']} threads, "
        f"batch 1, f32, {result['rounds']} rounds of fresh processes, {result['seconds']:g} s each. "
        f"Measured limits: {', '.join(shown) or limits.get('error', 'none')}. "
        + "".join(f"{NAMES[e]} {v}. " for e, v in versions.items())
        + "* marks a round that other work on the machine disturbed."
    )


def grid(title: str, columns: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---"] + ["--:"] * (len(columns) - 1)
    return ["", f"**{title}**", "", *("| " + " | ".join(row) + " |" for row in [columns, rule, *rows])]


def cell(model: dict, engine: str, show) -> str:
    figures = model.get("engines", {}).get(engine)
    return "" if figures is None else "–" if "error" in figures else show(figures)


def speed(model: dict, engine: str, peak: float | None) -> str:
    def show(figures):
        share = ""
        if peak and model.get("gflop"):
            share = f"{100 * model['gflop'] / figures['median_ms'] * 1e3 / peak:.0f} %, "
        wrong = "" if figures["equal"] else " **wrong**"
        disturbed = "*" if figures["foreign"] >= machine.DISTURBED else ""
        return f"{figures['median_ms']:.2f}{disturbed} ({share}±{50 * figures['spread']:.0f} %){wrong}"

    return cell(model, engine, show)


def start(figures: dict) -> str:
    return f"{figures['start_ms']:.0f} ({figures['load_ms']:.0f}; +{figures['start_ms'] - figures['median_ms']:.0f})"


def memory(figures: dict) -> str:
    return f"{figures['peak_rss_bytes'] / 1e6:.0f}; {figures['relative_error']:.0e}"


def ratio_of(model: dict) -> str:
    ratio = model.get("ratio_to_better_peer")
    return f"**{ratio:.2f}**" if ratio else ""


def number(value, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def megabytes(value) -> str:
    return "" if value is None else f"{value / 1e6:.0f}"
