// What a run takes, where the time goes, and what could be won.

function summary(entry, regions) {
  const total = sum(regions, (r) => r.ns);
  const sizes = entry.sizes.map((s) => `${s.name} = ${s.value}`).join(", ");
  if (entry.message || !total) {
    fill("summary", "Summary", element("p", {}, "It was not run here: " + (entry.message || "there is nothing to run") + ". What follows is known without a run."), sizes ? soft(sizes) : "");
    return total;
  }
  const flops = sum(regions, (r) => r.flops), rate = flops / 1e6 / entry.ms, least = sum(regions, (r) => r.least);
  const figure = (value, text) => element("div", { class: "figure" }, element("b", {}, value), element("span", {}, text));
  const figures = [
    figure(duration(entry.ms * 1e6), `a run, the median of ${entry.runs}; the fastest ${duration(entry.fastest_ms * 1e6)}, the very first ${duration(entry.first_ms * 1e6)}`),
    figure(number(rate) + " GFLOP/s", (machine.gflops ? `${percent(rate / machine.gflops)} of this machine's ${number(machine.gflops)}; ` : "") + `${number(flops / 1e9)} GFLOP counted`),
    figure(duration(least), "at the machine's limits, with every operand read once from memory"),
    figure(bytes(entry.arena.bytes), "arena" + (entry.arena.live ? `, ${number(Math.max(1, entry.arena.bytes / entry.arena.live))} × what is alive at once` : "")),
    figure(bytes(facts.model.weights_bytes), `weights; ${regions.length} launches`),
  ];
  const shares = Object.keys(KINDS).map((kind) => [kind, sum(regions.filter((r) => r.kind === kind), (r) => r.ns)]).filter(([, ns]) => ns > 0);
  const stack = element("div", { class: "stack", role: "img", "aria-label": "Time by kind: " + shares.map(([kind, ns]) => `${KINDS[kind][1]} ${percent(ns / total)}`).join(", ") },
    ...shares.map(([kind, ns]) => explain(element("i", { style: `flex:${ns / total};background:${colour(kind)}` }, ns > 0.06 * total ? percent(ns / total) : ""), `${KINDS[kind][1]}: ${duration(ns)}, ${percent(ns / total)}`)));
  const chances = groupAlike(regions).map((g) => ({ ...g, slack: g.ns - g.least })).filter((g) => g.slack > 0).sort((a, b) => b.slack - a.slack).slice(0, 3);
  fill("summary", "Summary",
    soft(`On ${machine.name}, ${entry.threads} ${entry.threads === 1 ? "thread" : "threads"}, level ${entry.isa}; run on ${entry.origin}${sizes ? "; " + sizes : ""}.`),
    element("div", { class: "figures" }, ...figures), stack, legend(regions),
    ...(chances.length ? [element("p", {}, "Where most could be won, if these ran at the machine's limits:"),
      element("ol", {}, ...chances.map((g) => element("li", {}, chance(g, total))))] : []));
  return total;
}

function chance(group, total) {
  const count = group.regions.length, several = count > 1 ? ` in ${count} ${group.inLayer ? "layers" : "launches"}` : "";
  const bound = group.regions[0].bound;
  const rate = group.flops > 0 && machine.gflops ? `, ${percent(group.flops / group.ns / machine.gflops)} of the multiply-adds` : "";
  return `${group.row}${several} (${count > 1 ? "first " : ""}${shorten(group.regions[0].name, 60)}): ${duration(group.ns)}, ${percent(group.ns / total)} of the time${rate}; at the limit of ${bound} ${duration(group.least)}`;
}
