"""Runs ONNX's own node tests and counts pass, wrong, refused, crashed by operator.

    python test/conformance/report.py [--build build] [--isa LEVEL] [-O0] [--update] [--reasons]

--update appends what passes now to passing.txt, which never shrinks; --reasons prints why each other case does not pass.
"""

import argparse
import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PASSING = HERE / "passing.txt"
VERDICTS = ("pass", "wrong", "refused", "crashed")


class Result(NamedTuple):
    verdict: str
    operators: list[str]
    reason: str


def committed() -> list[str]:
    return [line for line in PASSING.read_text().splitlines() if line and not line.startswith("#")]


def run(build: Path, *options: str) -> dict[str, Result]:
    """By name of the case."""
    cases = build / "conformance"
    subprocess.run([sys.executable, "-W", "ignore", str(HERE / "generate.py"), str(cases)], check=True)
    jobs = str(os.cpu_count() or 1)
    done = subprocess.run(
        [str(build / "bin" / "case_runner"), str(cases), "--jobs", jobs, *options],
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        check=True,
    )
    results = {}
    for line in done.stdout.splitlines():
        verdict, name, operators, reason = (line + " ").split(" ", 3)
        results[name] = Result(verdict, operators.split(","), reason.strip())
    return results


def print_table(results: dict[str, Result]) -> None:
    counts = defaultdict(Counter)
    for result in results.values():
        for operator in result.operators:
            counts[operator][result.verdict] += 1
    print(f"{'operator':<28}" + "".join(f"{v:>9}" for v in VERDICTS))
    for operator in sorted(counts):
        print(f"{operator:<28}" + "".join(f"{counts[operator][v] or '':>9}" for v in VERDICTS))
    total = Counter(result.verdict for result in results.values())
    print(f"{'all cases':<28}" + "".join(f"{total[v]:>9}" for v in VERDICTS))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=HERE.parents[1] / "build")
    parser.add_argument("--isa")
    parser.add_argument("-O0", dest="plain", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--reasons", action="store_true")
    options = parser.parse_args()
    arguments = ["--isa", options.isa] if options.isa else []
    results = run(options.build, *arguments, *(["-O0"] if options.plain else []))
    if options.reasons:
        for name, result in sorted(results.items(), key=lambda item: (item[1].verdict, item[0])):
            if result.verdict != "pass":
                print(result.verdict, name, result.reason)
    print_table(results)
    if options.update:
        names = set(committed()) | {name for name, result in results.items() if result.verdict == "pass"}
        head = "# Cases of ONNX's node suite that pass. Only grows: report.py --update adds to it.\n"
        PASSING.write_text(head + "".join(f"{name}\n" for name in sorted(names)))
    return 1 if any(result.verdict in ("wrong", "crashed") for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
