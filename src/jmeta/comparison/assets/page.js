// The table

const COLUMNS = [
  ["IQM", row => row.iqm], ["mean", row => row.mean], ["normalised", row => row.normalised], ["regret", row => row.regret],
  ["to the best", row => row.difference_to_best], ["P(beats the best)", row => row.probability_of_beating_best],
  ["adaptation length", row => row.adaptation_length], ["zero-shot", row => row.zero_shot], ["final", row => row.final],
  ["CVaR 5 %", row => row.cvar["5"]], ["CVaR 20 %", row => row.cvar["20"]], ["regressions", row => row.regressions],
  ["lifetime", row => row.lifetime],
  ["env steps", row => row.outer_steps ? row.env_steps : null],
  ["wall-clock", row => row.outer_steps ? row.train_seconds : null, row => `+ ${row.compile_seconds.toFixed(1)} s compiling`],
];
const published = row => Object.entries(row.published).map(([whose, score]) => `${whose} ${score}`).join(", ");
function cell(value, note) {
  if (typeof value === "string") return element("td", {}, value);
  if (value === null || value === undefined || typeof value === "number")
    return element("td", {}, number(value), ...(note && value !== null ? [element("small", {}, note)] : []));
  const ends = value.low === null ? [] : [element("small", {}, `[${number(value.low)}, ${number(value.high)}]`)];
  return element("td", {}, number(value.value), ...ends);
}
function table() {
  const columns = current.rows.some(published) ? [...COLUMNS, ["published", row => published(row) || null]] : COLUMNS;
  const head = element("tr", {}, element("th", {scope: "col"}, "algorithm"),
    ...columns.map(([name]) => element("th", {scope: "col"}, name)));
  const body = current.rows.filter(row => !hidden.has(row.label)).map(row => {
    const name = element("td", {}, swatch(row.label), ` ${row.label}`);
    if (row.failed) return element("tr", {}, name, element("td", {colspan: columns.length, style: "text-align:left"},
      row.ran ? "failed" : row.failed));
    return element("tr", {}, name, ...columns.map(([, value, note]) => cell(value(row), note && note(row))));
  });
  byId("numbers").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  experience();
  segments();
  byId("failures").replaceChildren(...current.rows.filter(row => row.failed && row.ran)
    .map(row => element("li", {}, element("b", {}, row.label), ` failed: ${row.failed}`)));
}

/** The return of the next episode after each number of environment steps. */
function experience() {
  const {budgets, rows, best} = current.by_budget;
  const lines = rows.filter(row => !hidden.has(row.label));
  byId("experience-section").hidden = !lines.length;
  const head = element("tr", {}, element("th", {scope: "col"}, "after steps"),
    ...budgets.map(budget => element("th", {scope: "col"}, budget.toLocaleString("en"))));
  const body = lines.map(({label, next: {value, low, high}}) => element("tr", {}, element("td", {}, swatch(label), ` ${label}`),
    ...budgets.map((_, index) => {
      const made = cell({value: value[index], low: low[index], high: high[index]});
      if (best[index] === label) made.style.fontWeight = "bold";
      return made;
    })));
  byId("experience").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

/** Returns of all episodes that end within each segment, where lifetimes have several segments or streams. */
function segments() {
  const rows = shown().filter(({trajectories, protocol}) => trajectories && (protocol.num_segments > 1 || protocol.num_streams > 1));
  const lines = rows.flatMap(({label, trajectories: {value, by_seed}}) => {
    const seeds = Object.entries(by_seed);
    return [[label, value], ...(seeds.length > 1 ? seeds.map(([seed, returns]) => [`${label}, seed ${seed}`, returns]) : [])];
  });
  byId("segments-section").hidden = !lines.length;
  const longest = Math.max(0, ...lines.map(([, returns]) => returns.length));
  const numbers = Array.from({length: longest}, (_, index) => index);
  const head = element("tr", {}, element("th", {scope: "col"}, "segment"),
    ...numbers.map(index => element("th", {scope: "col"}, String(index + 1))));
  const body = lines.map(([label, returns]) => element("tr", {}, element("td", {}, label),
    ...numbers.map(index => cell(returns[index]))));
  byId("segments").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

// The page

function about() {
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
