// All of it, for the entry that is chosen.

function details() {
  const model = facts.model;
  const rows = [["artifact", `${model.file}, ${bytes(model.file_bytes)}, weights ${bytes(model.weights_bytes)}`], ["made by", model.producer], ["options", model.options],
    ...model.sources.map((s) => ["source", `${s.name}, ${bytes(s.bytes)}`]), ...model.variants.map((v) => ["code", `${v.target}: ${v.kernels} kernels, ${bytes(v.code_bytes)}`]),
    ...Object.entries(model.notes)];
  const stages = facts.stages.map((s) => [s.stage, duration(s.seconds * 1e9), number(s.peak_mb) + " MB"]);
  fill("details", "What was compiled", element("div", { class: "scroll wide" }, table([["", ""], ["", "text"]], rows)), element("h3", {}, "Stages of the compiler"),
    element("div", { class: "scroll wide" }, table([["stage", ""], ["time", "n"], ["peak memory", "n"]], stages)));
}

function show(entry) {
  const regions = regionsOf(entry), total = summary(entry, regions);
  graph(entry, regions, total);
  timeline(entry, regions, total);
  regionTable(entry, regions, total);
  roofline(regions, total);
  arena(entry, regions);
  attention(entry);
  patches(entry);
  const parts = [...document.querySelectorAll("section")].filter((section) => section.hasChildNodes());
  document.getElementById("parts").replaceChildren(...parts.map((section) => element("a", { href: "#" + section.id }, section.getAttribute("aria-label"))));
}

document.title = facts.model.file + " – mmcc report";
document.getElementById("title").textContent = facts.model.file;
document.getElementById("subtitle").textContent = `${facts.model.producer} · ${facts.model.variants.map((v) => v.target).join(", ")} · ${bytes(facts.model.file_bytes)}`;
const choice = document.getElementById("entry");
facts.entries.forEach((entry, i) => choice.append(element("option", { value: i }, entry.name)));
choice.addEventListener("change", () => show(facts.entries[choice.value]));
document.getElementById("entry-choice").hidden = facts.entries.length < 2;
details();
// The entry that joins the others is the one that is called.
choice.value = facts.entries.length - 1;
show(facts.entries[choice.value]);
