"use strict";
// Draws the facts. Text of the model reaches the page as text only.

const facts = JSON.parse(document.getElementById("facts").textContent);
const machine = facts.machine;
// Other work may have slowed the measurement of the limit: no region is above it.
for (const entry of facts.entries)
  for (const row of entry.profile || []) if (row.ns > 0) machine.gflops = Math.max(machine.gflops, row.flops / row.ns);

// --- Small things -----------------------------------------------------------

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const child of children) node.append(child);
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const child of children) node.append(child);
  return node;
}

const label = (x, y, text, anchor = "start") => svg("text", { x, y, "text-anchor": anchor }, String(text));

function number(value, digits = 3) {
  if (!isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit + 1 < units.length; ++unit) value /= 1000;
  return number(value) + " " + units[unit];
}

const milliseconds = (ns) => (ns >= 1e5 ? number(ns / 1e6) + " ms" : number(ns / 1e3) + " µs");
const percent = (share) => number(100 * share, 2) + " %";

const tip = document.getElementById("tip");
function explain(node, text) {
  const show = (x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.max(4, Math.min(y + 16, innerHeight - tip.offsetHeight - 8)) + "px";
    node.classList.add("hot");
  };
  const hide = () => { tip.hidden = true; node.classList.remove("hot"); };
  node.addEventListener("mousemove", (event) => show(event.clientX, event.clientY));
  node.addEventListener("mouseleave", hide);
  node.addEventListener("focus", () => { const box = node.getBoundingClientRect(); show(box.left, box.bottom); });
  node.addEventListener("blur", hide);
  return node;
}

function fill(id, title, ...children) {
  const section = document.getElementById(id);
  section.replaceChildren(...(title ? [element("h2", {}, title)] : []), ...children);
  return section;
}

const KINDS = {
  product: ["--gemm", "products"], attention: ["--attention", "attention"], convolution: ["--conv", "convolutions"],
  tokens: ["--tokens", "tokens chosen and merged"], loops: ["--loops", "norms, reductions, elementwise"], move: ["--move", "copies and fills"],
};
function kindOf(command) {
  const row = command.row;
  if (row.startsWith("attention")) return "attention";
  if (row.includes("gemm")) return "product";
  if (row.startsWith("conv") || row.startsWith("depthwise")) return "convolution";
  if (row.startsWith("token") || row.startsWith("topk") || row.startsWith("retrieve")) return "tokens";
  return row === "Copy" || row === "Fill" ? "move" : "loops";
}
const colour = (kind) => `var(${KINDS[kind][0]})`;

function legend(kinds) {
  const items = kinds.map((kind) => element("span", {}, element("i", { style: `background:${colour(kind)}` }), KINDS[kind][1]));
  return element("div", { class: "legend" }, ...items);
}

// --- One entry --------------------------------------------------------------

/// Commands with their time, and what the machine would need at least.
function regionsOf(entry) {
  const time = new Map((entry.profile || []).map((row) => [row.command, row]));
  const regions = [];
  (entry.commands || []).forEach((command, index) => {
    if (command.row.startsWith("Event")) return;
    const row = time.get(index) || { ns: 0, flops: 0 };
    const least = Math.max(machine.gflops ? row.flops / machine.gflops : 0, machine.read_gb_per_s ? command.bytes / machine.read_gb_per_s : 0);
    regions.push({ ...command, index, ns: row.ns, flops: row.flops, kind: kindOf(command), least, name: command.nodes || "(layout)" });
  });
  return regions;
}

function describe(region, total) {
  const rate = region.ns > 0 && region.flops > 0 ? `${number(region.flops / region.ns)} GFLOP/s, ` +
    (machine.gflops ? percent(region.flops / region.ns / machine.gflops) + " of the machine's multiply-adds\n" : "\n") : "";
  return `${region.kernel}\n${region.name}\n${milliseconds(region.ns)}, ${percent(region.ns / total)} of the run\n${rate}` +
    `${bytes(region.bytes)} of operands`;
}

function summary(entry, regions) {
  const total = regions.reduce((sum, region) => sum + region.ns, 0);
  if (entry.message) {
    fill("summary", "Summary", element("p", {}, "It was not run here: " + entry.message));
    return total;
  }
  const flops = regions.reduce((sum, region) => sum + region.flops, 0);
  const figure = (value, text) => element("div", { class: "figure" }, element("b", {}, value), element("span", {}, text));
  const figures = [
    figure(number(entry.ms) + " ms", `a run, the median of ${entry.runs}`),
    figure(number(flops / 1e9) + " GFLOP", "of arithmetic that is counted"),
    figure(number(flops / 1e6 / entry.ms) + " GFLOP/s", machine.gflops ? percent(flops / 1e6 / entry.ms / machine.gflops) + " of this machine's " + number(machine.gflops) : ""),
    figure(bytes(entry.arena_bytes), "arena" + (entry.arena.bytes && entry.arena.live ? `, ${number(entry.arena.bytes / entry.arena.live)} × what is alive at once` : "")),
    figure(bytes(facts.model.weights_bytes), "weights, all entries"),
  ];
  const byKind = Object.keys(KINDS).map((kind) => [kind, regions.filter((r) => r.kind === kind).reduce((sum, r) => sum + r.ns, 0)]).filter(([, ns]) => ns > 0);
  const stack = element("div", { class: "stack" }, ...byKind.map(([kind, ns]) =>
    explain(element("i", { style: `flex:${ns / total};background:${colour(kind)}` }), `${KINDS[kind][1]}: ${milliseconds(ns)}, ${percent(ns / total)}`)));
  const slack = regions.map((r) => ({ ...r, slack: r.ns - r.least })).sort((a, b) => b.slack - a.slack).slice(0, 3).filter((r) => r.slack > 0);
  const sizes = entry.sizes.map((s) => `${s.name} = ${s.value}`).join(", ");
  fill("summary", "Summary",
    element("p", { class: "soft" }, `On ${machine.name}, ${machine.threads} threads, level ${entry.isa}; run on ${entry.origin}${sizes ? "; " + sizes : ""}.`),
    element("div", { class: "figures" }, ...figures), stack, legend(byKind.map(([kind]) => kind)),
    element("p", {}, "Where most could be won, if these regions ran at the machine's limits:"),
    element("ol", {}, ...slack.map((r) => element("li", {}, `${r.name} (${r.row}): ${milliseconds(r.ns)}, at the limit ${milliseconds(r.least)}`))));
  return total;
}

// --- Timeline ---------------------------------------------------------------

function timeline(entry, regions, total) {
  const slices = entry.timeline || [];
  if (!slices.length) return fill("timeline");
  const byIndex = new Map(regions.map((r) => [r.index, r]));
  const end = Math.max(...slices.map((s) => s[3])), threads = Math.max(...slices.map((s) => s[0])) + 1;
  const lane = 30, left = 64, height = threads * lane + 26;
  const holder = element("div", { class: "scroll wide" });
  const draw = (zoom) => {
    const width = 1100 * zoom, scale = (width - left - 10) / end;
    const picture = svg("svg", { width, height, role: "img", "aria-label": "Threads over time" });
    for (let t = 0; t < threads; ++t) picture.append(label(4, t * lane + 19, t === 0 ? "caller" : "thread " + t));
    for (let i = 0; i <= 10; ++i) {
      const x = left + (end * i / 10) * scale;
      picture.append(svg("line", { class: "gridline", x1: x, x2: x, y1: 0, y2: height - 20 }), label(x, height - 6, number(end * i / 1e7) + " ms", i === 10 ? "end" : "middle"));
    }
    for (const [thread, command, begin, finish] of slices) {
      const region = byIndex.get(command);
      if (!region) continue;
      const bar = svg("rect", { x: left + begin * scale, y: thread * lane + 4, width: Math.max(0.4, (finish - begin) * scale), height: lane - 8, fill: colour(region.kind) });
      picture.append(explain(bar, `${describe(region, total)}\nthis thread: ${milliseconds(finish - begin)}, from ${milliseconds(begin)}`));
    }
    holder.replaceChildren(picture);
  };
  const zoom = element("input", { type: "range", min: 1, max: 24, value: 1, "aria-label": "Zoom" });
  zoom.addEventListener("input", () => draw(Number(zoom.value)));
  const busy = slices.reduce((sum, s) => sum + s[3] - s[2], 0) / (threads * end);
  draw(1);
  fill("timeline", "A run, thread by thread", element("p", { class: "soft" }, `One run as it is: threads are at work ${percent(busy)} of the time. `, element("label", {}, "Zoom ", zoom)), holder,
    legend([...new Set(slices.map((s) => byIndex.get(s[1])?.kind).filter(Boolean))]));
}

// --- Regions: graph and table -----------------------------------------------

const GUTTER = 92, ROW = 23;

function edges(regions, streams) {
  const place = new Map(regions.map((r, i) => [r.index, i]));
  const x = (r) => GUTTER - 14 - 12 * (streams - 1 - r.stream), y = (i) => (i + 1.5) * ROW;
  const picture = svg("svg", { width: GUTTER, height: (regions.length + 1) * ROW, role: "img", "aria-label": "What waits for what" });
  regions.forEach((region, i) => {
    for (const other of region.after) {
      const j = place.get(other);
      if (j === undefined) continue;
      const from = regions[j], bulge = Math.min(GUTTER - 24, 7 * Math.log2(i - j) * 1.6);
      const d = i - j === 1 ? `M${x(from)} ${y(j)}L${x(region)} ${y(i)}`
        : `M${x(from)} ${y(j)}C${x(from) - bulge} ${y(j)} ${x(region) - bulge} ${y(i)} ${x(region)} ${y(i)}`;
      picture.append(svg("path", { class: "edge", d }));
    }
  });
  regions.forEach((region, i) => picture.append(svg("circle", { cx: x(region), cy: y(i), r: 4, fill: colour(region.kind) })));
  return picture;
}

function regionTable(entry, regions, total) {
  if (!regions.length) return fill("regions");
  const streams = Math.max(...regions.map((r) => r.stream)) + 1, longest = Math.max(...regions.map((r) => r.ns), 1);
  const columns = [["#", "index"], ["kernel", "kernel"], ["nodes of the model", "name"], ["time", "ns"], ["", null], ["of the run", "ns"], ["GFLOP/s", "rate"], ["of the limit", "share"]];
  const rate = (r) => (r.ns > 0 ? r.flops / r.ns : 0), share = (r) => (r.ns > 0 ? r.least / r.ns : 0);
  const holder = element("div", { class: "scroll" });
  const draw = (key) => {
    const rows = [...regions];
    const value = { rate, share, ns: (r) => r.ns }[key];
    if (value) rows.sort((a, b) => value(b) - value(a));
    else if (key !== "index") rows.sort((a, b) => (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : a.index - b.index));
    const head = element("tr", {}, ...columns.map(([text, column]) => {
      const button = element("button", { type: "button" }, text);
      if (column) button.addEventListener("click", () => draw(column));
      return element("th", ["nodes of the model", "kernel", ""].includes(text) ? {} : { class: "n" }, button);
    }));
    const body = rows.map((r) => {
      const bar = element("span", { class: "bar", style: `width:${Math.max(1, 110 * r.ns / longest)}px;background:${colour(r.kind)}` });
      const cells = [[r.index, "n"], [r.kernel, ""], [r.name, "name"], [milliseconds(r.ns), "n"], [bar, ""], [percent(r.ns / total), "n"],
        [r.flops ? number(rate(r)) : "", "n"], [r.ns ? percent(Math.min(share(r), 1)) : "", "n"]];
      return explain(element("tr", { tabindex: 0 }, ...cells.map(([text, kind]) => element("td", { class: kind }, text))), describe(r, total));
    });
    const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
    const graph = element("div", { class: "graph" }, table);
    if (key === "index") {
      table.style.marginLeft = GUTTER + "px";
      table.style.width = `calc(100% - ${GUTTER}px)`;
      graph.append(edges(regions, streams));
    }
    holder.replaceChildren(graph);
  };
  draw("index");
  fill("regions", "Regions", element("p", { class: "soft" }, `${regions.length} launches in ${streams} ${streams > 1 ? "streams" : "stream"}, in order; a line leads from what wrote a buffer to what reads it. ` +
    "Times are of each launch alone. “Of the limit” is the time that multiply-adds or reading the operands once from memory would take at least; operands in a cache can be faster. Headings sort."), holder);
}

// --- Roofline ---------------------------------------------------------------

function roofline(regions, total) {
  const points = regions.filter((r) => r.flops > 0 && r.ns > 0 && r.bytes > 0);
  if (!points.length || !machine.gflops || !machine.read_gb_per_s) return fill("roofline");
  const width = 1100, height = 380, left = 62, right = 20, top = 14, bottom = 40;
  const intensities = points.map((r) => r.flops / r.bytes), rates = points.map((r) => r.flops / r.ns);
  const ridge = machine.gflops / machine.read_gb_per_s;
  const low = Math.floor(Math.log10(Math.min(...intensities, ridge / 4))), high = Math.ceil(Math.log10(Math.max(...intensities, ridge * 4)));
  const floor = Math.floor(Math.log10(Math.min(...rates))), ceiling = Math.ceil(Math.log10(Math.max(machine.gflops, ...rates)));
  const x = (v) => left + (Math.log10(v) - low) / (high - low) * (width - left - right);
  const y = (v) => height - bottom - (Math.log10(v) - floor) / (ceiling - floor) * (height - top - bottom);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img", "aria-label": "Roofline" });
  for (let i = low; i <= high; ++i) picture.append(svg("line", { class: "gridline", x1: x(10 ** i), x2: x(10 ** i), y1: top, y2: height - bottom }), label(x(10 ** i), height - 22, number(10 ** i), "middle"));
  for (let i = floor; i <= ceiling; ++i) picture.append(svg("line", { class: "gridline", x1: left, x2: width - right, y1: y(10 ** i), y2: y(10 ** i) }), label(left - 8, y(10 ** i) + 4, number(10 ** i), "end"));
  const start = Math.max(10 ** low, 10 ** floor / machine.read_gb_per_s);
  picture.append(svg("path", { class: "mark", d: `M${x(start)} ${y(start * machine.read_gb_per_s)}L${x(ridge)} ${y(machine.gflops)}L${width - right} ${y(machine.gflops)}` }));
  picture.append(label(width - right, y(machine.gflops) - 6, `${number(machine.gflops)} GFLOP/s`, "end"), label(left + 6, top + 12, `reading: ${number(machine.read_gb_per_s)} GB/s`));
  picture.append(label(width / 2, height - 4, "FLOP a byte of operands", "middle"), svg("text", { transform: `translate(14 ${(height - bottom) / 2 + 30}) rotate(-90)` }, "GFLOP/s"));
  for (const r of points) {
    const dot = svg("circle", { cx: x(r.flops / r.bytes), cy: y(r.flops / r.ns), r: 3 + 16 * Math.sqrt(r.ns / total), fill: colour(r.kind), "fill-opacity": 0.6 });
    picture.append(explain(dot, describe(r, total)));
  }
  fill("roofline", "Roofline", element("p", { class: "soft" }, "Each region by what it computes for a byte of its operands, sized by its time. The dashed line is what this machine can do: measured multiply-adds, and reading from memory. Regions above the slope had their operands in a cache."),
    element("div", { class: "chart" }, picture), legend([...new Set(points.map((r) => r.kind))]));
}

// --- Arena ------------------------------------------------------------------

function arena(entry, regions, total) {
  const buffers = entry.buffers || [];
  if (!buffers.length) return entry.arena_bytes ? fill("arena", "Arena over time", element("p", { class: "soft" }, "Sizes depend on the call: buffers are placed when it comes. Fixing them (--dim NAME=N or LO..HI) places them in the compiler, and shows them here.")) : fill("arena");
  const width = 1100, height = 300, left = 76, bottom = 28, top = 10;
  const commands = Math.max(...buffers.map((b) => b.last)) + 1, size = entry.arena.bytes;
  const x = (c) => left + c / commands * (width - left - 10), y = (b) => height - bottom - b / size * (height - bottom - top);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img", "aria-label": "Arena over time" });
  for (let i = 0; i <= 4; ++i) picture.append(svg("line", { class: "gridline", x1: left, x2: width - 10, y1: y(size * i / 4), y2: y(size * i / 4) }), label(left - 6, y(size * i / 4) + 4, bytes(size * i / 4), "end"));
  const writers = new Map(regions.map((r) => [r.index, r]));
  for (const buffer of buffers) {
    const writer = writers.get(buffer.first);
    const box = svg("rect", { x: x(buffer.first), y: y(buffer.offset + buffer.bytes), width: Math.max(1, x(buffer.last + 1) - x(buffer.first) - 0.5), height: Math.max(0.5, y(buffer.offset) - y(buffer.offset + buffer.bytes)), fill: writer ? colour(writer.kind) : "var(--soft)", "fill-opacity": 0.75, stroke: "var(--card)", "stroke-width": 0.5 });
    picture.append(explain(box, `${bytes(buffer.bytes)} at ${bytes(buffer.offset)}\nfrom command ${buffer.first} to ${buffer.last}` + (writer ? `\nwritten first by ${writer.kernel}\n${writer.name}` : "")));
  }
  if (entry.arena.live) picture.append(svg("line", { class: "mark", x1: left, x2: width - 10, y1: y(entry.arena.live), y2: y(entry.arena.live) }));
  picture.append(label(width / 2, height - 6, "commands, in order", "middle"));
  fill("arena", "Arena over time", element("p", { class: "soft" }, `${buffers.length} buffers in ${bytes(size)}; each is where it lies, for as long as it is needed, in the colour of what writes it first. The dashed line is the most that is alive at once, ${bytes(entry.arena.live)}: no placement takes less.`),
    element("div", { class: "chart" }, picture));
}

// --- Attention and tokens ---------------------------------------------------

function attention(entry) {
  const rows = facts.attention.filter((a) => a.entry === entry.name);
  if (!rows.length) return fill("attention");
  const sizes = Object.fromEntries(entry.sizes ? entry.sizes.map((s) => [s.name, s.value]) : []);
  const counted = (value) => (typeof value === "number" ? value : sizes[value]);
  const known = rows.filter((a) => counted(a.queries) && counted(a.keys));
  const parts = [];
  if (known.length) {
    const step = Math.max(8, Math.min(48, 1040 / known.length)), height = 190, top = 18, left = 50;
    const most = Math.max(...known.map((a) => Math.max(counted(a.queries), counted(a.keys))));
    const y = (tokens) => (height - top - 24) * tokens / most;
    const picture = svg("svg", { width: left + step * known.length + 20, height, role: "img", "aria-label": "Tokens by layer" });
    known.forEach((a, i) => {
      const queries = counted(a.queries), keys = counted(a.keys);
      const bar = svg("rect", { class: "tokens", x: left + i * step + 2, y: height - 24 - y(queries), width: step * 0.7, height: y(queries), fill: "var(--attention)", "data-tokens": queries });
      picture.append(explain(bar, `layer ${i}: ${a.kind}${a.limits ? ", " + a.limits : ""}\n${a.size}\n${a.node}`));
      if (keys !== queries) picture.append(svg("line", { class: "mark", x1: left + i * step, x2: left + i * step + step * 0.8, y1: height - 24 - y(keys), y2: height - 24 - y(keys) }));
      if (step >= 22) picture.append(label(left + i * step + 2 + step * 0.35, height - 28 - y(queries), queries, "middle"));
      if (step >= 14 || i % 4 === 0) picture.append(label(left + i * step + 2 + step * 0.35, height - 8, i, "middle"));
    });
    picture.append(label(4, height - 8, "layer"));
    parts.push(element("p", { class: "soft" }, "Tokens that ask in each attention, layer by layer; a dashed line where they look at another number."), element("div", { class: "scroll wide" }, picture));
  }
  const head = element("tr", {}, ...["layer", "kind", "what its mask says", "size", "node"].map((text) => element("th", {}, text)));
  const body = rows.map((a, i) => element("tr", {}, element("td", {}, String(i)), element("td", {}, a.kind), element("td", {}, a.limits || "–"), element("td", {}, a.size), element("td", { class: "name" }, a.node)));
  fill("attention", "Attention and tokens", ...parts, element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...body))));
}

// --- Merged patches ---------------------------------------------------------

function patches() {
  const p = facts.patches;
  if (!p) return facts.patches_reason ? fill("patches", "Merged patches", element("p", { class: "soft" }, facts.patches_reason + ".")) : fill("patches");
  const raw = Uint8Array.from(atob(p.pixels), (c) => c.charCodeAt(0));
  const scale = Math.max(1, Math.round(480 / Math.max(p.width, p.height))), cellX = p.width / p.columns, cellY = p.height / p.rows;
  const groupAt = (row, column) => p.map[p.lead + row * p.columns + column];
  const members = new Map();
  for (let i = p.lead; i < p.map.length; ++i) members.set(p.map[i], (members.get(p.map[i]) || []).concat(i - p.lead));
  const pixelGroup = (x, y) => groupAt(Math.floor(y / cellY), Math.floor(x / cellX));
  const sums = new Map();
  for (let y = 0; y < p.height; ++y)
    for (let x = 0; x < p.width; ++x) {
      const sum = sums.get(pixelGroup(x, y)) || [0, 0, 0, 0], at = 3 * (y * p.width + x);
      for (let c = 0; c < 3; ++c) sum[c] += raw[at + c];
      ++sum[3];
      sums.set(pixelGroup(x, y), sum);
    }
  const paint = (merged) => {
    const canvas = element("canvas", { width: p.width * scale, height: p.height * scale }), context = canvas.getContext("2d");
    const image = context.createImageData(p.width * scale, p.height * scale);
    for (let y = 0; y < p.height * scale; ++y)
      for (let x = 0; x < p.width * scale; ++x) {
        const px = Math.floor(x / scale), py = Math.floor(y / scale), at = 3 * (py * p.width + px), to = 4 * (y * p.width * scale + x);
        const sum = sums.get(pixelGroup(px, py));
        for (let c = 0; c < 3; ++c) image.data[to + c] = merged ? sum[c] / sum[3] : raw[at + c];
        image.data[to + 3] = 255;
      }
    context.putImageData(image, 0, 0);
    if (!merged) return canvas;
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1.5;
    context.beginPath();
    for (let r = 0; r < p.rows; ++r)
      for (let c = 0; c < p.columns; ++c) {
        const x0 = c * cellX * scale, y0 = r * cellY * scale, x1 = x0 + cellX * scale, y1 = y0 + cellY * scale;
        if (c + 1 < p.columns && groupAt(r, c) !== groupAt(r, c + 1)) { context.moveTo(x1, y0); context.lineTo(x1, y1); }
        if (r + 1 < p.rows && groupAt(r, c) !== groupAt(r + 1, c)) { context.moveTo(x0, y1); context.lineTo(x1, y1); }
      }
    context.stroke();
    const untouched = context.getImageData(0, 0, canvas.width, canvas.height);
    canvas.addEventListener("mousemove", (event) => {
      const box = canvas.getBoundingClientRect();
      const c = Math.floor((event.clientX - box.left) / box.width * p.columns), r = Math.floor((event.clientY - box.top) / box.height * p.rows);
      if (r < 0 || c < 0 || r >= p.rows || c >= p.columns) return;
      context.putImageData(untouched, 0, 0);
      context.fillStyle = "rgba(194, 66, 127, 0.55)";
      for (const i of members.get(groupAt(r, c))) context.fillRect((i % p.columns) * cellX * scale, Math.floor(i / p.columns) * cellY * scale, cellX * scale, cellY * scale);
      tip.textContent = `${members.get(groupAt(r, c)).length} patches are this token`;
      tip.hidden = false;
      tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
      tip.style.top = event.clientY + 16 + "px";
    });
    canvas.addEventListener("mouseleave", () => { tip.hidden = true; context.putImageData(untouched, 0, 0); });
    return canvas;
  };
  const left = new Set(p.map.slice(p.lead)).size, largest = Math.max(...[...members.values()].map((m) => m.length));
  fill("patches", "Merged patches", element("p", { class: "soft" }, `${p.rows * p.columns} patches of the sample's image became ${left} tokens; the largest stands for ${largest}. Each is painted in the mean of what it stands for.`),
    element("div", { class: "pair" }, element("figure", {}, paint(false), element("figcaption", {}, "the image")), element("figure", {}, paint(true), element("figcaption", {}, "what the last layer sees"))));
}

// --- What was compiled ------------------------------------------------------

function details() {
  const model = facts.model;
  const rows = [["artifact", `${model.file}, ${bytes(model.file_bytes)}, weights ${bytes(model.weights_bytes)}`], ["made by", model.producer], ["options", model.options],
    ...model.sources.map((s) => ["source", `${s.name}, ${bytes(s.bytes)}`]), ...model.variants.map((v) => ["code", `${v.target}: ${v.kernels} kernels, ${bytes(v.code_bytes)}`]),
    ...Object.entries(model.notes)];
  const stages = facts.stages.map((s) => element("tr", {}, element("td", {}, s.stage), element("td", { class: "n" }, number(s.seconds) + " s"), element("td", { class: "n" }, number(s.peak_mb) + " MB")));
  fill("details", "What was compiled", element("div", { class: "scroll wide" }, element("table", {}, ...rows.map(([name, value]) => element("tr", {}, element("th", {}, name), element("td", {}, value))))),
    element("p", {}), element("div", { class: "scroll wide" }, element("table", {}, element("thead", {}, element("tr", {}, element("th", {}, "stage"), element("th", { class: "n" }, "time"), element("th", { class: "n" }, "peak memory"))), element("tbody", {}, ...stages))));
}

// --- All of it --------------------------------------------------------------

function show(entry) {
  const regions = regionsOf(entry), total = summary(entry, regions);
  timeline(entry, regions, total);
  regionTable(entry, regions, total);
  roofline(regions, total);
  arena(entry, regions, total);
  attention(entry);
}

document.title = facts.model.file + " – mmcc report";
document.getElementById("title").textContent = facts.model.file;
document.getElementById("subtitle").textContent = `${facts.model.producer} · ${facts.model.variants.map((v) => v.target).join(", ")} · ${bytes(facts.model.file_bytes)}`;
const choice = document.getElementById("entry");
facts.entries.forEach((entry, i) => choice.append(element("option", { value: i }, entry.name)));
choice.addEventListener("change", () => show(facts.entries[choice.value]));
document.getElementById("entry-choice").hidden = facts.entries.length < 2;
// The entry that joins the others is the one that is called.
choice.value = facts.entries.length - 1;
show(facts.entries[choice.value]);
patches();
details();
