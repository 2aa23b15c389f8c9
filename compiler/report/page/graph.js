// The graph: launches from top to bottom, streams side by side, a box each with its share of the longest. Layers that repeat stand on
// bands, and fold to the first of them.

const BOX = { height: 22, gap: 6, left: 118, between: 60, top: 10, most: 1170 };

/// Rows of boxes: each launch below what it waits for, and below the one before it in its stream.
function placeRows(nodes) {
  const row = new Map(), last = new Map();
  for (const node of nodes) {
    const above = [...node.after.map((index) => row.get(index) ?? -1), last.get(node.stream) ?? -1];
    row.set(node.index, Math.max(...above) + 1);
    last.set(node.stream, row.get(node.index));
  }
  return row;
}

/// The launches to draw: all, or with the layers behind the first of `layers` as one node.
function foldLayers(regions, layers) {
  if (!layers) return regions;
  const first = layers.start + layers.period, end = layers.start + layers.period * layers.count;
  const hidden = regions.slice(first, end), inside = new Map(hidden.map((r) => [r.index, hidden[0].index]));
  const outside = (r) => [...new Set(r.after.map((index) => inside.get(index) ?? index))].filter((index) => index !== r.index);
  const folded = {
    ...hidden[0], folded: layers.count - 1, ns: sum(hidden, (r) => r.ns),
    after: [...new Set(hidden.flatMap((r) => r.after.filter((index) => !inside.has(index))))],
  };
  return [...regions.slice(0, first), folded, ...regions.slice(end).map((r) => ({ ...r, after: outside(r) }))];
}

function drawGraph(nodes, layers, folds, total) {
  const rows = placeRows(nodes), streams = largest(nodes, (n) => n.stream) + 1, pitch = BOX.height + BOX.gap;
  const longest = largest(nodes.filter((n) => !n.folded), (n) => n.ns, 1);
  const box = Math.max(320, Math.min(620, (BOX.most - BOX.left) / streams - BOX.between));
  const x = (n) => BOX.left + n.stream * (box + BOX.between), y = (n) => BOX.top + rows.get(n.index) * pitch;
  const width = BOX.left + streams * (box + BOX.between), height = BOX.top * 2 + (largest([...rows.values()], (r) => r) + 1) * pitch;
  const drawing = svg("svg", { width, height, role: "group", "aria-label": "Graph of launches; arrow keys go through them" });
  const index = new Map(nodes.map((n) => [n.index, n]));
  if (layers && streams === 1)
    for (let k = 0; k < (folds ? 1 : layers.count); ++k) {
      const first = layers.start + k * layers.period, top = y(nodes[first]) - 3;
      if (k % 2 === 0) drawing.append(svg("rect", { class: "band", x: 0, y: top, width, height: layers.period * pitch }));
      drawing.append(label(8, top + 14, `layer ${k + 1} of ${layers.count}`));
    }
  const edges = [];
  for (const node of nodes)
    for (const before of node.after) {
      const from = index.get(before);
      if (!from) continue;
      const path = svg("path", { class: "edge", d: edgePath(x(from), y(from), x(node), y(node), rows.get(node.index) - rows.get(before), box) });
      edges.push({ path, from: before, to: node.index });
      drawing.append(path);
    }
  const parts = nodes.map((node) => drawNode(node, x(node), y(node), box, longest, total));
  parts.forEach((part, i) => {
    const mine = edges.filter((e) => e.from === nodes[i].index || e.to === nodes[i].index);
    for (const event of ["mouseenter", "mouseleave"]) part.addEventListener(event, () => mine.forEach((e) => e.path.classList.toggle("hot", event === "mouseenter")));
  });
  drawing.append(...parts);
  return walkable(drawing, parts);
}

function edgePath(fromX, fromY, toX, toY, distance, box) {
  const down = fromY + BOX.height, middle = BOX.height / 2;
  if (fromX === toX && distance === 1) return `M${fromX + 24} ${down}V${toY}`;
  if (fromX !== toX) return `M${fromX + box / 2} ${down}C${fromX + box / 2} ${down + 30} ${toX + box / 2} ${toY - 30} ${toX + box / 2} ${toY}`;
  const bulge = Math.min(46, 8 + 7 * Math.log2(distance));
  return `M${fromX} ${fromY + middle}C${fromX - bulge} ${fromY + middle} ${toX - bulge} ${toY + middle} ${toX} ${toY + middle}`;
}

function drawNode(node, x, y, box, longest, total) {
  const group = svg("g", {});
  const share = node.folded ? 1 : node.ns / longest;
  const frame = svg("rect", { class: "node", x, y, width: box, height: BOX.height, rx: 4, fill: "var(--card)", stroke: colour(node.kind) });
  const filled = svg("rect", { x, y, width: Math.max(4, box * share), height: BOX.height, rx: 4, fill: colour(node.kind), "fill-opacity": node.folded ? 0.12 : 0.35 });
  const text = node.folded ? `${node.folded} more ${node.folded > 1 ? "layers" : "layer"} of the same launches` : `${node.kernel}  ${node.name}`;
  group.append(frame, filled, label(x + 8, y + 15, shorten(text, Math.floor((box - 84) / 6.4)), "start", "on"));
  if (node.ns > 0) group.append(label(x + box - 6, y + 15, duration(node.ns), "end", "on"));
  return explain(group, node.folded ? `${text}\n${duration(node.ns)}, ${percent(node.ns / total)} of all launches` : describe(node, total));
}

function graph(entry, regions, total) {
  if (!regions.length) return fill("graph");
  const streams = largest(regions, (r) => r.stream) + 1, layers = streams === 1 ? findLayers(regions) : null;
  const holder = element("div", { class: "scroll" });
  const draw = (folds) => holder.replaceChildren(drawGraph(folds ? foldLayers(regions, layers) : regions, layers, folds, total));
  const box = element("input", { type: "checkbox", id: "fold" });
  box.checked = Boolean(layers) && regions.length > 60;
  box.addEventListener("change", () => draw(box.checked));
  draw(box.checked);
  fill("graph", "Graph by region",
    soft(`${regions.length} launches in ${streams} ${streams > 1 ? "streams, which run side by side" : "stream"}; a line leads from what wrote a buffer to what reads it. A box is filled by its time, the longest launch full.`),
    element("div", { class: "tools" }, legend(regions), layers ? element("label", {}, box, ` fold ${layers.count} layers of ${layers.period} launches`) : ""), holder);
}
