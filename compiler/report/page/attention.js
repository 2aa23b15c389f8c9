// Kinds of attention, and how many tokens each layer has.

/// Attentions in rows of layers: one follows another if its queries are that one's tokens.
function seriesOf(attentions) {
  const series = [], of = [];
  attentions.forEach((attention, i) => {
    const row = attention.previous >= 0 ? of[attention.previous] : undefined;
    of[i] = row ?? series.push([]) - 1;
    series[of[i]].push({ ...attention, number: i });
  });
  return series;
}

function drawTokens(layers) {
  const step = Math.max(10, Math.min(56, 1080 / layers.length)), height = 210, top = 22, left = 58, bottom = 40;
  const most = largest(layers, (a) => Math.max(a.queries, a.keys)), tall = (tokens) => (height - top - bottom) * tokens / most, base = height - bottom;
  const width = Math.max(300, left + step * layers.length + 20);
  const drawing = svg("svg", { width, height, role: "group", "aria-label": "Tokens by layer; arrow keys go through them" });
  drawing.append(line("gridline", left, base, width, base), label(left - 8, base - tall(most) + 4, most, "end"), label(left - 8, base + 4, 0, "end"), label(6, height - 24, "attention"));
  if (layers.some((a) => a.merged)) drawing.append(label(6, height - 8, "merged"));
  const parts = layers.map((a, i) => {
    const x = left + i * step + 2, middle = x + step * 0.37;
    const bar = svg("rect", { class: "tokens", x, y: base - tall(a.queries), width: step * 0.74, height: tall(a.queries), fill: a.kind === "cross" ? "var(--conv)" : "var(--attention)", "data-tokens": a.queries });
    drawing.append(bar);
    if (a.keys !== a.queries) drawing.append(line("mark", x - 2, base - tall(a.keys), x + step * 0.8, base - tall(a.keys)));
    if (step >= 24) drawing.append(label(middle, base - tall(a.queries) - 4, a.queries, "middle"));
    if (step >= 15 || i % 4 === 0) drawing.append(label(middle, height - 24, a.number, "middle"));
    if (a.merged && step >= 20) drawing.append(label(middle, height - 8, "−" + a.merged, "middle"));
    return explain(bar, `${a.number}: ${a.queries} tokens look at ${a.keys}\n${a.kind}: ${a.why}` + (a.merged ? `\n${a.merged} tokens merge behind it` : "") + `\n${a.node}`);
  });
  return walkable(drawing, parts);
}

function attention(entry) {
  const all = facts.attention.filter((a) => a.entry === entry.name);
  if (!all.length) return fill("attention");
  const known = (a) => Number.isFinite(a.queries) && Number.isFinite(a.keys);
  const series = seriesOf(all).filter((layers) => layers.every(known));
  const pictures = series.flatMap((layers, i) => [...(series.length > 1 ? [element("h3", {}, `Tokens of row ${i + 1}: ${layers.length} ${layers.length > 1 ? "layers" : "layer"}`)] : []),
    element("div", { class: "scroll wide" }, drawTokens(layers))]);
  const columns = [["#", "n"], ["kind", ""], ["because", "text"], ["its mask", ""], ["heads", "n"], ["queries × keys", "n"], ["width", "n"], ["pairs computed", ""], ["node", "name"]];
  const rows = all.map((a, i) => [String(i), element("span", { class: "chip" }, a.kind), a.why,
    a.weighs_merged ? a.limits.replace("a bias", "sizes of merged tokens as a bias") : a.limits || "–",
    a.heads === a.key_heads ? String(a.heads) : `${a.heads} on ${a.key_heads}`, `${a.queries} × ${a.keys}` + (a.rows === 1 ? "" : `, ${a.rows} ${a.kind === "windowed" ? "windows" : "rows"}`), String(a.dim),
    a.density === undefined ? "–" : element("span", {}, element("span", { class: "bar", style: `width:${Math.max(1, 60 * a.density)}px;background:var(--attention)` }), " " + percent(a.density)), a.node]);
  const merges = all.some((a) => a.merged);
  fill("attention", "Attention and tokens", soft("Tokens that ask in each attention, in rows of layers that hand their tokens on" + (merges ? "; falling bars are tokens that merged" : "") + ". A dashed line where they look at another number of keys."),
    ...pictures, element("p", {}), element("div", { class: "scroll" }, table(columns, rows)));
}
