"use strict";
// The status page's script: draws the grid from the data in the page. Everything that comes from
// the study is put in as text, never as markup: esc() for rows that are built as strings.
const D = JSON.parse(document.getElementById("data").textContent);
const SIGN = ["✓", "▶", "○", "↻", "‖", "✗"];
const $ = (id) => document.getElementById(id);
const esc = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function duration(s) {
  if (s === null || s === undefined) return "?";
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  return s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
}

function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Top: when, how far, what is left
$("made").textContent = `as of ${D.made}` + (D.refresh ? `, again every ${D.refresh} s` : "");
if (D.note) { $("note").textContent = D.note; $("note").hidden = false; }
const count = (state) => D.counts[D.states[state]] || 0;
D.states.forEach((name, state) => {
  if (count(state)) {
    const part = element("span", "", `s${state}`);
    part.style.flex = count(state);
    $("bar").append(part);
  }
  const item = element("li"), label = element("label"), box = element("input");
  Object.assign(box, { type: "checkbox", checked: true, value: state, name: "state" });
  label.append(box, element("span", SIGN[state], `sign s${state}`), `${name} ${count(state)}`);
  item.append(label);
  $("legend").append(item);
});
$("bar").setAttribute("aria-label", D.states.map((name, s) => `${count(s)} ${name}`).join(", "));
const left = D.totals;
$("sum").textContent = left.jobs
  ? `${left.jobs} of ${D.jobs} jobs to do: ${duration(left.core_seconds)} of core time` +
    (left.gpu_seconds ? `, ${(left.gpu_seconds / 3600).toFixed(1)} GPU-hours` : "") +
    `; at least ${duration(D.path_seconds)} on any number of machines`
  : `All ${D.jobs} jobs are done.`;

// Failures, with the last words of their logs
for (const failure of D.failures) {
  const box = element("details"), summary = element("summary");
  summary.append(`${failure.rule}: `, element("span", failure.path, "path"));
  box.append(summary, element("pre", failure.said.join("\n")), element("span", failure.log, "path soft"));
  box.open = D.failures.length < 4;
  $("failures").append(box);
  $("failures").hidden = false;
}

// The grid
const benchmarks = new Set(D.columns.map((column) => column.benchmark).filter(Boolean));
const head = D.columns.map((c) => esc(c.rule) +
  (benchmarks.size > 1 && c.benchmark ? `<br><span class="soft">${esc(c.benchmark)}</span>` : ""));
const width = Math.max(...D.arms.map((arm) => arm.checkpoint.length), 10);
function row(arm, number) {
  const cells = arm.cells.map((cell, column) => {
    if (!cell) return "<td></td>";
    const said = `${D.columns[column].rule}, ${arm.checkpoint}: ${D.states[cell[0]]}, ${duration(cell[1])}`;
    return `<td data-s="${cell[0]}" class="s${cell[0]}" tabindex="-1" data-r="${number}" ` +
      `data-c="${column}" aria-label="${esc(said)}">${SIGN[cell[0]]}</td>`;
  });
  const scores = arm.scores.map((score) => score
    ? `<td class="n">${score[0].toFixed(3)} <i>${score[1].toFixed(2)}–${score[2].toFixed(2)}</i></td>`
    : `<td class="n"></td>`);
  const spent = arm.cells.slice(1).reduce((sum, cell) => sum + ((cell && cell[1]) || 0), 0);
  return `<tr><th scope="row" title="${esc(arm.checkpoint)}">${esc(arm.checkpoint)}</th>${cells.join("")}` +
    `<td class="n">${duration(spent)}</td>${scores.join("")}</tr>`;
}
const scoreHeads = [...benchmarks].map((name) =>
  `<th scope="col" style="width:9.5rem">pass@1${benchmarks.size > 1 ? `<br><span class="soft">${esc(name)}</span>` : ""}</th>`);
$("grid").innerHTML = `<thead><tr><th scope="col" style="width:${Math.min(width, 60) + 3}ch">arm</th>` +
  head.map((text) => `<th scope="col">${text}</th>`).join("") +
  `<th scope="col">time</th>${scoreHeads.join("")}</tr></thead><tbody>${D.arms.map(row).join("")}</tbody>`;
const rows = [...$("grid").tBodies[0].rows];

// What a cell is
function show(column, cell, path, arm) {
  const box = $("detail");
  box.textContent = "";
  const first = element("div");
  first.append(element("span", SIGN[cell[0]], `sign s${cell[0]}`), " ",
    element("b", `${column}${arm ? `, ${arm}` : ""}`), ` ${D.states[cell[0]]}`);
  box.append(first, element("div", path, "path"));
  const cost = (cell[3] ? "took " : "is expected to take ") + duration(cell[1]) +
    (cell[2] ? `, ${(cell[2] / 3600).toFixed(2)} GPU-hours` : "");
  box.append(element("div", [cost, D.reasons[cell[4]]].filter(Boolean).join("; "), "soft"));
}
function showCell(td) {
  if (!td || td.dataset.r === undefined) return;
  const arm = D.arms[td.dataset.r], column = D.columns[td.dataset.c], cell = arm.cells[td.dataset.c];
  show(column.rule + (benchmarks.size > 1 && column.benchmark ? ` on ${column.benchmark}` : ""),
    cell, cell[5] || column.path.replace("{}", arm.checkpoint), arm.checkpoint);
}
$("grid").addEventListener("mouseover", (event) => showCell(event.target.closest("td")));
$("grid").addEventListener("focusin", (event) => showCell(event.target.closest("td")));

// Arrow keys move through the cells; one of them at a time is in the tab order
let current = $("grid").querySelector("td[data-s]");
if (current) current.tabIndex = 0;
function go(td) {
  current.tabIndex = -1;
  current = td;
  current.tabIndex = 0;
  current.focus();
}
$("grid").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
    PageUp: [-15, 0], PageDown: [15, 0], Home: [-1e9, 0], End: [1e9, 0] }[event.key];
  if (!step || !current) return;
  event.preventDefault();
  const seen = rows.filter((tr) => !tr.hidden);
  const at = seen.indexOf(current.parentElement);
  const to = seen[Math.min(seen.length - 1, Math.max(0, at + step[0]))];
  let column = current.cellIndex + step[1];
  while (to.cells[column] && to.cells[column].dataset.s === undefined) column += step[1] || 1;
  if (to.cells[column] && to.cells[column].dataset.s !== undefined) go(to.cells[column]);
});

// Filters; they are kept in the address, so that they outlive a reload
D.axes.forEach((axis, number) => $("axis").append(new Option(`${axis.name}: ${axis.question}`, number)));
const boxes = [...document.querySelectorAll("#legend input")];
function filter() {
  const words = $("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const axis = $("axis").value, states = new Set(boxes.filter((b) => b.checked).map((b) => +b.value));
  let number = 0;
  D.arms.forEach((arm, at) => {
    const name = arm.checkpoint.toLowerCase();
    const named = words.every((w) => w[0] === "-" && w.length > 1
      ? !name.includes(w.slice(1)) : name.includes(w));
    const seen = named && (axis === "" || arm.axes.includes(+axis)) &&
      arm.cells.some((cell) => cell && states.has(cell[0]));
    rows[at].hidden = !seen;
    number += seen;
  });
  $("shown").textContent = `${number} of ${D.arms.length} arms`;
  const kept = new URLSearchParams();
  if (words.length) kept.set("text", $("text").value);
  if (axis !== "") kept.set("axis", axis);
  if (states.size < boxes.length) kept.set("states", [...states].join("."));
  history.replaceState(null, "", `#${kept}`);
}
const kept = new URLSearchParams(location.hash.slice(1));
$("text").value = kept.get("text") || "";
$("axis").value = kept.get("axis") || "";
if (kept.has("states")) {
  const on = kept.get("states").split(".");
  boxes.forEach((box) => { box.checked = on.includes(box.value); });
}
for (const id of ["text", "axis", "legend"]) $(id).addEventListener("input", filter);
filter();

// The rest of the study, and the chain that nothing can shorten
for (const other of D.others) {
  const name = other.path.split("/").slice(2).join("/");
  const button = element("button", `${SIGN[other.cell[0]]} ${name}`, `s${other.cell[0]}`);
  button.type = "button";
  const say = () => show(other.rule, other.cell, other.path, "");
  button.addEventListener("mouseover", say);
  button.addEventListener("focus", say);
  $("others").append(button);
}
if (D.path.length) {
  $("chain").hidden = false;
  $("chain-sum").textContent = `${duration(D.path_seconds)}: more machines do not make it shorter.`;
  for (const job of D.path) {
    const item = element("li", `${job.rule} ${job.arm} `);
    item.append(element("span", duration(job.seconds), "soft"));
    item.title = job.path;
    $("chain-list").append(item);
  }
}
if (D.refresh) setTimeout(() => location.reload(), D.refresh * 1000);
document.body.getBoundingClientRect();
document.documentElement.dataset.ready = Math.round(performance.now());
