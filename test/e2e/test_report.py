"""--report: the facts on the page against what is known otherwise, and the page itself in a real browser."""

import html
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import ROOT

TINY, TOME = ROOT / "models" / "tiny", ROOT / "models" / "tome"


def facts_of(page: Path) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', page.read_text(), re.DOTALL)
    assert "<" not in text
    return json.loads(text)


def rendered(page: Path, folder: Path) -> str:
    """What the page is after its script ran; fails on any message of the browser's console."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}"]
    command += ["--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, errors="replace")
    assert done.returncode == 0, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not console, console
    return done.stdout


def section(dom: str, name: str) -> str:
    return re.search(rf'<section id="{name}".*?</section>', dom, re.DOTALL).group(0)


@pytest.fixture(scope="module")
def merged(tools, tmp_path_factory):
    """A small ViT that merges eight tokens a layer, on a picture of four colours."""
    folder = tmp_path_factory.mktemp("merged")
    samples = folder / "samples"
    samples.mkdir()
    picture = np.zeros((1, 3, 64, 64), np.float32)
    for i, colour in enumerate([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]):
        y, x = 32 * (i // 2), 32 * (i % 2)
        picture[0, :, y : y + 32, x : x + 32] = np.array(colour)[:, None, None]
    np.savez(samples / "picture.npz", pixel_values=picture)
    options = ["--tome=r=8", "--dim", "batch=1", f"--calibrate={samples}"]
    tools.compile(TOME / "vit.onnx", folder / "plain.mmcc", *options)
    tools.compile(TOME / "vit.onnx", folder / "m.mmcc", *options, f"--report={folder / 'page.html'}")
    return folder


def test_a_report_leaves_the_artifact_as_it_is(merged):
    assert (merged / "m.mmcc").read_bytes() == (merged / "plain.mmcc").read_bytes()


def test_facts_of_a_merging_encoder(merged, tools):
    facts = facts_of(merged / "page.html")
    # 64 patches and the class token, eight less behind each of four layers.
    layers = facts["attention"]
    assert [a["queries"] for a in layers] == [a["keys"] for a in layers] == [65, 57, 49, 41]
    assert [a["merged"] for a in layers] == [8, 8, 8, 8] and [a["previous"] for a in layers] == [-1, 0, 1, 2]
    # Only merged tokens have sizes that scores are weighed by.
    assert [a["weighs_merged"] for a in layers] == [False, True, True, True]
    (entry,) = facts["entries"]
    inspected = json.loads(tools.call("mmcc", "inspect", merged / "m.mmcc", "--json").stdout)["entries"][0]
    launches = [c for c in entry["commands"] if not c["row"].startswith("Event")]
    assert len(launches) == inspected["commands"]["Dispatch"] == len(entry["profile"])
    assert entry["arena"] == {"bytes": inspected["arena_bytes"], "live": inspected["arena_live_bytes"]}
    assert entry["arena"]["bytes"] == max(b["offset"] + b["bytes"] for b in entry["buffers"])
    # No two buffers that are alive together overlap.
    for i, a in enumerate(entry["buffers"]):
        for b in entry["buffers"][:i]:
            together = a["first"] <= b["last"] and b["first"] <= a["last"]
            apart = a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"]
            assert not together or apart
    # Everything but the first waits for something before it.
    assert all(all(before < i for before in c["after"]) for i, c in enumerate(entry["commands"]))
    assert sum(not c["after"] for c in entry["commands"]) <= 4
    assert {s[1] for s in entry["timeline"]} == {r["command"] for r in entry["profile"]}
    # Every cell of a launch is in the timeline once, and a thread does one thing at a time.
    for index, command in enumerate(entry["commands"]):
        cells = [s[4] for s in entry["timeline"] if s[1] == index]
        assert sum(cells) == np.prod(command["grid"])
    for thread in range(entry["threads"]):
        own = [s for s in entry["timeline"] if s[0] == thread]
        assert all(before[3] <= after[2] for before, after in zip(own, own[1:]))
    # Launches one by one take about what a run takes; other work on the machine moves both.
    assert 0.05 < sum(r["ns"] for r in entry["profile"]) / 1e6 / entry["ms"] < 20
    assert 0 < entry["ms"] and facts["machine"]["gflops"] > 0 and facts["machine"]["read_gb_per_s"] > 0
    assert [s["stage"] for s in facts["stages"]] == "import simplify optimize quantize lower schedule emit".split()
    assert entry["origin"] == "the sample picture.npz"


def test_patches_are_those_of_the_source_map(merged, tools, tmp_path):
    patches = facts_of(merged / "page.html")["patches"]
    (image,) = patches["images"]
    tools.compile(TOME / "vit.onnx", tmp_path / "map.mmcc", "--tome=r=8", "--tome-map")
    with np.load(merged / "samples" / "picture.npz") as sample:
        want = tools.run(tmp_path / "map.mmcc", dict(sample), tmp_path)["tome_map"]
    assert image["map"] == want[0].tolist() and patches["entry"] == "vit"
    assert (patches["rows"], patches["columns"], patches["lead"]) == (8, 8, 1)
    import base64

    pixels = np.frombuffer(base64.b64decode(image["pixels"]), np.uint8).reshape(64, 64, 3)
    assert pixels[5, 5].tolist() == [255, 0, 0] and pixels[40, 40].tolist() == [255, 255, 255]


def test_the_page_draws_everything(merged, tmp_path):
    dom = rendered(merged / "page.html", tmp_path)
    facts = facts_of(merged / "page.html")
    (entry,) = facts["entries"]
    launches = [c for c in entry["commands"] if not c["row"].startswith("Event")]
    assert section(dom, "regions").count("<tr tabindex") == len(launches)
    graph = section(dom, "graph")
    assert graph.count('class="node"') == len(launches)
    assert graph.count('class="edge"') == sum(len(c["after"]) for c in launches)
    # Four layers of the same launches, of which the last one merges nothing for another to weigh.
    assert "fold 3 layers" in graph and 'layer 3 of 3' in graph
    assert section(dom, "timeline").count("<rect") == len(entry["timeline"])
    assert section(dom, "arena").count("<rect") == len(entry["buffers"])
    assert re.findall(r'data-tokens="(\d+)"', section(dom, "attention")) == ["65", "57", "49", "41"]
    assert section(dom, "roofline").count("<circle") > 10
    assert section(dom, "patches").count("<canvas") == 2 and "64 patches" in section(dom, "patches")
    assert "Where most could be won" in section(dom, "summary")
    # Nothing is fetched.
    assert not re.findall(r'(?:src|href)="(?!#)', dom) and "url(" not in dom


# What a person does with mouse and keys, and what the page then says.
PROBE = """<script>
const said = {}, tipOf = () => document.getElementById("tip").textContent;
for (const id of ["graph", "timeline", "roofline", "arena", "attention"]) {
  document.querySelector(`#${id} svg[tabindex]`).dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  said[id] = tipOf();
}
const box = document.querySelectorAll("#patches canvas")[1].getBoundingClientRect();
document.querySelectorAll("#patches canvas")[1].dispatchEvent(new MouseEvent("mousemove", { clientX: box.left + 3, clientY: box.top + 3 }));
said.patch = tipOf();
[...document.querySelectorAll("#regions th button")].find((b) => b.textContent.startsWith("kernel")).click();
said.kernels = [...document.querySelectorAll("#regions tbody tr")].map((row) => row.children[1].textContent);
const fold = document.getElementById("fold");
fold.checked = !fold.checked;
fold.dispatchEvent(new Event("change"));
said.folded = document.querySelectorAll("#graph .node").length;
const zoom = document.querySelector("#timeline input"), wide = document.querySelector("#timeline svg").getAttribute("width");
zoom.value = 4;
zoom.dispatchEvent(new Event("input"));
said.zoomed = document.querySelector("#timeline svg").getAttribute("width") / wide;
document.body.append(Object.assign(document.createElement("pre"), { id: "said", textContent: JSON.stringify(said) }));
</script></body>"""


def test_the_page_answers_mouse_and_keys(merged, tmp_path):
    text = (merged / "page.html").read_text()
    assert text.count("</body>") == 1
    (tmp_path / "probed.html").write_text(text.replace("</body>", PROBE))
    dom = rendered(tmp_path / "probed.html", tmp_path)
    said = json.loads(html.unescape(re.search(r'<pre id="said">(.*?)</pre>', dom, re.DOTALL)[1]))
    facts = facts_of(merged / "page.html")
    (entry,), image = facts["entries"], facts["patches"]["images"][0]
    launches = [c for c in entry["commands"] if not c["row"].startswith("Event")]
    assert said["graph"].startswith(launches[0]["kernel"]) and "this thread" in said["timeline"]
    assert "FLOP a byte" in said["roofline"] and "written first by" in said["arena"] and "65 tokens look at 65" in said["attention"]
    alike = image["map"].count(image["map"][facts["patches"]["lead"]])
    assert said["patch"] == ("this patch is a token of its own" if alike == 1 else f"{alike} patches are this token")
    assert said["kernels"] == sorted(c["kernel"] for c in launches)
    # One of three layers of twelve launches, and a box for the others.
    assert said["folded"] == len(launches) - 2 * 12 + 1 and said["zoomed"] == 4


# At this size Swin's second stage is one window; its shifted windows have theirs among the heads of the operation.
SWIN = [("windowed", 4, 2, 1.0), ("windowed", 4, 2, 1.0), ("full", 1, 4, 1.0), ("full", 1, 4, 1.0)]
# Of 16 x 16 pairs 1 + 2 + ... + 16.
CAUSAL = 136 / 256


@pytest.mark.parametrize(
    "model, expected",
    [
        (TINY / "swin_t.onnx", SWIN),
        (TINY / "clip_text.onnx", [("causal", 1, 4, CAUSAL)] * 2),
        (ROOT / "models" / "attention" / "flamingo_cross.onnx", [("cross", 2, 2, 1.0)]),
        (TINY / "qwen2_decode.onnx", [("cached", 1, 4, 1.0)] * 2),
    ],
    ids=lambda v: v.stem if isinstance(v, Path) else "",
)
def test_kinds_of_attention(model, expected, tools, tmp_path):
    tools.compile(model, tmp_path / "m.mmcc", "--target=cpu:x86-64-v3", f"--report={tmp_path / 'page.html'}")
    facts = facts_of(tmp_path / "page.html")
    assert [(a["kind"], a["rows"], a["heads"], a["density"]) for a in facts["attention"]] == expected
    assert all(a["why"] for a in facts["attention"])


def test_a_window_keeps_its_share_of_pairs(tools, tmp_path):
    model = ROOT / "models" / "attention" / "mistral_sdpa.dyn.onnx"
    tools.compile(model, tmp_path / "m.mmcc", "--dim", "seq=1..24", f"--report={tmp_path / 'page.html'}")
    window = facts_of(tmp_path / "page.html")["attention"]
    # The query itself and four before it: 1 + 2 + 3 + 4 + 20 * 5 of 24 * 24 pairs; two heads share one of keys.
    assert window and all((a["kind"], a["heads"], a["key_heads"]) == ("sliding", 2, 1) for a in window)
    assert all(a["density"] == pytest.approx(110 / 576) for a in window)


def test_sizes_that_vary_are_run_at_their_bound(tools, tmp_path):
    model = TINY / "bert_base.dyn.onnx"
    (name,) = {d for v in onnx.load(model).graph.input for d in (x.dim_param for x in v.type.tensor_type.shape.dim) if d}
    tools.compile(model, tmp_path / "m.mmcc", "--dim", f"{name}=1..13", f"--report={tmp_path / 'page.html'}")
    (entry,) = facts_of(tmp_path / "page.html")["entries"]
    assert entry["sizes"] == [{"name": name, "value": 13}] and entry["ms"] > 0
    assert entry["origin"].startswith("zeros")


def test_several_entries(tools, tmp_path):
    tools.compile(TINY / "clip_b32.onnx", tmp_path / "m.mmcc", TINY / "clip_text.onnx", f"--report={tmp_path / 'page.html'}")
    facts = facts_of(tmp_path / "page.html")
    assert [e["name"] for e in facts["entries"]] == ["clip_b32", "clip_text"]
    dom = rendered(tmp_path / "page.html", tmp_path)
    assert dom.count("<option") == 2 and "patches" in dom and not section(dom, "patches").count("<canvas")


def test_names_of_the_model_stay_text(tools, tmp_path):
    model = onnx.load(TINY / "minilm_l6.onnx")
    hostile = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>&amp;\u2028"
    for i, node in enumerate(model.graph.node):
        node.name = f"{hostile} {i}"
    onnx.save(model, tmp_path / "h.onnx")
    tools.compile(tmp_path / "h.onnx", tmp_path / "m.mmcc", f"--report={tmp_path / 'page.html'}")
    dom = rendered(tmp_path / "page.html", tmp_path)
    assert "<title>m.mmcc – mmcc report</title>" in dom and "<img" not in dom
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;amp;" in section(dom, "regions")


def test_names_that_are_not_text_at_all(tools, tmp_path):
    model = onnx.load(TINY / "minilm_l6.onnx")
    for i, node in enumerate(model.graph.node):
        node.name = f"QQQQ{i}"
    (tmp_path / "h.onnx").write_bytes(model.SerializeToString().replace(b"QQQQ", b"\xff\xfe\x00\x80"))
    tools.compile(tmp_path / "h.onnx", tmp_path / "m.mmcc", f"--report={tmp_path / 'page.html'}")
    assert any("\ufffd" in c["nodes"] for c in facts_of(tmp_path / "page.html")["entries"][0]["commands"])
    assert "\ufffd" in section(rendered(tmp_path / "page.html", tmp_path), "regions")


def test_a_page_that_cannot_be_written(tools, tmp_path):
    done = tools.call("mmcc", "compile", TINY / "minilm_l6.onnx", "-o", tmp_path / "m.mmcc", f"--report={tmp_path / 'no' / 'page.html'}")
    assert done.returncode == 4 and "--report=" in done.stderr
    # Said before the model is compiled.
    assert not list(tmp_path.iterdir())
    (tmp_path / "taken").mkdir()
    done = tools.call("mmcc", "compile", TINY / "minilm_l6.onnx", "-o", tmp_path / "m.mmcc", f"--report={tmp_path / 'taken'}")
    assert done.returncode == 4 and "--report=" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.mmcc", "taken"]


def test_samples_that_are_not_there(tools, tmp_path):
    options = [f"--report={tmp_path / 'page.html'}", f"--calibrate={tmp_path / 'nowhere'}"]
    done = tools.call("mmcc", "compile", TINY / "minilm_l6.onnx", "-o", tmp_path / "m.mmcc", *options)
    assert done.returncode == 1 and "nowhere" in done.stderr and not list(tmp_path.iterdir())


def test_a_machine_that_cannot_run_it_still_gets_a_page(tools, tmp_path):
    """The loader is told to use a level that the artifact lacks."""
    options = ["--target=cpu:x86-64-v3", "--dim", "batch=1", f"--report={tmp_path / 'page.html'}"]
    command = [tools.binaries / "mmcc", "compile", TOME / "vit.onnx", "-o", tmp_path / "m.mmcc", *options]
    environment = os.environ | {"MMCC_ISA": "x86-64-v4-amx"}
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    (entry,) = facts_of(tmp_path / "page.html")["entries"]
    assert entry["message"] and "ms" not in entry
    dom = rendered(tmp_path / "page.html", tmp_path)
    assert "It was not run here" in section(dom, "summary")
    assert section(dom, "graph").count('class="node"') == len(entry["commands"]) > 10
    assert section(dom, "arena").count("<rect") == len(entry["buffers"]) > 4


def test_towers_of_one_program_stand_side_by_side(tools, tmp_path):
    for name, model in (("image", "clip_b32.dyn"), ("text", "clip_text.dyn")):
        (tmp_path / f"{name}.onnx").write_bytes((TINY / f"{model}.onnx").read_bytes())
    outputs = [f"{name}.{onnx.load(tmp_path / f'{name}.onnx').graph.output[0].name}" for name in ("image", "text")]
    content = {"entries": {"image": "image.onnx", "text": "text.onnx"}, "outputs": outputs}
    (tmp_path / "towers.json").write_text(json.dumps(content))
    tools.compile(tmp_path / "towers.json", tmp_path / "m.mmcc", f"--report={tmp_path / 'page.html'}")
    facts = facts_of(tmp_path / "page.html")
    entries = {e["name"]: e for e in facts["entries"]}
    assert set(entries) == {"image", "text", "towers"}
    assert {c["stream"] for c in entries["towers"]["commands"]} == {0, 1}
    # Each tower's two layers follow each other, and neither follows the other tower's.
    both = [a["previous"] for a in facts["attention"] if a["entry"] == "towers"]
    assert sorted(both) == sorted([-1, -1] + [i for i in both if i >= 0]) and len(both) == 4 and len([i for i in both if i >= 0]) == 2
    dom = rendered(tmp_path / "page.html", tmp_path)
    assert dom.count("<option") == 3 and section(dom, "attention").count('aria-label="Tokens by layer') == 2
    places = {float(x) for x in re.findall(r'class="node" x="([0-9.]+)"', section(dom, "graph"))}
    assert len(places) == 2
