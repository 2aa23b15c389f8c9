"""Runs every test of the project and counts them: ctest (GoogleTest, fuzzing), lit (IR), pytest (the rest).

    python tools/check/run_tests.py [--build build] [--only ctest,lit,pytest] [--cuda-all]

The last line is `N passed, N failed`; exit code 1 if any failed.
"""

import argparse
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def commands(build: Path, results: Path) -> dict[str, list]:
    jobs = str(os.cpu_count() or 1)
    return {
        "ctest": ["ctest", "--test-dir", build, "--output-on-failure", "-j", jobs]
        + ["--output-junit", results / "ctest.xml"],
        "lit": [Path(sys.executable).parent / "lit", "-q", "--order=lexical", "-j", jobs]
        + ["--xunit-xml-output", results / "lit.xml", build / "test"],
        # Files stay whole: their tests share what they compile.
        "pytest": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-n", jobs, "--dist=loadfile"]
        + ["-o", "junit_family=xunit2", f"--junitxml={results / 'pytest.xml'}", "test", "tools/check"],
    }


def count(report: Path) -> tuple[int, int, int]:
    """Passed, failed, skipped."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).iter("testcase"):
        tags = {child.tag for child in case}
        if tags & {"failure", "error"}:
            failed += 1
        elif "skipped" in tags:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--only", default="ctest,lit,pytest")
    parser.add_argument("--cuda-all", action="store_true", help="every model for every GPU architecture")
    options = parser.parse_args()
    build = options.build.resolve()
    results = build / "results"
    results.mkdir(exist_ok=True)
    environment = os.environ | {"MMCC_BUILD_DIR": str(build), "MMCC_CUDA_ALL": "1" if options.cuda_all else ""}
    passed = failed = 0
    for name, command in commands(build, results).items():
        if name not in options.only.split(","):
            continue
        report = results / f"{name}.xml"
        report.unlink(missing_ok=True)
        print(f"== {name}", flush=True)
        status = subprocess.run([str(c) for c in command], cwd=ROOT, env=environment).returncode
        if not report.exists():
            print(f"{name} gave {status} and no report")
            failed += 1
            continue
        good, bad, skipped = count(report)
        # A runner that fails without a failing test (a broken configuration) counts as one.
        bad += bad == 0 and status != 0
        print(f"{name}: {good} passed, {bad} failed, {skipped} skipped", flush=True)
        passed += good
        failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
