"use strict";
// Elements, numbers, colours and the tip. Text of the model reaches the page as text only: append() and setAttribute() never parse it.

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const label = (x, y, text, anchor = "start", name = "") => svg("text", { x, y, "text-anchor": anchor, class: name }, String(text));
const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });

function picture(width, height, name, attributes = {}) {
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name, ...attributes });
}

function number(value, digits = 3) {
  if (!isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit + 1 < units.length; ++unit) value /= 1000;
  return number(value) + " " + units[unit];
}

const duration = (ns) => (ns >= 1e6 ? number(ns / 1e6) + " ms" : number(ns / 1e3) + " µs");
const percent = (share) => number(100 * share, 2) + " %";
const shorten = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);
const sum = (list, of) => list.reduce((total, each) => total + of(each), 0);
const largest = (list, of, least = 0) => list.reduce((most, each) => Math.max(most, of(each)), least);

/// Steps of 1, 2 or 5 times a power of ten, about `count` of them up to `end`.
function ticks(end, count) {
  const raw = end / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((s) => s * power >= raw) || 10);
  return Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, i) => i * step);
}

const tip = document.getElementById("tip");

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = Math.max(4, y + 16 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 10 : y + 16) + "px";
}

/// Shows `text` while the pointer is on the node, or the focus.
function explain(node, text) {
  const show = (x, y) => { showTip(text, x, y); node.classList.add("hot"); };
  const hide = () => { tip.hidden = true; node.classList.remove("hot"); };
  const below = () => { const box = node.getBoundingClientRect(); show(box.left, box.bottom - 10); };
  node.addEventListener("mousemove", (event) => show(event.clientX, event.clientY));
  node.addEventListener("mouseleave", hide);
  node.addEventListener("focus", below);
  node.addEventListener("blur", hide);
  node.showTip = below;
  node.hideTip = hide;
  return node;
}

/// One stop of the tab key for a whole picture; arrow keys go through its explained parts.
function walkable(drawing, parts) {
  let at = -1;
  drawing.setAttribute("tabindex", 0);
  drawing.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -1e9, End: 1e9 }[event.key];
    if (!step || !parts.length) return;
    event.preventDefault();
    if (at >= 0) parts[at].hideTip();
    at = Math.max(0, Math.min(parts.length - 1, at + step));
    parts[at].scrollIntoView({ block: "nearest", inline: "nearest" });
    parts[at].showTip();
  });
  drawing.addEventListener("blur", () => { if (at >= 0) parts[at].hideTip(); });
  return drawing;
}

function fill(id, title, ...children) {
  const section = document.getElementById(id);
  section.replaceChildren(...(title ? [element("h2", {}, title)] : []), ...children);
}

const soft = (text) => element("p", { class: "soft" }, text);

/// columns: [title, class]; rows: lists of cells, each text or an element.
function table(columns, rows) {
  const head = columns.map(([title, name]) => element("th", name === "n" ? { class: "n", scope: "col" } : { scope: "col" }, title));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, i) => element("td", columns[i][1] ? { class: columns[i][1] } : {}, cell))));
  const titled = columns.some(([title]) => title);
  return element("table", {}, ...(titled ? [element("thead", {}, element("tr", {}, ...head))] : []), element("tbody", {}, ...body));
}

const KINDS = {
  product: ["--gemm", "products"], attention: ["--attention", "attention"], convolution: ["--conv", "convolutions"],
  tokens: ["--tokens", "tokens chosen and merged"], search: ["--search", "top-k and retrieval"], loops: ["--loops", "norms, reductions, elementwise"], move: ["--move", "copies and fills"],
};
const colour = (kind) => `var(${KINDS[kind][0]})`;

function kindOf(row) {
  if (row.startsWith("attention")) return "attention";
  if (row.includes("gemm") || row.startsWith("similarity")) return "product";
  if (row.startsWith("conv") || row.startsWith("depthwise")) return "convolution";
  if (row.startsWith("token")) return "tokens";
  if (row.startsWith("topk") || row.startsWith("retrieve")) return "search";
  return row === "Copy" || row === "Fill" ? "move" : "loops";
}

function legend(items) {
  const present = Object.keys(KINDS).filter((kind) => items.some((item) => item.kind === kind));
  return element("div", { class: "legend" }, ...present.map((kind) => element("span", {}, element("i", { style: `background:${colour(kind)}` }), KINDS[kind][1])));
}
