"use strict";
const {summary, colours, grey} = JSON.parse(document.getElementById("data").textContent);
const labels = [...new Set(summary.tasks.flatMap(task => task.rows.map(row => row.label)))];
const hidden = new Set();
const byId = id => document.getElementById(id);
const coloured = labels.filter(label => label !== "random");
const colour = label => label === "random" ? grey : colours[coloured.indexOf(label) % colours.length];
const dash = label => ["", "7 4", "2 3"][Math.floor(Math.max(0, coloured.indexOf(label)) / colours.length) % 3];
let current = summary.tasks[0];

// Text

function number(value) {
  if (value === null || value === undefined) return "—";
  if (Math.abs(value) < 1e-12) return "0";
  const size = Math.abs(value);
  if (size >= 1e4) return Math.round(value).toLocaleString("en");
  return size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}
function interval(estimate) {
  if (!estimate || estimate.value === null) return "—";
  return estimate.low === null ? number(estimate.value)
    : `${number(estimate.value)} [${number(estimate.low)}, ${number(estimate.high)}]`;
}
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
function swatch(label) {
  const made = element("span", {class: "swatch"});
  const gap = dash(label);
  made.style.background = gap
    ? `repeating-linear-gradient(90deg, ${colour(label)} 0 4px, transparent 4px ${gap === "2 3" ? 7 : 6}px)` : colour(label);
  return made;
}

// Drawing

function svg(tag, attributes = {}, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}
function padded(values, share) {
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1; }
  return [low - share * (high - low), high + share * (high - low)];
}
const WIDTH = 560, HEIGHT = 330, BOX = {left: 64, right: 548, top: 12, bottom: 284};

/** Linear; or, where the longest span is more than ten times the shortest, logarithmic from the end of the shortest on. */
function spanScale(spans) {
  const some = spans.filter(span => span > 0), shortest = Math.min(...some), longest = Math.max(...some);
  if (!some.length || longest <= 10 * shortest) return LINEAR;
  const place = value => value <= shortest ? value / shortest : 1 + Math.log10(value / shortest);
  const powers = [];
  for (let k = Math.ceil(Math.log10(shortest)); 10 ** k <= longest; k++) powers.push(10 ** k);
  return {place, at: () => [0, ...powers]};
}

const LINEAR = {place: value => value, at: ticks};

/** An empty figure with axes; returns the picture and both scales. */
function frame(title, xRange, yRange, xTitle, yTitle, box = BOX, height = HEIGHT, {place, at} = LINEAR) {
  const picture = svg("svg", {viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title});
  const x = value => box.left + (place(value) - xRange[0]) / (xRange[1] - xRange[0]) * (box.right - box.left);
  const y = value => box.bottom - (value - yRange[0]) / (yRange[1] - yRange[0]) * (box.bottom - box.top);
  for (const value of at(...xRange, 6)) {
    picture.append(svg("line", {class: "grid", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom}));
    picture.append(svg("text", {class: "axis", x: x(value), y: box.bottom + 18, "text-anchor": "middle"}, number(value)));
  }
  picture.append(svg("text", {x: (box.left + box.right) / 2, y: box.bottom + 38, "text-anchor": "middle"}, xTitle));
  if (yTitle !== null) {
    for (const value of ticks(...yRange, 6)) {
      picture.append(svg("line", {class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value)}));
      picture.append(svg("text", {class: "axis", x: box.left - 8, y: y(value) + 4, "text-anchor": "end"}, number(value)));
    }
    const middle = (box.top + box.bottom) / 2;
    picture.append(svg("text", {x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})`}, yTitle));
  }
  picture.append(svg("line", {class: "base", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom}));
  return {picture, x, y, box};
}
const path = points => points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
function line({picture, x, y}, label, xs, ys) {
  const points = xs.map((value, index) => [x(value), y(ys[index])]);
  picture.append(svg("path", {d: path(points), fill: "none", stroke: colour(label), "stroke-width": 2.2,
    "stroke-linejoin": "round", "stroke-dasharray": dash(label)}));
  return points;
}

// Values under the pointer

function showTip(event, heading, entries) {
  const tip = byId("tip");
  tip.replaceChildren(element("b", {}, heading));
  for (const [label, text] of entries) tip.append(element("div", {}, swatch(label), `${label}: ${text}`));
  tip.hidden = false;
  const {width, height} = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 16, innerWidth - width - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 16, innerHeight - height - 8))}px`;
}
const hideTip = () => { byId("tip").hidden = true; };

/** Follows the pointer along x: a line there, and for each series the value at the nearest x. */
function follow({picture, x, box}, series, heading) {
  const all = [...new Set(series.flatMap(one => one.xs))].sort((a, b) => a - b);
  const cursor = svg("line", {class: "base", y1: box.top, y2: box.bottom, visibility: "hidden"});
  picture.append(cursor);
  if (!all.length) return;
  const nearest = (xs, value) => xs.reduce((best, other, index) =>
    Math.abs(other - value) < Math.abs(xs[best] - value) ? index : best, 0);
  const area = svg("rect", {x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top,
    fill: "transparent"});
  area.addEventListener("pointermove", event => {
    const scale = WIDTH / picture.getBoundingClientRect().width;
    const at = (event.clientX - picture.getBoundingClientRect().left) * scale;
    const place = all[nearest(all.map(x), at)];
    cursor.setAttribute("x1", x(place));
    cursor.setAttribute("x2", x(place));
    cursor.setAttribute("visibility", "visible");
    const entries = series.map(one => [one, nearest(one.xs, place)])
      .filter(([one, index]) => one.xs[index] === place || one.xs.length > 40)
      .map(([one, index]) => [one.ys[index], one.label, one.text(index)]).sort((a, b) => b[0] - a[0]);
    showTip(event, heading(place), entries.map(([, label, text]) => [label, text]));
  });
  area.addEventListener("pointerleave", () => { hideTip(); cursor.setAttribute("visibility", "hidden"); });
  picture.append(area);
}

// The figures

const shown = () => current.rows.filter(row => !row.failed && !hidden.has(row.label));
const nothing = text => element("p", {}, text);

function curves() {
  const rows = shown();
  if (!rows.length) return nothing("Nothing to show.");
  const known = values => values.filter(value => value !== null);
  const heights = rows.flatMap(row => [...row.curve.value, ...known(row.curve.low), ...known(row.curve.high)]);
  const reference = current.optimum;
  if (reference) heights.push(reference.value);
  const scale = spanScale(rows.map(row => Math.max(...row.curve.env_steps)));
  const made = frame("adaptation curves", padded(rows.flatMap(row => row.curve.env_steps).map(scale.place), 0.02),
    padded(heights, 0.05), "environment steps spent in the task, all streams", "return of an episode", BOX, HEIGHT, scale);
  const {picture, x, y, box} = made;
  if (reference) {
    picture.append(svg("line", {class: "base", x1: box.left, x2: box.right, y1: y(reference.value), y2: y(reference.value),
      "stroke-dasharray": "4 4"}));
      }
  for (const {label, curve} of rows) {
    if (!curve.low.includes(null)) {
      const up = curve.env_steps.map((n, index) => [x(n), y(curve.high[index])]);
      const down = curve.env_steps.map((n, index) => [x(n), y(curve.low[index])]).reverse();
      picture.append(svg("path", {d: `${path([...up, ...down])}Z`, fill: colour(label), "fill-opacity": 0.18}));
    }
    const points = line(made, label, curve.env_steps, curve.value);
    if (points.length <= 40)
      for (const [cx, cy] of points) picture.append(svg("circle", {cx, cy, r: 3.2, fill: colour(label)}));
  }
  if (reference)
    picture.append(svg("text", {class: "axis halo", x: box.left + 6, y: y(reference.value) - 6},
      `${reference.label}, mean over a lifetime`));
  follow(made, rows.map(({label, curve}) => ({label, xs: curve.env_steps, ys: curve.value,
    text: index => interval({value: curve.value[index], low: curve.low[index], high: curve.high[index]})})),
    place => `after ${number(place)} environment steps`);
  return picture;
}

function learning() {
  const rows = shown().filter(row => row.learning);
  if (!rows.length) return nothing("No learning curve is known.");
  const made = frame("learning curves", padded(rows.flatMap(row => row.learning.env_steps), 0.02),
    padded(rows.flatMap(row => [...row.learning.low, ...row.learning.high]), 0.05),
    "environment steps of meta-training", "return of the last episode");
  const {picture, x, y} = made;
  for (const {label, learning: {env_steps, value, low, high}} of rows) {
    const up = env_steps.map((n, index) => [x(n), y(high[index])]);
    const down = env_steps.map((n, index) => [x(n), y(low[index])]).reverse();
    picture.append(svg("path", {d: `${path([...up, ...down])}Z`, fill: colour(label), "fill-opacity": 0.18}));
    line(made, label, env_steps, value);
  }
  follow(made, rows.map(({label, learning: {env_steps, value, low, high}}) => ({label, xs: env_steps, ys: value,
    text: index => interval({value: value[index], low: low[index], high: high[index]})})),
    place => `after ${number(place)} environment steps`);
  return picture;
}

function profile() {
  if (!current.profile_thresholds) return nothing("Random and optimum are not both known here, so scores can't be normalised.");
  const rows = shown().filter(row => row.profile);
  const made = frame("performance profile", [current.profile_thresholds[0], current.profile_thresholds.at(-1)], [0, 1],
    "normalised score τ", "fraction of scores above τ");
  const steps = values => values.flatMap(value => [value, value]);
  for (const row of rows) line(made, row.label, steps(current.profile_thresholds).slice(1), steps(row.profile).slice(0, -1));
  follow(made, rows.map(row => ({label: row.label, xs: current.profile_thresholds, ys: row.profile,
    text: index => `${(100 * row.profile[index]).toFixed(1)} %`})), place => `above ${number(place)}`);
  return made.picture;
}

function barChart(title, entries, xTitle) {
  if (!entries.length) return nothing("Nothing to show.");
  const longest = Math.max(...entries.map(({label}) => label.length));
  const rowHeight = 34, left = Math.min(240, 24 + 6.8 * longest);
  const box = {left, right: 536, top: 8, bottom: 8 + rowHeight * entries.length};
  const ends = entries.flatMap(({estimate}) => [estimate.value, estimate.low ?? 0, estimate.high ?? 0]);
  const made = frame(title, padded([0, 1, ...ends], 0.03), [0, 1], xTitle, null, box, box.bottom + 46);
  const {picture, x} = made;
  entries.forEach(({label, estimate, text}, index) => {
    const top = box.top + rowHeight * index + 6, height = rowHeight - 12;
    const bar = svg("rect", {x: Math.min(x(0), x(estimate.value)), y: top, height, fill: colour(label), rx: 2,
      width: Math.max(1, Math.abs(x(estimate.value) - x(0)))});
    bar.addEventListener("pointermove", event => showTip(event, title, [[label, text]]));
    bar.addEventListener("pointerleave", hideTip);
    picture.append(bar);
    if (estimate.low !== null)
      picture.append(svg("line", {class: "whisker", x1: x(estimate.low), x2: x(estimate.high), y1: top + height / 2,
        y2: top + height / 2}));
    const name = label.length > 32 ? `${label.slice(0, 31)}…` : label;
    const text_ = svg("text", {x: box.left - 10, y: top + height / 2 + 4, "text-anchor": "end"}, name);
    text_.append(svg("title", {}, label));
    picture.append(text_);
  });
  for (const value of [0, 1])
    picture.append(svg("line", {class: "base", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom,
      "stroke-dasharray": value ? "4 4" : ""}));
  return picture;
}
function bars() {
  if (!current.profile_thresholds) return nothing("Random and optimum are not both known here, so scores can't be normalised.");
  const entries = shown().filter(row => row.normalised)
    .map(row => ({label: row.label, estimate: row.normalised, text: interval(row.normalised)}));
  return barChart("normalised score", entries, `normalised score: 0 random, 1 ${current.optimum.label}`);
}
function suite() {
  const entries = summary.suite.filter(row => !hidden.has(row.label))
    .map(row => ({label: row.label, estimate: row.iqm, text: interval(row.iqm)}));
  return barChart("IQM over task families", entries, "normalised score");
}

// The table

const COLUMNS = [
  ["IQM", row => row.iqm], ["mean", row => row.mean], ["normalised", row => row.normalised], ["regret", row => row.regret],
  ["to the best", row => row.difference_to_best], ["P(beats the best)", row => row.probability_of_beating_best],
  ["adaptation length", row => row.adaptation_length], ["zero-shot", row => row.zero_shot], ["final", row => row.final],
  ["worst 5 %", row => row.worst["5"]], ["worst 20 %", row => row.worst["20"]], ["lifetime", row => row.lifetime],
  ["env steps", row => row.outer_steps ? row.env_steps : null],
  ["wall-clock", row => row.outer_steps ? row.train_seconds : null, row => `+ ${row.compile_seconds.toFixed(1)} s compiling`],
];
function cell(value, note) {
  if (value === null || value === undefined || typeof value === "number")
    return element("td", {}, number(value), ...(note && value !== null ? [element("small", {}, note)] : []));
  const ends = value.low === null ? [] : [element("small", {}, `[${number(value.low)}, ${number(value.high)}]`)];
  return element("td", {}, number(value.value), ...ends);
}
function table() {
  const head = element("tr", {}, element("th", {scope: "col"}, "algorithm"),
    ...COLUMNS.map(([name]) => element("th", {scope: "col"}, name)));
  const body = current.rows.filter(row => !hidden.has(row.label)).map(row => {
    const name = element("td", {}, swatch(row.label), ` ${row.label}`);
    if (row.failed) return element("tr", {}, name, element("td", {colspan: COLUMNS.length, style: "text-align:left"},
      row.ran ? "failed" : row.failed));
    return element("tr", {}, name, ...COLUMNS.map(([, value, note]) => cell(value(row), note && note(row))));
  });
  byId("numbers").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  byId("failures").replaceChildren(...current.rows.filter(row => row.failed && row.ran)
    .map(row => element("li", {}, element("b", {}, row.label), ` failed: ${row.failed}`)));
}

// The page

function about() {
  const {env_steps, wall_clock_seconds} = summary.budget;
  const budget = env_steps === null ? `${wall_clock_seconds} s of training for each algorithm in each task family`
    : `${env_steps.toLocaleString("en")} environment steps for each training`;
  const ended = summary.interrupted_by ? `; ended early by ${summary.interrupted_by}` : "";
  byId("about").textContent = `${summary.num_seeds} seeds; ${budget}${ended}`;
  const {split, why_not_held_out, num_test_tasks, random, optimum} = current;
  byId("task-about").textContent = (split ? `Scored on ${num_test_tasks.toLocaleString("en")} ${split} tasks` : "Not run yet")
    + (why_not_held_out ? ` (none are held out: ${why_not_held_out})` : "")
    + (random === null ? "" : `; per episode, random ${number(random)}`)
    + (optimum ? `; optimum ${number(optimum.value)} (${optimum.label})` : "") + ".";
}
function render() {
  about();
  byId("tasks").replaceChildren(...summary.tasks.map(task => {
    const made = element("button", {type: "button", "aria-pressed": task === current}, task.task);
    made.addEventListener("click", () => { current = task; render(); });
    return made;
  }));
  const here = new Set(current.rows.map(row => row.label));
  byId("legend").replaceChildren(...labels.filter(label => here.has(label)).map(label => {
    const made = element("button", {type: "button", "aria-pressed": !hidden.has(label)}, swatch(label), label);
    made.addEventListener("click", () => { hidden.delete(label) || hidden.add(label); render(); });
    return made;
  }));
  for (const [id, draw] of [["curves", curves], ["learning", learning], ["bars", bars], ["profile", profile]]) byId(id).replaceChildren(draw());
  const several = summary.tasks.length > 1 && summary.suite.length > 0;
  byId("suite-figure").hidden = !several;
  if (several) byId("suite").replaceChildren(suite());
  table();
}
const root = document.documentElement;
if (matchMedia("(prefers-color-scheme: dark)").matches) root.classList.add("dark");
byId("theme").addEventListener("click", () => root.classList.toggle("dark"));
render();
