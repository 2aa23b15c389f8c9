"""Writes models/attention: one narrow layer of each form of attention and the heads behind encoders, with the outputs that are expected.

    python models/export_attention.py [NAME…]

Files and forms are as in models/tiny. contrib.*.onnx are graphs of ONNX Runtime's own operators: what they
give is ONNX Runtime's word; for all others it is PyTorch's.
"""

import sys
from pathlib import Path

from export_tiny import write
from recipes import ATTENTION, attention, contrib, heads

HERE = Path(__file__).parent / "attention"
LIMIT = 800_000  # bytes, all of models/attention


def main(wanted: list[str]) -> int:
    HERE.mkdir(exist_ok=True)
    for name in wanted or ATTENTION:
        for form in ATTENTION.get(name, []):
            recipe = getattr(attention, name, None) or getattr(heads, name)
            record = write(recipe, name, form, HERE)
            print(f"{name + form:26s} {record['nodes']:5d} nodes {record['bytes']:9,d} bytes", flush=True)
    for name in wanted or contrib.GRAPHS:
        if name in contrib.GRAPHS:
            contrib.write(name, HERE)
    total = sum(p.stat().st_size for p in HERE.iterdir())
    print(f"{total:,d} bytes in {HERE.name}/")
    return 1 if total > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
