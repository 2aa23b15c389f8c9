// The arena: each buffer where it lies, for as long as it holds data.

function arena(entry, regions) {
  const buffers = entry.buffers || [];
  if (!buffers.length || !entry.arena.bytes) return fill("arena");
  const width = 1180, height = 330, left = 80, right = 12, bottom = 40, top = 16;
  const commands = largest(buffers, (b) => b.last) + 1, size = Math.max(entry.arena.bytes, entry.arena.live);
  const x = (command) => left + command / commands * (width - left - right), y = (at) => height - bottom - at / size * (height - bottom - top);
  const drawing = picture(width, height, "Arena over time; arrow keys go through the buffers", { width: "100%", role: "group" });
  for (let i = 0; i <= 4; ++i) drawing.append(line("gridline", left, y(size * i / 4), width - right, y(size * i / 4)), label(left - 8, y(size * i / 4) + 4, bytes(size * i / 4), "end"));
  for (const tick of ticks(commands, 12).filter((t) => Number.isInteger(t))) drawing.append(label(x(tick), height - bottom + 16, tick, "middle"));
  const writers = new Map(regions.map((r) => [r.index, r]));
  const parts = buffers.map((buffer) => {
    const writer = writers.get(buffer.first);
    const box = svg("rect", {
      x: x(buffer.first), y: y(buffer.offset + buffer.bytes), width: Math.max(1, x(buffer.last + 1) - x(buffer.first) - 0.5),
      height: Math.max(0.5, y(buffer.offset) - y(buffer.offset + buffer.bytes)), fill: writer ? colour(writer.kind) : "var(--soft)", "fill-opacity": 0.7, stroke: "var(--card)", "stroke-width": 0.5,
    });
    return explain(box, `${bytes(buffer.bytes)} at ${bytes(buffer.offset)}\nfrom command ${buffer.first} to ${buffer.last}` + (writer ? `\nwritten first by ${writer.kernel}\n${writer.name}` : ""));
  });
  drawing.append(...parts, aliveLine(buffers, commands, x, y));
  const rounded = (value) => Math.ceil(value / 64) * 64;
  drawing.append(line("mark", left, y(rounded(entry.arena.live)), width - right, y(rounded(entry.arena.live))), label((left + width) / 2, height - 6, "commands, in order", "middle"));
  fill("arena", "Arena over time",
    soft(`${buffers.length} buffers in ${bytes(entry.arena.bytes)}; each where it lies, for as long as it is needed, in the colour of what writes it first. The black line is what is alive; the dashed one the most of that, ` +
      `${bytes(entry.arena.live)}: no placement takes less.`),
    element("div", { class: "chart" }, walkable(drawing, parts)), legend(buffers.map((b) => writers.get(b.first)).filter(Boolean)));
}

/// Bytes that hold data, command by command.
function aliveLine(buffers, commands, x, y) {
  const change = new Array(commands + 1).fill(0);
  for (const buffer of buffers) {
    change[buffer.first] += buffer.bytes;
    change[buffer.last + 1] -= buffer.bytes;
  }
  let alive = 0, path = `M${x(0)} ${y(0)}`;
  for (let command = 0; command < commands; ++command) {
    alive += change[command];
    path += `V${y(alive)}H${x(command + 1)}`;
  }
  return svg("path", { class: "alive", d: path, "pointer-events": "none" });
}
