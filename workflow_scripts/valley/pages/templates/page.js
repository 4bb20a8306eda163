"use strict";
// Hints of figures: on hover, on focus, for readers aloud by their label.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);
for (const mark of document.querySelectorAll(".hint")) {
  const title = mark.querySelector("title");
  if (title) title.remove();
  const show = () => {
    tip.textContent = mark.getAttribute("aria-label") + (mark.hasAttribute("href") ? "; press to read answers" : "");
    tip.hidden = false;
    const box = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(6, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 6);
    tip.style.left = left + "px";
    tip.style.top = (box.top > own.height + 12 ? box.top - own.height - 6 : box.bottom + 6) + "px";
  };
  const hide = () => { tip.hidden = true; };
  for (const name of ["pointerenter", "focus"]) mark.addEventListener(name, show);
  for (const name of ["pointerleave", "blur"]) mark.addEventListener(name, hide);
}
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details.print")) part.open = true;
});

// Example answers. All of it is text to the page: nothing in it is ever parsed as markup.
const make = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};
const fold = (words, ...children) => make("details", {}, make("summary", { textContent: words }), ...children);
const block = (text) => make("pre", { tabIndex: 0 }, make("code", { textContent: text }));
const plain = (word) => word.replaceAll("_", " ");

function viewer(section) {
  const all = JSON.parse(document.getElementById("answers-data").textContent);
  const $ = (name) => section.querySelector(`[data-part="${name}"]`);
  const state = { benchmark: 0, problem: 0, arms: [] };
  const data = () => all[state.benchmark];
  const label = (arm) => arm.label;

  const options = (select, names) => {
    select.replaceChildren(...names.map((text, value) => make("option", { value, textContent: text })));
  };
  const solved = (problem) => data().answers.filter((arm) => arm[problem].accepted > 0).length;

  function side(at) {
    const arm = data().arms[at], found = data().answers[at][state.problem];
    const problem = data().problems[state.problem];
    const box = make("article", { className: "side" }, make("h4", { textContent: label(arm) }));
    if (!found.shown.length) {
      box.append(make("p", { className: "small soft", textContent: "No answer to this problem was judged." }));
      return box;
    }
    box.append(make("p", { className: "small soft", textContent: `${found.accepted} of ${found.judged} answers accepted` }));
    for (const answer of found.shown) {
      if (found.shown.length > 1) box.append(make("h5", { textContent: `Answer ${answer.sample + 1}` }));
      const words = answer.failed_test === null ? plain(answer.verdict) : `${plain(answer.verdict)} on test ${answer.failed_test + 1}`;
      box.append(make("div", { className: `verdict ${answer.verdict === "accepted" ? "accepted" : ""}`, textContent: words }));
      const ran = answer.tests_passed + (answer.failed_test === null ? 0 : 1);
      const tests = make("div", { className: "tests", role: "img" });
      tests.setAttribute("aria-label", `${answer.tests_passed} of ${problem.tests} tests passed`);
      for (let i = 0; i < Math.min(problem.tests, 60); i++) {
        const mark = i === answer.failed_test ? "bad" : i < answer.tests_passed ? "ok" : "";
        tests.append(make("i", { className: mark, title: `test ${i + 1}: ${mark === "ok" ? "passed" : mark ? "failed" : i < ran ? "passed" : "not run"}` }));
      }
      box.append(tests);
      box.append(make("p", { className: "small soft", textContent: `${answer.tests_passed} of ${problem.tests} tests passed · ${answer.tokens} tokens · ${answer.finish === "stop" ? "finished" : "cut at the token limit"}` }));
      if (answer.detail) box.append(block(answer.detail));
      const test = problem.failed[String(answer.failed_test)];
      if (test) box.append(fold(`Test ${answer.failed_test + 1}: input and expected output`, block(test.input), block(test.expected)));
      if (answer.reasoning) box.append(fold(`Reasoning (${answer.reasoning.length.toLocaleString("en")} characters)`, block(answer.reasoning)));
      if (answer.program) box.append(make("h5", { textContent: "Program" }), block(answer.program));
      else box.append(make("p", { className: "small soft", textContent: "No program in the answer." }));
      if (answer.rest) box.append(answer.program ? fold("Answer in full, after the reasoning", block(answer.rest)) : block(answer.rest));
    }
    return box;
  }

  function draw() {
    const problem = data().problems[state.problem];
    $("problem").value = state.problem;
    state.arms.forEach((at, place) => { $(`arm${place}`).value = at; });
    $("statement").replaceChildren(
      make("p", { className: "small soft", textContent: `${problem.id} · ${problem.difficulty || "no difficulty"} · ${problem.tests} tests · shown ${problem.why === "sample" ? "as part of a sample by hash" : "because the arms differ on it"}` }),
      block(problem.statement));
    $("sides").replaceChildren(...state.arms.filter((at) => at >= 0).map(side));
    $("everyone").replaceChildren(...data().arms.map((arm, at) => {
      const found = data().answers[at][state.problem];
      const button = make("button", { type: "button", textContent: label(arm) });
      button.addEventListener("click", () => { state.arms[state.arms.length - 1] = at; draw(); });
      return make("li", {}, button, make("span", { textContent: `  ${found.accepted}/${found.judged}` }));
    }));
  }

  function open(benchmark) {
    state.benchmark = benchmark;
    state.problem = 0;
    state.arms = data().defaults.slice(0, 3);
    while (state.arms.length < 3) state.arms.push(-1);
    $("benchmark").value = benchmark;
    options($("problem"), data().problems.map((problem, at) => `${problem.id} · ${problem.difficulty || "–"} · solved by ${solved(at)} of ${data().arms.length} arms`));
    for (const place of [0, 1, 2]) {
      const select = $(`arm${place}`);
      options(select, data().arms.map(label));
      select.append(make("option", { value: -1, textContent: "(none)" }));
    }
    draw();
  }

  // #answers/<benchmark>/<arm>[+<arm>][/<problem>]: these arms first, beside them what is shown at first.
  function follow() {
    const found = /^#answers\/(\d+)\/(\d+(?:\+\d+)*)(?:\/(\d+))?$/.exec(location.hash);
    if (!found || !all[found[1]]) return;
    if (Number(found[1]) !== state.benchmark) open(Number(found[1]));
    const arms = found[2].split("+").map(Number), problem = Number(found[3] ?? state.problem);
    const beside = data().defaults.filter((at) => !arms.includes(at));
    if (arms.every((at) => at < data().arms.length)) state.arms = [...arms, ...beside, -1, -1].slice(0, 3);
    if (problem < data().problems.length) state.problem = problem;
    draw();
    section.focus({ preventScroll: true });
    section.scrollIntoView();
  }

  options($("benchmark"), all.map((item) => item.benchmark));
  $("benchmark").closest("label").hidden = all.length < 2;
  $("benchmark").addEventListener("change", (event) => open(Number(event.target.value)));
  $("problem").addEventListener("change", (event) => { state.problem = Number(event.target.value); draw(); });
  for (const place of [0, 1, 2]) $(`arm${place}`).addEventListener("change", (event) => { state.arms[place] = Number(event.target.value); draw(); });
  const step = (by) => { const count = data().problems.length; state.problem = (state.problem + by + count) % count; draw(); };
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));
  addEventListener("hashchange", follow);
  addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#answers/"]');
    if (link && link.getAttribute("href") === location.hash) follow(); // pressed again: no change to hear of
  });
  open(0);
  section.hidden = false;
  follow();
}
const section = document.getElementById("answers-viewer");
if (section) viewer(section);
document.documentElement.dataset.readyAfterMs = Math.round(performance.now());
