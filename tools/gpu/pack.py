"""Prepares a folder with which `tools/dev gpu` runs on a bare machine with a GPU and no network.

    tools/dev gpu-pack [FOLDER] [--architectures sm_80,sm_90a] [--models bert_base,…] [--without-compiler]

The folder is a small checkout (tools/dev, tools/gpu, the recipes of models) with content.tar.xz: mmcc-run,
the small models' artifacts with inputs and PyTorch's outputs, and mmcc itself, for the full-size models.

Why mmcc itself: weights of full-size models are far over the limit, so they are made there from seeds. An
artifact whose constants are filled in afterwards would need a second description of how mmcc packs and
folds weights, and its numbers could not be compared with PyTorch's. mmcc linked with the parts of LLVM that it
uses is 62 MB, 15 of them in the archive. There it compiles what PyTorch exports, weights and all, with the
nvcc of that machine, and PyTorch's own outputs are the judge. Its command line is there for tuning, too.
"""

import argparse
import datetime
import json
import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import bank
import cases

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 40_000_000
CONTENT = "content.tar.xz"
# Of every Linux; a second copy beside another loader would not work.
SYSTEM = re.compile(r"(linux-vdso|ld-linux|libc|libm|libdl|libpthread|librt)\b")
# What `tools/dev gpu` needs of a checkout.
SOURCES = ("tools/dev", "tools/gpu/*.py", "tools/bench/reference.py", "models/recipes/*.py")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build/gpu-pack")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--architectures", default="sm_80,sm_90a", help="of the small models' cubins")
    parser.add_argument("--models", help="some of the small models, by name; default: all")
    parser.add_argument("--without-compiler", action="store_true", help="no mmcc, so no full-size models")
    parser.add_argument("--fast", action="store_true", help="compress little: for a folder that stays here")
    return parser.parse_args()


def call(command: list) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [""]
        raise RuntimeError(said[0 if done.stderr else -1][:300])
    return done.stdout


def add_programs(build: Path, folder: Path, with_compiler: bool) -> None:
    """Programs linked for other machines, and the libraries that they still need."""
    tools = ["mmcc-run"] + ["mmcc"] * with_compiler
    call(["ninja", "-C", build, *(f"portable_{t}" for t in tools)])
    for part in ("bin", "lib"):
        (folder / part).mkdir()
    for tool in tools:
        shutil.copy2(build / "portable" / tool, folder / "bin" / tool)
        for name, path in re.findall(r"^\s*(\S+) => (\S+)", call(["ldd", build / "portable" / tool]), re.MULTILINE):
            if re.match("libLLVM|libMLIR|libstdc", name):
                raise RuntimeError(f"{tool} is linked against {name}: it would not start elsewhere")
            if not SYSTEM.match(name):
                shutil.copy2(Path(path).resolve(), folder / "lib" / name)


def add_cases(options, folder: Path, made_here: Path) -> tuple[list, list]:
    """What was compiled, and what mmcc refuses, with its message."""
    wanted = cases.sources(ROOT) | bank.sources(made_here)
    if options.models:
        names = options.models.split(",")
        if unknown := sorted(set(names) - set(wanted)):
            raise RuntimeError(f"no small model named {' '.join(unknown)}")
        wanted = {n: wanted[n] for n in names}
    mmcc, made, refused = options.build / "bin/mmcc", [], []
    folder.mkdir()
    for name, model in wanted.items():
        artifact = folder / f"{name}.mmcc"
        try:
            call([mmcc, "compile", model.path, "-o", artifact, f"--target=cuda:{options.architectures}", *model.options])
            variants = json.loads(call([mmcc, "inspect", artifact, "--json"]))["variants"]
        except RuntimeError as error:
            refused.append(dict(name=name, message=str(error).replace(f"{ROOT}/", "").replace(f"{folder}/", "")))
            print(f"{name:28s} refused: {refused[-1]['message']}", flush=True)
            continue
        made += cases.of_model(name, model, folder, variants[0]["entries"])
        print(f"{name:28s} {artifact.stat().st_size / 1e6:6.2f} MB", flush=True)
    if not made:
        raise RuntimeError("no model was compiled")
    return made, refused


def compress(content: Path, archive: Path, fast: bool) -> None:
    """Models share kernels: a window as large as all of them finds those again."""
    best = {"id": lzma.FILTER_LZMA2, "preset": 0 if fast else 9, "dict_size": (1 if fast else 192) << 20}
    filters = [{"id": lzma.FILTER_X86}, best]
    with lzma.open(archive, "wb", filters=filters) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for part in sorted(content.iterdir(), key=lambda p: p.name):
            tar.add(part, part.name)


def commit() -> str:
    try:
        changed = call(["git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no"]).strip()
        return call(["git", "-C", ROOT, "rev-parse", "--short=12", "HEAD"]).strip() + (" with changes" if changed else "")
    except (RuntimeError, OSError):
        return "unknown"


def clear(folder: Path) -> None:
    """An earlier pack is replaced; anything else is left alone."""
    if (folder / "pack.json").exists():
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise RuntimeError(f"{folder} has something else in it")
    folder.mkdir(parents=True, exist_ok=True)


def main() -> int:
    options = arguments()
    options.build = options.build.resolve()
    try:
        clear(options.folder)
        with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryDirectory() as made_here:
            content = Path(temporary)
            add_programs(options.build, content, not options.without_compiler)
            made, refused = add_cases(options, content / "cases", Path(made_here))
            compress(content, options.folder / CONTENT, options.fast)
        for pattern in SOURCES:
            for source in ROOT.glob(pattern):
                target = options.folder / source.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        about = dict(
            commit=commit(),
            date=datetime.date.today().isoformat(),
            architectures=options.architectures.split(","),
            compiler=not options.without_compiler,
            cases=made,
            refused=refused,
        )
        (options.folder / "pack.json").write_text(json.dumps(about, indent=1) + "\n")
    except (RuntimeError, OSError) as error:
        print(f"gpu-pack: {error}", file=sys.stderr)
        return 4 if isinstance(error, OSError) else 1
    size = sum(p.stat().st_size for p in options.folder.rglob("*") if p.is_file())
    print(f"{options.folder}: {size / 1e6:.1f} MB, {len(made)} cases of {len({c['artifact'] for c in made})} models, {len(refused)} refused")
    if size > LIMIT:
        print(f"gpu-pack: more than {LIMIT / 1e6:.0f} MB: leave out an architecture or models", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
