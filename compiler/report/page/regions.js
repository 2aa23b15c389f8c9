// Every region in a table that sorts.

function regionTable(entry, regions, total) {
  if (!regions.length) return fill("regions");
  const longest = largest(regions, (r) => r.ns, 1);
  const rate = (r) => (r.flops > 0 && r.ns > 0 ? r.flops / r.ns : 0), share = (r) => (r.ns > 0 ? r.least / r.ns : 0);
  const columns = [
    ["#", (r) => r.index, "n", (r) => String(r.index)], ["kernel", (r) => r.kernel, "", (r) => r.kernel], ["nodes of the model", (r) => r.name, "name", (r) => r.name],
    ["time", (r) => -r.ns, "n", (r) => (r.ns ? duration(r.ns) : "–")],
    ["", null, "", (r) => element("span", { class: "bar", style: `width:${Math.max(1, (90 * r.ns) / longest)}px;background:${colour(r.kind)}` })],
    ["of all", (r) => -r.ns, "n", (r) => (r.ns ? percent(r.ns / total) : "–")],
    ["GFLOP/s", (r) => -rate(r), "n", (r) => (rate(r) ? number(rate(r)) : "–")],
    ["of peak", (r) => -rate(r), "n", (r) => (rate(r) && machine.gflops ? percent(rate(r) / machine.gflops) : "–")],
    ["GB/s", (r) => -r.bytes / r.ns, "n", (r) => (r.ns ? number(r.bytes / r.ns) : "–")],
    ["of its limit", (r) => -share(r), "n", (r) => (share(r) ? percent(share(r)) : "–")],
  ];
  const holder = element("div", { class: "scroll" });
  const draw = (sorted) => {
    const key = columns[sorted][1];
    const order = [...regions].sort((a, b) => { const x = key(a), y = key(b); return x < y ? -1 : x > y ? 1 : a.index - b.index; });
    const head = columns.map(([title, by, name], i) => {
      const cell = element("th", { scope: "col", class: name === "n" ? "n" : "", "aria-sort": i === sorted ? "ascending" : "none" });
      if (!by) return cell;
      const button = element("button", { type: "button" }, title + (i === sorted ? " ▾" : ""));
      button.addEventListener("click", () => draw(i));
      cell.append(button);
      return cell;
    });
    const body = order.map((r) => {
      const row = element("tr", { tabindex: 0 }, ...columns.map(([, , name, text]) => element("td", name ? { class: name } : {}, text(r))));
      return explain(row, describe(r, total));
    });
    holder.replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)));
  };
  draw(regions.some((r) => r.ns) ? 3 : 0);
  fill("regions", "Regions", soft("Each launch alone, the median of several runs. GB/s counts every operand once, at most. Its limit is the time that multiply-adds, or reading the operands from memory, take at least; " +
    "operands in a cache can be faster than that. Headings sort."), holder);
}
