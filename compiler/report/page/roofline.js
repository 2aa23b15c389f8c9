// The roofline: arithmetic a byte against the rate, in decades.

function roofline(regions, total) {
  const points = regions.filter((r) => r.flops > 0 && r.ns > 0 && r.bytes > 0);
  if (!points.length || !machine.gflops || !machine.read_gb_per_s) return fill("roofline");
  const width = 1180, height = 400, left = 66, right = 24, top = 24, bottom = 44, ridge = machine.gflops / machine.read_gb_per_s;
  const of = (r) => ({ intensity: r.flops / r.bytes, rate: r.flops / r.ns });
  const decade = (values, round) => round(Math.log10(round === Math.floor ? Math.min(...values) : Math.max(...values)));
  const low = decade([...points.map((r) => of(r).intensity), ridge / 4], Math.floor), high = decade([...points.map((r) => of(r).intensity), ridge * 4], Math.ceil);
  const floor = Math.min(decade(points.map((r) => of(r).rate), Math.floor), Math.floor(Math.log10(machine.gflops)) - 1);
  const ceiling = decade([...points.map((r) => of(r).rate), machine.gflops], Math.ceil);
  const x = (v) => left + (Math.log10(v) - low) / (high - low) * (width - left - right);
  const y = (v) => height - bottom - (Math.log10(v) - floor) / (ceiling - floor) * (height - top - bottom);
  const drawing = picture(width, height, "Roofline; arrow keys go through the regions", { width: "100%", role: "group" });
  for (let i = low; i <= high; ++i) drawing.append(line("gridline", x(10 ** i), top, x(10 ** i), height - bottom), label(x(10 ** i), height - bottom + 16, number(10 ** i), "middle"));
  for (let i = floor; i <= ceiling; ++i) drawing.append(line("gridline", left, y(10 ** i), width - right, y(10 ** i)), label(left - 8, y(10 ** i) + 4, number(10 ** i), "end"));
  const start = Math.max(10 ** low, 10 ** floor / machine.read_gb_per_s);
  drawing.append(svg("path", { class: "mark", d: `M${x(start)} ${y(start * machine.read_gb_per_s)}L${x(ridge)} ${y(machine.gflops)}L${width - right} ${y(machine.gflops)}` }));
  drawing.append(label(x(ridge) - 8, y(machine.gflops) - 7, `multiply-adds: ${number(machine.gflops)} GFLOP/s`, "end"), label(x(start) + 8, y(start * machine.read_gb_per_s) - 36, `reading: ${number(machine.read_gb_per_s)} GB/s`));
  drawing.append(label((left + width) / 2, height - 8, "FLOP a byte of operands", "middle"), label(left - 8, 12, "GFLOP/s", "end"));
  const order = [...points].sort((a, b) => b.ns - a.ns);
  const parts = order.map((r) => {
    const { intensity, rate } = of(r), roof = Math.min(machine.gflops, intensity * machine.read_gb_per_s);
    const dot = svg("circle", { cx: x(intensity), cy: y(rate), r: 3 + 22 * Math.sqrt(r.ns / total), fill: colour(r.kind), "fill-opacity": 0.5, stroke: colour(r.kind) });
    return explain(dot, `${describe(r, total)}\n${number(intensity)} FLOP a byte: ${percent(rate / roof)} of the roof there`);
  });
  drawing.append(...parts);
  // The longest ones by name, where the names do not lie on one another.
  const labelled = [];
  for (const r of order.slice(0, 12)) {
    const at = { x: x(of(r).intensity), y: y(of(r).rate) - 8 - 22 * Math.sqrt(r.ns / total) };
    if (labelled.length === 4 || labelled.some((other) => Math.abs(other.x - at.x) < 110 && Math.abs(other.y - at.y) < 14)) continue;
    labelled.push(at);
    drawing.append(label(at.x, at.y, r.kernel, "middle", "on"));
  }
  fill("roofline", "Roofline", soft("Each region by what it computes for a byte of its operands, sized by its time. The dashed line is what this machine can do, measured just now. Regions above the slope had operands in a cache."),
    element("div", { class: "chart" }, walkable(drawing, parts)), legend(points));
}
