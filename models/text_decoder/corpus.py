"""The text that the decoder learns and is asked about: what a Python installation says about itself. None of it is kept
here: it is read from the Python that runs this.

    python models/text_decoder/corpus.py          # how much text each part has

Documents are the topics of `help()` (pydoc_data), the licence, and the docstrings of each file of the standard library
(read, not imported). A paragraph that an earlier document had is dropped, so that the parts share none. A document is in
the part that the CRC-32 of its name says, whatever Python says there: one in 16 is test text, one in 16 validation, all
others are for training. So a document that was held out from training is held out in any version.
"""

import ast
import functools
import platform
import sysconfig
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from characters import plain

NOT_READ = {"__pycache__", "dist-packages", "idlelib", "lib2to3", "pydoc_data", "site-packages"}
NOT_READ |= {"test", "tests", "turtledemo"}
DESCRIBED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
HELD_OUT = 65536  # characters of test text, and as many to calibrate on


def docstrings(source: str) -> str:
    """A heading of the name and a docstring for each module, class and function that has one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the sources' own escapes
        tree = ast.parse(source)
    described = [(node, ast.get_docstring(node)) for node in ast.walk(tree) if isinstance(node, DESCRIBED)]
    return "\n\n".join(f"{getattr(node, 'name', 'module')}\n\n{text}" for node, text in described if text)


def documents() -> Iterator[tuple[str, str]]:
    """(name, text): topics from the shortest, since long ones repeat short ones; the licence; the library."""
    from pydoc_data.topics import topics

    for name in sorted(topics, key=lambda n: (len(topics[n]), n)):
        yield f"topic:{name}", topics[name]
    library = Path(sysconfig.get_path("stdlib"))
    if (library / "LICENSE.txt").exists():
        yield "licence", (library / "LICENSE.txt").read_text("utf-8")
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).parts
        if not NOT_READ & set(parts):
            yield "library:" + "/".join(parts), docstrings(path.read_text("utf-8"))


def new_paragraphs() -> Iterator[tuple[str, str]]:
    """Documents without the paragraphs that an earlier one had."""
    seen: set[str] = set()
    for name, text in documents():
        kept = []
        for paragraph in plain(text).split("\n\n"):
            key = " ".join(paragraph.split())
            if key and key not in seen:
                seen.add(key)
                kept.append(paragraph.rstrip().lstrip("\n"))
        if kept:
            yield name, "\n\n".join(kept)


def part_of(name: str) -> str:
    return {0: "test", 1: "validation"}.get(zlib.crc32(name.encode()) % 16, "training")


def text_of(part: str, longest: int | None = None) -> str:
    """The documents of a part one after another, two empty lines between them; no further than is asked for."""
    text = ""
    for name, new in new_paragraphs():
        if longest is not None and len(text) >= longest:
            break
        if part_of(name) == part:
            text += ("\n\n\n" if text else "") + new
    return (text + "\n")[:longest]


@functools.cache
def test_text() -> str:
    return text_of("test", HELD_OUT)


@functools.cache
def calibration_text() -> str:
    return text_of("validation", HELD_OUT)


def main() -> None:
    sizes = ", ".join(f"{len(text_of(part)):,d} characters for {part}" for part in ("training", "validation", "test"))
    print(f"CPython {platform.python_version()}: {sizes}")


if __name__ == "__main__":
    main()
