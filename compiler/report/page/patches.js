// Which patches of an image became one token: each group in its mean colour, with borders between groups, as in the paper on token merging.

function groupPatches(p, image) {
  const tokens = image.map.slice(p.lead), members = new Map();
  tokens.forEach((token, i) => members.set(token, [...(members.get(token) || []), i]));
  return { tokens, members };
}

/// The mean colour of each token's patches.
function meanColours(p, raw, tokenAt) {
  const sums = new Map();
  for (let y = 0; y < p.height; ++y)
    for (let x = 0; x < p.width; ++x) {
      const token = tokenAt(x, y), at = 3 * (y * p.width + x), total = sums.get(token) || [0, 0, 0, 0];
      for (let c = 0; c < 3; ++c) total[c] += raw[at + c];
      ++total[3];
      sums.set(token, total);
    }
  return new Map([...sums].map(([token, [r, g, b, n]]) => [token, [r / n, g / n, b / n]]));
}

function paint(p, scale, colourAt) {
  const canvas = element("canvas", { width: p.width * scale, height: p.height * scale }), context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; ++y)
    for (let x = 0; x < canvas.width; ++x) {
      const to = 4 * (y * canvas.width + x);
      image.data.set(colourAt(Math.floor(x / scale), Math.floor(y / scale)), to);
      image.data[to + 3] = 255;
    }
  context.putImageData(image, 0, 0);
  return canvas;
}

function strokeBorders(p, context, cell, tokens) {
  const at = (row, column) => tokens[row * p.columns + column];
  context.beginPath();
  for (let r = 0; r < p.rows; ++r)
    for (let c = 0; c < p.columns; ++c) {
      const x1 = (c + 1) * cell.x, y1 = (r + 1) * cell.y;
      if (c + 1 < p.columns && at(r, c) !== at(r, c + 1)) { context.moveTo(x1, r * cell.y); context.lineTo(x1, y1); }
      if (r + 1 < p.rows && at(r, c) !== at(r + 1, c)) { context.moveTo(c * cell.x, y1); context.lineTo(x1, y1); }
    }
  for (const [style, width] of [["rgba(0,0,0,.65)", 3], ["#fff", 1.2]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

/// Both pictures of one image; pointing at a patch in either marks its whole group in both.
function drawImage(p, image) {
  const raw = Uint8Array.from(atob(image.pixels), (c) => c.charCodeAt(0)), { tokens, members } = groupPatches(p, image);
  const tokenAt = (x, y) => tokens[Math.floor(y * p.rows / p.height) * p.columns + Math.floor(x * p.columns / p.width)];
  const scale = Math.max(1, Math.round(512 / Math.max(p.width, p.height))), means = meanColours(p, raw, tokenAt);
  const cell = { x: p.width * scale / p.columns, y: p.height * scale / p.rows };
  const original = paint(p, scale, (x, y) => raw.subarray(3 * (y * p.width + x), 3 * (y * p.width + x) + 3));
  const merged = paint(p, scale, (x, y) => means.get(tokenAt(x, y)));
  strokeBorders(p, merged.getContext("2d"), cell, tokens);
  const canvases = [original, merged], kept = canvases.map((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height));
  const restore = () => canvases.forEach((c, i) => c.getContext("2d").putImageData(kept[i], 0, 0));
  for (const canvas of canvases) {
    canvas.addEventListener("mousemove", (event) => {
      const box = canvas.getBoundingClientRect();
      const c = Math.floor((event.clientX - box.left) / box.width * p.columns), r = Math.floor((event.clientY - box.top) / box.height * p.rows);
      if (r < 0 || c < 0 || r >= p.rows || c >= p.columns) return;
      const group = members.get(tokens[r * p.columns + c]);
      restore();
      for (const each of canvases) {
        const context = each.getContext("2d");
        context.fillStyle = "rgba(194, 66, 127, .6)";
        for (const i of group) context.fillRect((i % p.columns) * cell.x, Math.floor(i / p.columns) * cell.y, cell.x, cell.y);
      }
      showTip(group.length === 1 ? "this patch is a token of its own" : `${group.length} patches are this token`, event.clientX, event.clientY);
    });
    canvas.addEventListener("mouseleave", () => { tip.hidden = true; restore(); });
  }
  const figure = (canvas, text) => { canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", text); return element("figure", {}, canvas, element("figcaption", {}, text)); };
  return element("div", {}, soft(`${p.rows * p.columns} patches became ${members.size} tokens; the largest stands for ${largest([...members.values()], (m) => m.length)}.`),
    element("div", { class: "pair" }, figure(original, "the image"), figure(merged, "what the last layer sees: each token in the mean colour of its patches")));
}

function patches(entry) {
  const p = facts.patches;
  if (!p) return facts.patches_reason ? fill("patches", "Merged patches", soft(facts.patches_reason + ".")) : fill("patches");
  if (p.entry !== entry.name) return fill("patches");
  const holder = element("div"), draw = (i) => holder.replaceChildren(drawImage(p, p.images[i]));
  const choice = element("select", {}, ...p.images.map((_, i) => element("option", { value: i }, String(i))));
  choice.addEventListener("change", () => draw(choice.value));
  draw(0);
  fill("patches", "Merged patches", ...(p.images.length > 1 ? [element("div", { class: "tools" }, element("label", {}, "image ", choice))] : []), holder);
}
