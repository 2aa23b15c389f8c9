"""What was found, as Markdown."""

import bench

SHOWN_KERNELS = 8
ENGINES = {"mmcc": "mmcc", "eager": "PyTorch eager", "sdpa": "PyTorch SDPA", "compile": "torch.compile max-autotune", "onnxruntime": "ONNX Runtime CUDA"}


def grid(columns: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---"] + ["--:"] * (len(columns) - 1)
    return ["", *("| " + " | ".join(row) + " |" for row in [columns, rule, *rows]), ""]


def plain(text: str) -> str:
    """In a table."""
    return text.replace("|", "/").replace("\n", " ")


def markdown(found: dict) -> str:
    return "\n".join(heading(found) + correctness(found) + sanitizer(found) + benchmark(found) + profiles(found)).rstrip() + "\n"


def heading(found: dict) -> list[str]:
    facts, pack = found["facts"], found["pack"]
    gpu = facts["gpu"]
    lines = [f"# {gpu.get('name', 'an unknown GPU')}, {facts['date']}", ""]
    lines += [f"`tools/dev gpu`, {facts['time']}; packed {pack['date']} of commit {pack['commit']} with code for {', '.join(pack['architectures'])}.", ""]
    known = ", ".join(f"{k} {v}" for k, v in gpu.items() if k != "name") or "nvidia-smi gave nothing"
    lines += [f"* GPU: {gpu.get('name', 'unknown')}; {known}"]
    for when in ("before", "after"):
        if clocks := facts.get(f"clocks_{when}"):
            lines += [f"* {when}: {', '.join(f'{k} {v}' for k, v in clocks.items())}"]
    lines += [f"* nvcc: {facts['nvcc'] or 'none'}", f"* host: {facts['processor']}; Python {facts['python']}"]
    lines += [f"* cuBLASLt: {facts['cublaslt'] or 'none'}"]
    there = [f"{k} {v}" for k, v in facts["packages"].items() if v]
    lines += [f"* packages: {', '.join(there)}; absent: {', '.join(k for k, v in facts['packages'].items() if not v) or 'none'}"]
    lines += [f"* {found['seconds']:.0f} s in all, of {found['limit']:.0f}" + ("" if found["done"] else "; **not finished**")]
    return lines + [f"* {problem}" for problem in found["problems"]]


def correctness(found: dict) -> list[str]:
    rows, refused = found["correctness"], found["pack"]["refused"]
    good = [r for r in rows if r["status"] == "ok"]
    worst = max(good, key=lambda r: r["error"], default=None)
    lines = ["", "## Small models against PyTorch", ""]
    lines += ["`mmcc-run MODEL.mmcc --device cuda`: outputs of a CUDA graph (`--bench`), and launch by launch (`MMCC_CUDA_NO_GRAPHS=1`); rtol 1e-3, atol 1e-4.", ""]
    lines += [f"**{len(good)} of {len(rows)} runs ok.**" + (f" The largest error is {worst['error']:.1e} of the largest output ({worst['name']})." if worst else "")]
    bad = [r for r in rows if r["status"] != "ok"]
    if bad:
        lines += grid(["case", "run", "", ""], [[r["name"], r["mode"], r["status"], plain(r["message"])] for r in bad])
    if refused:
        lines += ["", "Refused by `mmcc compile` when the folder was packed:", ""]
        lines += [f"* {r['name']}: {r['message']}" for r in refused]
    if good:
        lines += ["", "Ok: " + ", ".join(sorted({r["name"] for r in good} - {r["name"] for r in bad})) + "."]
    return lines


def sanitizer(found: dict) -> list[str]:
    rows = found["sanitizer"]
    if not rows:
        return []
    lines = ["", "## compute-sanitizer", ""]
    if rows[0]["status"] == "absent":
        return [*lines, "It is not installed here."]
    return lines + grid(["case", "tool", "", ""], [[r["name"], r["tool"], r["status"], plain(r["message"])] for r in rows])


def benchmark(found: dict) -> list[str]:
    rows = found["benchmark"]
    if not rows:
        return []
    lines = ["", "## Full-size models", ""]
    lines += ["Median ms of a call from the host's arrays to the host's arrays (half the spread of three rounds; in parentheses, where PyTorch's inputs and outputs stay on the GPU),",
              "and the best peer's time over mmcc's. Weights by seed, the same for all; f32 without TF32. mmcc's rounds are fresh processes, before and after the peers."]  # fmt: skip
    for precision in bench.PRECISIONS:
        lines += ["", f"**{precision}**"]
        table = [[row["label"], *(cell(row, e, precision) for e in ENGINES), times(bench.ratio(row, precision))] for row in rows.values()]
        lines += grid(["model", *ENGINES.values(), "× the best peer"], table)
    ours = [(row, e) for row in rows.values() for e in row["engines"] if e["engine"] == "mmcc" and "median_ms" in e]
    if ours:
        lines += ["mmcc's own:"]
        lines += grid(
            ["model", "precision", "kernels alone, ms", "launches", "a call over its kernels", "load ms", "first call ms", "compile s", "error"],
            [
                [row["label"], e["precision"], number(e.get("kernels_ms")), str(e["launches"]), times(over(e)), f"{e['load_ms']:.0f}", f"{e['first_ms']:.1f}", f"{e['compile_s']:.1f}",
                 f"{e['error']:.0e}" + ("" if e["equal"] else " **wrong**")]
                for row, e in ours
            ],
        )  # fmt: skip
    problems = [f"* {row['label']}: {row['export']['message']}" for row in rows.values() if "message" in row["export"]]
    problems += [
        f"* {row['label']}, {ENGINES.get(e['engine'], e['engine'])}, {e['precision']}: {e['message']}"
        for row in rows.values()
        for e in row["engines"]
        if "message" in e
    ]
    return lines + (["Not measured:", "", *problems] if problems else [])


def profiles(found: dict) -> list[str]:
    lines = []
    for row in found["benchmark"].values():
        for e in row["engines"]:
            if "profile" in e:
                title = f"{row['label']}, {e['precision']}: the {SHOWN_KERNELS} kernels that take most"
                lines += ["", f"**{title}**", "", "```", *(line[:150] for line in e["profile"][: SHOWN_KERNELS + 1]), "```"]
    return ["", "## `mmcc-run --profile`", *lines] if lines else []


def cell(row: dict, engine: str, precision: str) -> str:
    e = next((e for e in row["engines"] if (e["engine"], e["precision"]) == (engine, precision)), None)
    if e is None or "median_ms" not in e:
        return "" if e is None else "–"
    resident = f"; {number(e['resident_ms'])}" if "resident_ms" in e else ""
    return f"{number(e['median_ms'])} (±{50 * e['spread']:.0f} %{resident})"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def times(value: float | None) -> str:
    return "" if value is None else f"**{value:.2f}**"


def over(figures: dict) -> float | None:
    return figures["median_ms"] / figures["kernels_ms"] if figures.get("kernels_ms") else None
