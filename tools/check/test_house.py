"""Rules that hold for every source file: who includes whom, length, format, and what a pass comes with."""

import re
import subprocess
from pathlib import Path

import pytest
from rooms import LIBRARIES, ROOMS

ROOT = Path(__file__).resolve().parents[2]
TREES = ("cmake", "codegen", "compiler", "dialects", "passes", "runtime", "test", "tools")
SOURCES = sorted(p for tree in TREES for e in ("*.cpp", "*.h", "*.hpp", "*.c") for p in (ROOT / tree).rglob(e))
TABLES = {"kernels.inc"}
LONGEST = 800
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: str) -> str | None:
    """The most specific room that holds a path."""
    return max((r for r in ROOMS if path.startswith(r + "/")), key=len, default=None)


def violations(path: str, text: str) -> list[str]:
    room = room_of(path)
    if room is None:
        return [f"{path} is in no room of tools/check/rooms.py"]
    rooms, libraries = ROOMS[room]
    found = []
    for quote, target in INCLUDE.findall(text):
        if target.startswith("mmcc/"):
            target = f"runtime/include/{target}"
        top = target.split("/")[0]
        if top in TREES:
            other = room_of(target)
            allowed = other == room or "*" in rooms or any(other == r or target.startswith(r + "/") for r in rooms)
            if not allowed:
                found.append(f"{path} ({room}) may not include {target} ({other})")
        elif top in LIBRARIES:
            if LIBRARIES[top] not in libraries and "*" not in libraries:
                found.append(f"{path} ({room}) may not include {target} ({LIBRARIES[top]})")
        elif quote == '"':
            found.append(f'{path}: "{target}" is not included from the root')
    return found


def test_includes_keep_to_the_table():
    found = [v for p in SOURCES for v in violations(name(p), p.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "path, line, refused",
    [
        ("runtime/core/A.cpp", '#include "mlir/IR/Builders.h"', True),
        ("runtime/loader/A.cpp", '#include "runtime/executor/Session.h"', True),
        ("dialects/mm/A.cpp", '#include "dialects/plan/Plan.h"', True),
        ("compiler/pipeline/A.cpp", '#include "onnx.pb.h"', True),
        ("tools/mmcc-run/main.cpp", '#include "runtime/loader/Artifact.h"', True),
        ("tools/mmcc-run/main.cpp", '#include "mmcc/runtime.h"', False),
        ("runtime/core/A.cpp", '#include "Status.h"', True),
        ("passes/lower/A.cpp", '#include "dialects/plan/Plan.h"', False),
    ],
)
def test_the_include_check_can_fail(path, line, refused):
    assert bool(violations(path, line)) == refused


def test_files_are_short():
    sources = SOURCES + sorted(p for tree in TREES for e in ("*.td", "*.py") for p in (ROOT / tree).rglob(e))
    long = {name(p): n for p in sources if p.name not in TABLES and (n := len(p.read_text().splitlines())) > LONGEST}
    assert not long


def test_sources_are_formatted():
    done = subprocess.run(
        ["clang-format-19", "--dry-run", "-Werror", "--ferror-limit=1", *map(name, SOURCES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    unformatted = sorted(set(re.findall(r"^([^:\s]+):\d+:\d+: error", done.stderr, re.MULTILINE)))
    assert done.returncode == 0, f"clang-format-19 -i {' '.join(unformatted)}"


def passes() -> list[tuple[str, str, str]]:
    """(room, argument, definition) of each pass."""
    found = []
    for table in sorted(ROOT.rglob("Passes.td")):
        if "build" in table.relative_to(ROOT).parts[0]:
            continue
        pieces = re.split(r"^def \w+ *: *Pass<", table.read_text(), flags=re.MULTILINE)[1:]
        found += [(table.parent.name, re.match(r'\s*"([^"]+)"', p)[1], p) for p in pieces]
    return found


@pytest.mark.parametrize("room, argument, definition", passes(), ids=lambda v: v if "\n" not in v else "")
def test_a_pass_is_documented_and_tested(room, argument, definition):
    assert re.search(r"let summary = \"[^\"]+\"", definition)
    assert "Before:" in definition and "After:" in definition, "its description shows no IR before and after"
    assert (ROOT / "test" / "passes" / room / f"{argument}.mlir").exists(), "it has no lit test of its name"
