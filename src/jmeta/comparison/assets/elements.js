"use strict";
const {summary, colours, grey, budget} = JSON.parse(document.getElementById("data").textContent);
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
