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
