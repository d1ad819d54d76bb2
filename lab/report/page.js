"use strict";
// Sorts and filters the tables, draws the learning curves of what is ticked in them, and opens the section of a run. Text from
// runs is only ever set as text; charts get theirs escaped.

const data = JSON.parse(document.getElementById("data").textContent);
const MOST_CURVES = 40, FIRST_TICKED = 5;
const all = (selector, place = document) => [...place.querySelectorAll(selector)];
const one = (selector, place = document) => place.querySelector(selector);
const byId = (id) => document.getElementById(id);
const collator = new Intl.Collator("en", { numeric: true });

// Tables

// Of each table all rows in their order, and those that fit the filters. Only so many of these are laid out as a reader may
// look at: of thousands, that would take a browser longer than all the rest.
const PAGE = 200;
const views = all("table.runs").map((table) => {
  const rows = [...table.tBodies[0].rows], headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  return { table, rows, headings, fitting: rows, more: table.closest(".scroll").nextElementSibling };
});
const textOf = new Map(views.flatMap(({ rows }) => rows.map((row) => [row, row.textContent.toLowerCase()])));
const ticks = all("table.runs input[type=checkbox]");

function layOut(view, count = PAGE) {
  view.table.tBodies[0].replaceChildren(...view.fitting.slice(0, count));
  view.more.hidden = view.fitting.length <= count;
  view.more.textContent = `The first ${count} of ${view.fitting.length} rows: show ${PAGE} more`;
}

function keyOf(cell) {
  const text = cell.dataset.key ?? cell.textContent.trim();
  if (text === "" || text === "-") return null;
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (a === null || b === null) return 0;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(a, b);
}

function sort(header) {
  const view = views.find(({ table }) => table === header.closest("table"));
  const opposite = { ascending: "descending", descending: "ascending" };
  const order = opposite[header.ariaSort] ?? (header.dataset.best ? "descending" : "ascending");
  for (const other of view.table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const keys = new Map(view.rows.map((row) => [row, keyOf(row.cells[header.cellIndex])]));
  // What has no value comes last, either way.
  view.rows.sort((a, b) => (keys.get(a) === null) - (keys.get(b) === null) || sign * compare(keys.get(a), keys.get(b)));
  filter();
}

function filter() {
  const words = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  const left = byId("which").value === "runs" ? "repeats" : "part";
  const selects = all("select[data-column]").filter((select) => select.value !== "");
  let shown = 0, total = 0;
  for (const view of views) {
    const chosen = selects.filter((select) => select.dataset.table === view.table.id)
      .map((select) => [view.headings.indexOf(select.dataset.column), select.value]);
    const some = view.rows.filter((row) => !row.classList.contains(left));
    view.fitting = some.filter((row) => words.every((word) => textOf.get(row).includes(word))
      && chosen.every(([column, value]) => row.cells[column].firstChild?.data.trim() === value.trim()));
    layOut(view);
    shown += view.fitting.length;
    total += some.length;
  }
  byId("count").value = `${shown} of ${total} rows`;
  for (const filters of all(".filters")) {
    const on = selects.filter((select) => filters.contains(select)).length;
    one("summary span", filters).textContent = on ? `(${on} on)` : "";
  }
  tell();
}

const fitting = () => new Set(views.flatMap((view) => view.fitting));

// What is ticked, and whether the filters hide any of it.
function tell() {
  const rows = fitting(), numbers = ticked();
  const hidden = ticks.filter((tick) => tick.checked && !rows.has(tick.closest("tr"))).length;
  byId("ticked").value = `${numbers.length} ticked${hidden ? `, ${hidden} of them in rows that are filtered out` : ""}:`;
  byId("pair-hint").textContent = numbers.length === 2 ? "" : `Tick two rows to see them here; ${byId("ticked").value.slice(0, -1)}.`;
}

// Charts

const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(`--${name}`).trim();

function theme() {
  const axis = { gridcolor: colour("line"), linecolor: colour("soft"), zeroline: false, automargin: true };
  const legend = { itemdoubleclick: false };
  const font = { color: colour("ink"), family: "system-ui, sans-serif", size: 13 };
  const hoverlabel = { bgcolor: colour("shade"), font: { color: colour("ink") } };
  return { layout: { paper_bgcolor: colour("paper"), plot_bgcolor: colour("paper"), font, xaxis: axis, yaxis: axis, legend, hoverlabel } };
}

function draw(chart) {
  const figure = figures[chart.dataset.chart]();
  const narrow = chart.clientWidth < 700;
  const legend = narrow ? { orientation: "h", yref: "container", y: 0, yanchor: "bottom" } : {};
  const layout = { margin: { l: 60, r: 10, t: 10, b: 50 }, legend, ...figure.layout, template: theme() };
  one(".notes", chart).textContent = figure.note;
  const plot = one(".plot", chart), isNew = !plot.on;
  Plotly.react(plot, figure.data, layout, { responsive: true, displayModeBar: false });
  if (isNew && chart.matches(".of-ticked, .of-pair")) plot.on("plotly_legendclick", untick);
  chart.classList.add("drawn");
}

// A name in the legend takes its run out of the chart, and of what is ticked.
function untick({ curveNumber, fullData }) {
  ticks.find((tick) => tick.value === fullData[curveNumber].legendgroup).checked = false;
  update();
  return false;
}

function curvesOf(numbers, kind) {
  const shown = numbers.slice(0, MOST_CURVES);
  const wanted = [byId("first").checked, byId("second").checked];
  const panels = Object.entries(data.panels[kind]);
  const traces = shown.flatMap((number, place) => panels.flatMap(([, lines], panel) =>
    Object.entries(lines).flatMap(([name, metric], line) =>
      wanted[line] ? curve(data.curves[number], { number, place, panel, line, name, metric }) : [])));
  // In the legend, a run is its solid line, if that is drawn.
  for (const number of shown) {
    const lines = traces.filter((trace) => trace.legendgroup === String(number) && trace.mode === "lines+markers");
    if (lines.length) (lines.find((trace) => trace.line.dash === "solid") ?? lines[0]).showlegend = true;
  }
  const epochs = Math.max(1, ...traces.map(({ x }) => x.length));
  const scale = byId("log-x").checked ? { type: "log" } : { type: "linear", dtick: Math.ceil(epochs / 12) };
  const layout = {
    grid: { rows: 2, columns: 1, pattern: "coupled" },
    xaxis: { title: { text: "epoch" }, unifiedhovertitle: { text: "epoch %{x}" }, ...scale },
    hovermode: shown.length > 6 ? "closest" : "x unified",
    showlegend: true,
  };
  panels.forEach(([words], panel) => {
    const type = byId("log-y").checked && words === "loss" ? "log" : "linear";
    layout[`yaxis${panel + 1}`] = { title: { text: words }, type };
  });
  const note = numbers.length > MOST_CURVES ? `The first ${MOST_CURVES} of ${numbers.length} that are ticked.` : "";
  return { data: traces, layout, note };
}

function curve(of, { number, place, panel, line, name, metric }) {
  const color = colour(`C${place % 10}`), epochs = of.mean[metric].map((_, index) => index + 1);
  const where = { xaxis: "x", yaxis: `y${panel + 1}`, legendgroup: String(number), name: of.name, showlegend: false };
  const shape = { dash: line ? "solid" : "dash", width: line ? 2 : 1.3, color };
  const marker = { symbol: data.symbols[place % data.symbols.length] + (line ? "" : "-open"), size: 7, maxdisplayed: 9, color };
  const hovertemplate = `%{y:.5g} ${name}, epoch %{x}`;
  const drawn = [{ x: epochs, y: of.mean[metric], mode: "lines+markers", line: shape, marker, hovertemplate, ...where }];
  if (of.band && byId("bands").checked) {
    const [low, high] = of.band[metric], edge = { mode: "lines", line: { width: 0, color }, hoverinfo: "skip", ...where };
    drawn.unshift({ x: epochs, y: low, ...edge }, { x: epochs, y: high, fill: "tonexty", fillcolor: `${color}33`, ...edge });
  }
  const published = of.published?.[metric];
  if (published) {
    const cross = { symbol: line ? "x-thin" : "cross-thin", size: 10, line: { width: 2, color } };
    const [x, y] = [0, 1].map((index) => published.map((pair) => pair[index]));
    drawn.push({ x, y, mode: "markers", marker: cross, hovertemplate: `%{y} published ${name}`, ...where });
  }
  return drawn;
}

const ticked = () => ticks.filter((tick) => tick.checked).map((tick) => Number(tick.value));
const figures = {};
for (const kind of Object.keys(data.panels)) {
  figures[`curves ${kind}`] = () => curvesOf(ticked().filter((number) => data.curves[number].kind === kind), kind);
}
figures.pair = () => curvesOf(ticked(), data.curves[ticked()[0]].kind);

// A chart is drawn when it comes into view, and again when what it shows has changed.
const charts = all(".chart");
const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting && !target.classList.contains("drawn")) draw(target);
}, { rootMargin: "300px" });
function drawAgain(several) {
  for (const chart of several) {
    chart.classList.remove("drawn");
    observer.unobserve(chart);
    observer.observe(chart);
  }
}

function use(chart, what) {
  const plot = one(".plot", chart);
  if (!chart.matches(".drawn")) draw(chart);
  if (!plot.data.length) return;
  if (what === "reset") {
    const axes = Object.keys(plot.layout).filter((name) => /^[xy]axis\d*$/.test(name));
    Plotly.relayout(plot, Object.fromEntries(axes.map((name) => [`${name}.autorange`, true])));
  } else {
    const filename = chart.dataset.chart.replace(/[^\w=.,-]+/g, "-");
    Plotly.downloadImage(plot, { format: what, filename, width: plot.clientWidth, height: plot.clientHeight, scale: 2 });
  }
}

// Runs

const contentOf = (section) => one("template", section).content.cloneNode(true);

function open(section) {
  if (section.dataset.filled) return;
  section.dataset.filled = "yes";
  section.append(contentOf(section));
  const chart = one(".chart", section), number = Number(section.id.slice("run-".length));
  figures[chart.dataset.chart] = () => curvesOf([number], data.curves[number].kind);
  charts.push(chart);
  draw(chart);
}

function openTarget() {
  const section = byId(location.hash.slice(1));
  if (section?.matches("details.run")) {
    section.open = true;
    section.scrollIntoView();
  }
}

function element(tag, text, attributes = {}) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.textContent = text;
  return made;
}

// What two rows differ in, and their runs: of repeats the numbers of all, and the first of them, which stands behind them.
function sideBySide() {
  const numbers = ticked(), two = numbers.length === 2;
  byId("pair-here").hidden = !two;
  if (!two) return;
  const rows = numbers.map(rowOf), links = rows.map((row) => one("a", row)), names = links.map((link) => link.textContent);
  const sections = links.map((link) => byId(link.hash.slice(1))), contents = sections.map(contentOf);
  const facts = contents.map((content, place) => {
    const view = views.find((some) => some.rows.includes(rows[place]));
    const pairs = [...rows[place].cells].map((cell, column) => [view.headings[column], cell.textContent.trim()]).slice(2);
    const others = all(".facts tr", content).map((row) => [row.cells[0].textContent, row.cells[1].textContent]);
    return new Map([...others, ...pairs]);
  });
  const head = element("tr", "");
  head.append(...["", ...names].map((name) => element("th", name, { scope: "col" })));
  const differing = [...new Set(facts.flatMap((some) => [...some.keys()]))]
    .map((name) => [name, ...facts.map((some) => some.get(name) ?? "-")])
    .filter(([, mine, its]) => mine !== its)
    .map(([name, ...values]) => {
      const row = element("tr", "");
      row.append(element("th", name, { scope: "row" }), ...values.map((value) => element("td", value)));
      return row;
    });
  byId("differences").replaceChildren(head, ...differing);
  one(".pair").replaceChildren(...contents.map((content, place) => {
    const column = element("div", ""), name = one("h3", sections[place]).textContent;
    one(".chart", content).remove();
    column.append(element("h3", name === names[place] ? name : `${name}, one of the repeats`), content);
    return column;
  }));
  one(".chart", byId("pair-here")).hidden = new Set(numbers.map((number) => data.curves[number].kind)).size > 1;
}

const rowOf = (number) => ticks.find((tick) => Number(tick.value) === number).closest("tr");

function update() {
  const kinds = new Set(ticked().map((number) => `curves ${data.curves[number].kind}`));
  for (const chart of charts.filter((some) => some.matches(".of-ticked"))) chart.hidden = !kinds.has(chart.dataset.chart);
  drawAgain(charts.filter((chart) => chart.matches(".of-run, .of-ticked:not([hidden])")));
  tell();
  sideBySide();
  if (ticked().length === 2) drawAgain(charts.filter((chart) => chart.matches(".of-pair:not([hidden])")));
}

// What the reader does

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button?.closest("thead")) sort(button.closest("th"));
  if (button?.id === "clear") {
    for (const select of all("select[data-column]")) select.value = "";
    byId("words").value = "";
    filter();
  }
  const view = views.find(({ more }) => more === button);
  if (button && view) layOut(view, view.table.tBodies[0].rows.length + PAGE);
  // Also where the address says so already.
  if (target.closest('a[href^="#run-"]')) setTimeout(openTarget);
  if (button?.dataset.do) use(button.closest(".chart"), button.dataset.do);
  if (button?.id === "tick" || button?.id === "untick") {
    const rows = fitting();
    for (const tick of ticks) if (button.id === "untick" || rows.has(tick.closest("tr"))) tick.checked = button.id === "tick";
    update();
  }
});
document.addEventListener("change", ({ target }) => {
  if (ticks.includes(target) || target.closest("#curves")) update();
  if (target.matches("#which, select[data-column]")) filter();
});
document.addEventListener("input", ({ target }) => {
  if (target.id === "words") filter();
  if (target.type === "range") {
    const frames = all("[data-epoch]", target.closest(".frames"));
    frames.forEach((frame, place) => { frame.hidden = place !== Number(target.value); });
    const { epoch } = frames[target.value].dataset;
    target.closest("label").querySelector("output").value = epoch;
    target.setAttribute("aria-valuetext", `epoch ${epoch}`);
  }
});
document.addEventListener("toggle", ({ target }) => target.matches("details.run[open]") && open(target), true);
window.addEventListener("hashchange", openTarget);
const drawnCharts = () => charts.filter((chart) => chart.matches(".drawn"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAgain(drawnCharts()));
// On paper everything is light.
matchMedia("print").addEventListener("change", () => drawnCharts().forEach(draw));
window.addEventListener("beforeprint", () => {
  for (const view of views) layOut(view, view.rows.length);
  charts.filter((chart) => !chart.matches(".drawn") && chart.clientWidth).forEach(draw);
});

if (ticks.length) {
  filter();
  for (const { table } of views) {
    // Of one data set: the numbers of others do not compare.
    const first = all("input", table), of = (tick) => data.curves[tick.value].data;
    first.filter((tick) => of(tick) === of(first[0])).slice(0, FIRST_TICKED).forEach((tick) => { tick.checked = true; });
  }
  // Plotly's script comes after this one.
  document.addEventListener("DOMContentLoaded", () => {
    update();
    openTarget();
  });
}
