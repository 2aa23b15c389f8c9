// A run, thread by thread.

const LANE = { height: 32, left: 70, right: 12, axis: 22 };

function drawThreads(slices, byIndex, threads, end, zoom, total) {
  const width = 1180 * zoom, height = threads * LANE.height + LANE.axis, scale = (width - LANE.left - LANE.right) / end;
  const drawing = svg("svg", { width, height, role: "group", "aria-label": "Threads over time; arrow keys go through what they ran" });
  for (const tick of ticks(end, 8 * Math.sqrt(zoom) * Math.sqrt(zoom))) {
    const x = LANE.left + tick * scale;
    drawing.append(line("gridline", x, 0, x, height - LANE.axis), label(x, height - 6, duration(tick), "middle"));
  }
  for (let t = 0; t < threads; ++t) drawing.append(label(6, t * LANE.height + 20, t === 0 ? "caller" : "thread " + t));
  const parts = [];
  for (const [thread, command, begin, finish, cells] of slices) {
    const region = byIndex.get(command);
    if (!region) continue;
    const x = LANE.left + begin * scale, wide = Math.max(0.4, (finish - begin) * scale), y = thread * LANE.height + 4;
    const bar = svg("rect", { x, y, width: wide, height: LANE.height - 8, fill: colour(region.kind), stroke: "var(--card)", "stroke-width": Math.min(0.5, wide / 8) });
    const all = region.grid ? region.grid.reduce((a, b) => a * b) : cells;
    parts.push(explain(bar, `${describe(region, total)}\nthis thread: ${duration(finish - begin)} from ${duration(begin)}, ${cells} of ${all} ${all === 1 ? "cell" : "cells"}`));
    drawing.append(bar);
    if (wide > 74) {
      const name = label(x + 5, y + 16, shorten(region.kernel, Math.floor(wide / 7)));
      name.setAttribute("style", "fill:var(--on);pointer-events:none");
      drawing.append(name);
    }
  }
  return walkable(drawing, parts);
}

function timeline(entry, regions, total) {
  const slices = entry.timeline || [];
  if (!slices.length) return fill("timeline");
  const byIndex = new Map(regions.map((r) => [r.index, r]));
  const end = largest(slices, (s) => s[3]), threads = Math.max(entry.threads, largest(slices, (s) => s[0]) + 1);
  const holder = element("div", { class: "scroll wide" });
  const draw = (zoom) => holder.replaceChildren(drawThreads(slices, byIndex, threads, end, zoom, total));
  const zoom = element("input", { type: "range", min: 1, max: 24, step: 0.5, value: 1 });
  zoom.addEventListener("input", () => {
    const centre = (holder.scrollLeft + holder.clientWidth / 2) / holder.scrollWidth;
    draw(Number(zoom.value));
    holder.scrollLeft = centre * holder.scrollWidth - holder.clientWidth / 2;
  });
  draw(1);
  const busy = Array.from({ length: threads }, (_, t) => sum(slices.filter((s) => s[0] === t), (s) => s[3] - s[2]) / end);
  fill("timeline", "A run, thread by thread",
    soft(`One run as it is, of median length: ${duration(end)}. At work: ${busy.map((share, t) => `${t === 0 ? "the caller" : "thread " + t} ${percent(share)}`).join(", ")}.`),
    element("div", { class: "tools" }, legend([...new Set(slices.map((s) => byIndex.get(s[1])).filter(Boolean))]), element("label", {}, "Zoom ", zoom)), holder);
}
