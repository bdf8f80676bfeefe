// One metric of one image over the commits of main: values with their spread, budgets, releases and steps.

const TREND_HEIGHT = 260;
const LINES = ["head", "kind-3", "kind-2", "inconclusive"];
const FEW_POINTS = 80;
const FAR = 1.7;

// `state` is what all charts of the page share: the commits in sight, and whether sizes begin at zero.
const trendChart = (data, image, series, state) => {
  const points = pointsOf(series);
  const last = data.commits.length - 1;
  const surface = element("div", {
    class: "timeline", tabindex: 0, role: "group",
    "aria-label": `${series.label} of ${image.name} over ${points.at.length} commits. Arrow keys move, + and - zoom, 0 shows all again, Enter keeps a commit below.`,
  });
  const hover = element("div", { class: "hover", hidden: true });
  const spoken = element("p", { class: "spoken", "aria-live": "polite" });
  const kept = element("p", { class: "told" });
  const steps = series.steps.map(([at, before, after, isConfirmed, isWorse]) => ({ at, before, after, isConfirmed, isWorse }));
  let chart = null;
  let row = null;

  const draw = () => {
    const range = chart ? [chart.scales.x.min, chart.scales.x.max] : state.range;
    chart?.destroy();
    chart = new uPlot(trendOptions(surface, data, series, { points, steps, range, state, show }), trendColumns(series, points), surface);
    surface.append(hover);
  };
  const show = (place) => {
    row = place === null ? null : rowAt(points, Math.round(place));
    hover.hidden = row === null || row < 0;
    if (hover.hidden) return;
    hover.replaceChildren(...hoverLines(data, series, points, row));
    const left = chart.valToPos(points.at[row], "x") + chart.over.offsetLeft;
    hover.style.left = `${Math.max(0, left > surface.clientWidth / 2 ? left - hover.offsetWidth - 12 : left + 12)}px`;
  };
  const keep = (which) => kept.replaceChildren(...commitLine(data, series, points, which));
  const zoom = (factor) => {
    const { min, max } = chart.scales.x;
    const center = row === null || row < 0 ? (min + max) / 2 : points.at[row];
    const range = factor ? [center - (center - min) * factor, center + (max - center) * factor] : [0, last];
    chart.setScale("x", { min: Math.max(-0.5, range[0]), max: Math.min(last + 0.5, range[1]) });
  };
  const move = (rows) => {
    const { min, max } = chart.scales.x;
    const shown = [points.at.findIndex((at) => at >= min), indexAt(points.at, max)];
    const from = row === null || row < 0 ? (rows < 0 ? shown[1] + 1 : shown[0] - 1) : row;
    const next = Math.min(shown[1], Math.max(shown[0], from + rows));
    if (next < 0) return;
    chart.setCursor({ left: chart.valToPos(points.at[next], "x"), top: 10 });
    spoken.textContent = hover.innerText.replaceAll("\n", ", ");
  };
  surface.addEventListener("keydown", (event) => {
    const many = event.shiftKey ? 20 : 1;
    const keys = {
      ArrowLeft: () => move(-many), ArrowRight: () => move(many), Home: () => move(-1e9), End: () => move(1e9),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => zoom(0),
      Enter: () => { if (row !== null && row >= 0) keep(row); },
      Escape: () => chart.setCursor({ left: -10, top: -10 }),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  surface.addEventListener("click", () => { if (row !== null && row >= 0) keep(row); });
  surface.addEventListener("range", () => { if (chart) chart.setScale("x", { min: state.range[0], max: state.range[1] }); });
  surface.addEventListener("height", () => { if (chart) draw(); });
  keep(points.at.length - 1);
  redrawn(surface, draw);
  return element("section", { class: "trend" },
    element("h4", {}, series.label, element("span", { class: "newest" }, ` ${series.newest}`)),
    surface, trendLegend(data, series), kept, stepList(data, series, steps), spoken, valueTable(data, series, points));
};

// uPlot's columns: the places, then for each kind of machine its values, and then the spread and the budget.
const trendColumns = (series, points) => [
  points.at,
  ...series.machineNames.map((_, machine) => points.values.map((value, row) => (points.machines[row] === machine ? value : null))),
  points.lows, points.highs, points.budgets,
];

const trendOptions = (surface, data, series, { points, steps, range, state, show }) => {
  const font = chartFont();
  const axis = { stroke: color("muted"), font, grid: { stroke: color("grid"), width: 1 }, ticks: { show: false } };
  const count = series.machineNames.length;
  const stepped = uPlot.paths.stepped({ align: 1 });
  const isFew = (chart) => {
    const { min, max } = chart.scales.x;
    return indexAt(points.at, max) - indexAt(points.at, min) <= FEW_POINTS;
  };
  const plain = { width: 0, points: { show: false }, paths: stepped };
  return {
    width: surface.clientWidth,
    height: TREND_HEIGHT,
    padding: [10 + RELEASE_HEIGHT, 14, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false, setScale: true }, points: { show: false } },
    scales: {
      x: { time: false, range: (_, min, max) => [min, max], min: range[0], max: range[1] },
      y: { range: (_, least, most) => heights(least, most, points.budgets, state.fromZero) },
    },
    axes: [
      { ...axis, size: 32, space: 90, incrs: PLACES, values: (_, places) => places.map((place) => (data.times[place] === undefined ? "" : dateWords(data.times[place]))) },
      { ...axis, size: 74, ...(series.unit === "bytes" ? { incrs: SIZE_STEPS } : {}), values: (_, values) => values.map((value) => (series.unit === "bytes" ? axisSize(value) : formatValue(series.unit, value))) },
    ],
    series: [
      {},
      ...series.machineNames.map((_, machine) => ({
        stroke: color(LINES[machine % LINES.length]), width: 2, paths: stepped, spanGaps: true,
        points: { show: isFew, size: 5, fill: color(LINES[machine % LINES.length]) },
      })),
      { ...plain }, { ...plain },
      { stroke: color("budget"), width: 1.5, dash: [6, 4], paths: stepped, points: { show: false }, auto: false },
    ],
    bands: [{ series: [count + 2, count + 1], fill: color("head-faint") }],
    hooks: {
      drawClear: [(chart) => drawReleases(chart, data.releases, font)],
      draw: [(chart) => drawSteps(chart, steps)],
      setCursor: [(chart) => show(chart.cursor.left >= 0 ? chart.posToVal(chart.cursor.left, "x") : null)],
      setScale: [(chart, key) => {
        if (key === "x") Object.assign(surface.dataset, { from: chart.scales.x.min, to: chart.scales.x.max });
      }],
    },
  };
};

const PLACES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

// The values in sight, and the budgets near them: one far above would press them flat.
const heights = (least, most, budgets, fromZero) => {
  if (least === null || least === undefined) return [0, 1];
  if (!fromZero) {
    const margin = Math.max(0.12 * (most - least), 0.01 * Math.abs(most), 1);
    return [least - margin, most + margin];
  }
  const near = [...new Set(budgets)].filter((budget) => budget !== null && budget <= FAR * most);
  return [Math.min(0, 1.08 * least), 1.08 * Math.max(most, ...near, 1)];
};

const hoverLines = (data, series, points, row) => {
  const before = row ? rowBefore(points, row) : -1;
  const place = points.at[row];
  const [sha, subject] = data.commits[place];
  const lines = [
    ["value", valueWords(series, points, row)],
    ["spread", spreadWords(series, points, row)],
    ["budget", points.budgets[row] === null ? null : formatValue(series.unit, points.budgets[row])],
    ["change", before < 0 ? null : changeWords(series, points.values[before], points.values[row])],
    ["machine", series.machineNames.length > 1 ? series.machineNames[points.machines[row]] : null],
    ["measured", series.refreshes.includes(row) ? "again, as its figure was old" : null],
    ["release", data.releases.filter(([at]) => at === place).map(([, name]) => name).join(", ") || null],
  ];
  return [
    element("b", {}, `${sha.slice(0, 10)} · ${dateWords(data.times[place])}`),
    ...lines.filter(([, words]) => words !== null).map(([name, words]) => element("div", {}, `${name} `, element("span", {}, words))),
    element("div", { class: "subject", dir: "auto" }, subject),
  ];
};

// A commit with its link, if the web address of commits is known.
const commitLink = (data, place) => {
  const [sha] = data.commits[place];
  const short = element("code", {}, sha.slice(0, 10));
  return data.commitPages ? element("a", { href: data.commitPages + sha, rel: "noreferrer noopener", target: "_blank" }, short) : short;
};

const commitLine = (data, series, points, row) => {
  const place = points.at[row];
  const spread = spreadWords(series, points, row);
  return [
    commitLink(data, place), ` ${dateWords(data.times[place])} `, element("b", {}, valueWords(series, points, row)),
    ...(spread ? [` (${spread})`] : []), " ", element("span", { class: "subject", dir: "auto" }, data.commits[place][1]),
  ];
};

const trendLegend = (data, series) => element("div", { class: "legend" },
  ...(series.machineNames.length > 1
    ? series.machineNames.map((name, machine) => element("span", {}, element("i", { class: `dot line-${machine % LINES.length}` }), name)) : []),
  series.lows === null ? null : element("span", {}, element("i", { class: "dot spread" }), "spread of the trials"),
  budgetKey(series),
  data.releases.length ? element("span", {}, "┆ release") : null,
  series.steps.length ? element("span", {}, "▲ confirmed step, △ suspected step") : null,
  element("span", { class: "hint" }, "drag to zoom, double-click to show all again, click to keep a commit below; or focus it and use ← → + - 0 Enter"));

const budgetKey = (series) => {
  const budgets = series.budgets.map(([, budget]) => budget).filter((budget) => budget !== null);
  if (!budgets.length) return null;
  const most = extremes(pointsOf(series).highs)[1];
  return element("span", {}, element("i", { class: "dot budget" }), budgets.some((budget) => budget <= FAR * most) ? "budget" : "budget, above the picture");
};

const stepList = (data, series, steps) => (!steps.length ? null
  : element("details", { class: "folded", open: steps.length <= 3 },
    element("summary", {}, `${steps.length} ${steps.length === 1 ? "step" : "steps"}`),
    element("ul", { class: "found" }, steps.map(({ at, before, after, isConfirmed, isWorse }) =>
      element("li", {}, `${isConfirmed ? "confirmed" : "suspected"}: `, element("span", { class: isWorse ? "worse" : "better" }, changeWords(series, before, after)),
        ` to ${formatValue(series.unit, after)} at `, commitLink(data, at), ` ${dateWords(data.times[at])} `, element("span", { class: "subject", dir: "auto" }, data.commits[at][1]))))));

// Made when it is opened: a history may have thousands of rows.
const valueTable = (data, series, points) => {
  const folded = element("details", { class: "folded" }, element("summary", {}, points.at.length === 1 ? "The value of 1 commit" : `The values of ${points.at.length} commits`));
  folded.addEventListener("toggle", () => {
    if (!folded.open || folded.childNodes.length > 1) return;
    const rows = points.at.map((place, row) => [
      { text: data.commits[place][0].slice(0, 10), key: place, content: commitLink(data, place) }, dateWords(data.times[place]),
      { text: valueWords(series, points, row), key: points.values[row] }, spreadWords(series, points, row),
      points.budgets[row] === null ? "–" : { text: formatValue(series.unit, points.budgets[row]), key: points.budgets[row] },
      data.commits[place][1],
    ]).reverse();
    folded.append(sortedTable(`Values of ${series.label}`, ["commit", "date", "value", "spread", "budget", "subject"], rows, { numeric: [2, 3, 4] }));
  });
  return folded;
};
