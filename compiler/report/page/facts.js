// The facts, and what follows from them: regions with their times and limits, layers that repeat.

const facts = JSON.parse(document.getElementById("facts").textContent);
const machine = facts.machine;
// Other work may have slowed the measurement of the limit: no region is above it.
for (const entry of facts.entries)
  for (const row of entry.profile || []) if (row.ns > 0) machine.gflops = Math.max(machine.gflops, row.flops / row.ns);

/// Launches, copies and fills of an entry, with what the machine would need for each at least.
function regionsOf(entry) {
  const measured = new Map((entry.profile || []).map((row) => [row.command, row]));
  const regions = [];
  entry.commands.forEach((command, index) => {
    if (command.row.startsWith("Event")) return;
    const row = measured.get(index) || { ns: 0, flops: command.flops || 0 };
    const arithmetic = machine.gflops ? row.flops / machine.gflops : 0;
    const reading = machine.read_gb_per_s ? command.bytes / machine.read_gb_per_s : 0;
    regions.push({
      ...command, index, ns: row.ns, flops: row.flops, kind: kindOf(command.row), name: command.nodes || "(layout)",
      least: Math.max(arithmetic, reading), bound: arithmetic >= reading ? "arithmetic" : "memory",
    });
  });
  return regions;
}

function describe(region, total) {
  const lines = [region.kernel, region.name];
  if (region.grid) lines.push(`grid ${region.grid.join(" × ")}`);
  if (region.ns > 0) lines.push(`${duration(region.ns)}, ${percent(region.ns / total)} of all launches`);
  if (region.ns > 0 && region.flops > 0)
    lines.push(`${number(region.flops / region.ns)} GFLOP/s` + (machine.gflops ? `, ${percent(region.flops / region.ns / machine.gflops)} of the machine's multiply-adds` : ""));
  lines.push(`${bytes(region.bytes)} of operands` + (region.weights ? `, ${bytes(region.weights)} of them weights` : ""));
  if (region.ns > 0 && region.least > 0) lines.push(`at the limit of ${region.bound}: ${duration(region.least)}`);
  return lines.join("\n");
}

/// The longest stretch of one pattern of launches after another: {start, period, count}, or nothing.
function findLayers(regions) {
  const rows = regions.map((r) => r.row), most = Math.min(80, Math.floor(rows.length / 2));
  let best = null;
  for (let period = 3; period <= most; ++period) {
    for (let i = 0; i + period < rows.length;) {
      let run = i;
      while (run + period < rows.length && rows[run] === rows[run + period]) ++run;
      const count = Math.floor((run - i) / period) + 1;
      if (count > 1 && new Set(rows.slice(i, i + period)).size > 1 && (!best || count * period > best.count * best.period)) best = { start: i, period, count };
      i = Math.max(run, i) + 1;
    }
  }
  return best;
}

/// What does the same in every layer together, also where sizes (and so kernels) differ; elsewhere launches of one kernel.
function groupAlike(regions) {
  const layers = findLayers(regions), groups = new Map();
  regions.forEach((r, i) => {
    const place = layers ? i - layers.start : -1;
    const inLayer = place >= 0 && place < layers.period * layers.count;
    const key = inLayer ? `place ${place % layers.period}` : `kernel ${r.kernel}`;
    const group = groups.get(key) || { row: r.row, inLayer, regions: [], ns: 0, least: 0, flops: 0 };
    group.regions.push(r);
    group.ns += r.ns;
    group.least += r.least;
    group.flops += r.flops;
    groups.set(key, group);
  });
  return [...groups.values()];
}
