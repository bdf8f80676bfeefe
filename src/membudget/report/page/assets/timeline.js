// Memory over time: base and head of an image, or the kinds of memory of one of them, as uPlot draws them.

const VIEWS = {
  rss: { text: "RSS", count: 2, metric: "peak_rss" },
  working: { text: "working set", count: 3, metric: "peak_working_set" },
  memory: { text: "all usage", count: 4, metric: "peak_memory" },
  kinds: { text: "kinds", count: 4, metric: "peak_memory" },
};
const KINDS = ["anonymous", "shared", "active cache, kernel", "inactive file cache"];
const SIDES = ["base", "head"];
const CHART_HEIGHT = 300;

const timeline = (image) => {
  const sides = SIDES.filter((side) => image.sides[side]?.trials.length);
  if (!sides.length) return null;
  const state = {
    view: "rss",
    side: sides.at(-1),
    chosen: Object.fromEntries(sides.map((side) => [side, image.sides[side].typical ?? 0])),
    all: false,
    toLimit: false,
  };
  const surface = element("div", {
    class: "timeline", tabindex: 0, role: "group",
    "aria-label": `Memory of ${image.name} over time. Arrow keys move, + and - zoom, 0 shows all again.`,
  });
  const hover = element("div", { class: "hover", hidden: true });
  const spoken = element("p", { class: "spoken", "aria-live": "polite" });
  const legend = element("div", { class: "legend" });
  let chart = null;

  const draw = () => {
    chart?.destroy();
    const lines = linesOf(image, state.view);
    const drawn = drawnTrials(image, sides, state);
    chart = new uPlot(chartOptions(surface, drawn, lines, state, (seconds) => show(drawn, seconds)), chartData(drawn, state), surface);
    surface.append(hover);
    legend.replaceChildren(...legendOf(image, drawn, lines, state, highest(chart.data, lines, state)));
  };
  const show = (drawn, seconds) => {
    hover.hidden = seconds === null;
    if (seconds === null) return;
    const rows = state.view === "kinds" ? kindRows(drawn[0], seconds) : valueRows(drawn, seconds, VIEWS[state.view].count);
    const phases = drawn.filter((one) => !one.faint).map((one) => phaseAt(one.trial, seconds)).filter(Boolean);
    hover.replaceChildren(
      element("b", {}, formatTime(seconds), phases.length ? ` · ${[...new Set(phases)].join(", ")}` : ""),
      ...rows.map(([name, value, tone]) => element("div", {}, tone ? element("i", { class: `dot ${tone}` }) : null, `${name} `, element("span", {}, value))));
    const left = chart.valToPos(seconds, "x") + chart.over.offsetLeft;
    hover.style.left = `${left > surface.clientWidth / 2 ? left - hover.offsetWidth - 12 : left + 12}px`;
  };
  const change = (changes) => { Object.assign(state, changes); update(); draw(); };
  const controls = element("div", { class: "controls" });
  const update = () => controls.replaceChildren(...controlsOf(image, sides, state, change, () => zoom(0)));
  const zoom = (factor) => {
    const times = chart.data[0];
    const [first, last] = [times[0], times[times.length - 1]];
    const { min, max } = chart.scales.x;
    const center = chart.cursor.left >= 0 ? chart.posToVal(chart.cursor.left, "x") : (min + max) / 2;
    const range = factor ? [center - (center - min) * factor, center + (max - center) * factor] : [first, last];
    chart.setScale("x", { min: Math.max(first, range[0]), max: Math.min(last, range[1]) });
  };
  const move = (pixels) => {
    const width = chart.over.clientWidth;
    const left = Math.min(width, Math.max(0, (chart.cursor.left >= 0 ? chart.cursor.left : width / 2) + pixels));
    chart.setCursor({ left, top: 10 });
    spoken.textContent = hover.innerText.replaceAll("\n", ", ");
  };
  surface.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 50 : 5;
    const keys = {
      ArrowLeft: () => move(-step), ArrowRight: () => move(step), Home: () => move(-1e9), End: () => move(1e9),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => zoom(0),
      Escape: () => { zoom(0); chart.setCursor({ left: -10, top: -10 }); },
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  update();
  redrawn(surface, draw);
  return element("section", {}, element("h4", {}, "Memory over time"), controls, surface, legend, spoken);
};

// The trials that are lines: those that were chosen, and faint ones behind them.
const drawnTrials = (image, sides, state) => {
  const shown = state.view === "kinds" ? [state.side] : sides;
  const one = (side, number, faint) => ({ side, number, faint, trial: image.sides[side].trials[number] });
  const faint = state.all && state.view !== "kinds"
    ? shown.flatMap((side) => image.sides[side].trials.map((_, number) => number)
        .filter((number) => number !== state.chosen[side]).map((number) => one(side, number, true)))
    : [];
  return [...shown.map((side) => one(side, state.chosen[side], false)), ...faint];
};

const chartData = (drawn, state) => {
  const { count } = VIEWS[state.view];
  if (state.view === "kinds") {
    const { time } = decoded(drawn[0].trial);
    return [time, ...[4, 3, 2, 1].map((kinds) => summed(drawn[0].trial, kinds))];
  }
  return uPlot.join(drawn.map(({ trial }) => [decoded(trial).time, summed(trial, count)]));
};

const linesOf = (image, view) => [
  ...image.lines[VIEWS[view].metric].map(([value, words, kind, phase]) => ({ value, words, kind, phase })),
  { value: image.limit, words: `limit ${formatSize(image.limit)}`, kind: "limit", phase: null },
];

const chartOptions = (surface, drawn, lines, state, show) => {
  const text = color("muted");
  const font = chartFont();
  const axis = { stroke: text, font, grid: { stroke: color("grid"), width: 1 }, ticks: { show: false } };
  const rulers = drawn.filter((one) => !one.faint && one.trial.phases.length);
  const kinds = [4, 3, 2, 1].map((kind) => ({ label: KINDS[kind - 1], stroke: color(`kind-${kind}`), fill: color(`kind-${kind}`), width: 1, points: { show: false } }));
  const sideLines = drawn.map(({ side, number, faint }) => ({
    label: `${side} ${number + 1}`, stroke: color(faint ? `${side}-faint` : side), width: faint ? 1 : 2, points: { show: false },
  }));
  return {
    width: surface.clientWidth,
    height: CHART_HEIGHT + RULER_HEIGHT * rulers.length,
    padding: [10 + RULER_HEIGHT * rulers.length, 14, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: true, y: false },
      dataIdx: (chart, series, index) => known(chart.data[series], index),
      points: { size: 7 },
    },
    scales: {
      x: { time: false },
      y: { range: (chart) => [0, highest(chart.data, lines, state)] },
    },
    axes: [
      { ...axis, size: 32, values: (_, values) => values.map((value) => `${Number(value.toFixed(3))} s`) },
      { ...axis, size: 74, incrs: SIZE_STEPS, values: (_, values) => values.map(axisSize) },
    ],
    series: [{}, ...(state.view === "kinds" ? kinds : sideLines)],
    hooks: {
      drawClear: [(chart) => drawPhases(chart, rulers, font)],
      draw: [(chart) => { drawLines(chart, lines, drawn, font); drawKills(chart, drawn, font); }],
      setCursor: [(chart) => show(chart.cursor.left >= 0 ? chart.posToVal(chart.cursor.left, "x") : null)],
      setScale: [(chart, key) => {
        if (key === "x") Object.assign(surface.dataset, { from: chart.scales.x.min, to: chart.scales.x.max });
      }],
    },
  };
};

// The nearest index at which a column has a value: the others are samples of another trial.
const known = (column, index) => {
  for (let distance = 0; distance < column.length; distance += 1) {
    if (column[index - distance] !== undefined) return index - distance;
    if (column[index + distance] !== undefined) return index + distance;
  }
  return index;
};

// As high as what is drawn and the lines near it; lines far above would press the rest flat.
const highest = ([, ...columns], lines, state) => {
  const most = columns.reduce((sofar, column) => column.reduce((larger, value) => (value > larger ? value : larger), sofar), 1);
  const near = lines.filter(({ value, kind }) => value <= 1.7 * most || (state.toLimit && kind === "limit"));
  return 1.08 * Math.max(most, ...near.map(({ value }) => value));
};

const phaseAt = (trial, seconds) => trial.phases.find(([, begin, length]) => begin <= seconds && seconds <= begin + length)?.[0];

const valueRows = (drawn, seconds, count) => {
  const rows = drawn.filter((one) => !one.faint).map(({ side, trial }) => [side, valueAt(trial, seconds, count)]);
  const shown = rows.map(([side, value]) => [side, value === null ? "–" : formatSize(value), side]);
  const [base, head] = rows.map(([, value]) => value);
  const isPair = rows.length === 2 && base !== null && head !== null;
  return isPair ? [...shown, ["delta", formatSize(head - base, true), null]] : shown;
};

const kindRows = ({ trial }, seconds) => {
  const values = [1, 2, 3, 4].map((count) => valueAt(trial, seconds, count));
  if (values[0] === null) return [["not sampled", "–", null]];
  const rows = KINDS.map((name, kind) => [name, formatSize(values[kind] - (values[kind - 1] ?? 0)), `kind-${kind + 1}`]);
  return [...rows.reverse(), ["all usage", formatSize(values[3]), null]];
};

// Of a trial's first kinds, at a time; null: it had not begun, or was over.
const valueAt = (trial, seconds, count) => {
  const { time, kinds } = decoded(trial);
  const index = indexAt(time, seconds);
  if (index < 0 || (index === time.length - 1 && seconds > time[index] + 0.1)) return null;
  return Math.max(0, kinds.slice(0, count).reduce((sum, kind) => sum + kind[index], 0));
};

const controlsOf = (image, sides, state, change, reset) => [
  choice("what is drawn", Object.entries(VIEWS).map(([view, { text }]) => [view, text]), state.view, (view) => change({ view })),
  state.view === "kinds" && sides.length > 1
    ? choice("side", sides.map((side) => [side, side]), state.side, (side) => change({ side })) : null,
  (state.view === "kinds" ? [state.side] : sides).map((side) =>
    selection(`${side} trial`, image.sides[side].trials.map((trial, number) => [number, trialName(trial, number)]),
      state.chosen[side], (number) => change({ chosen: { ...state.chosen, [side]: Number(number) } }))),
  state.view === "kinds" ? null
    : button("all trials", () => change({ all: !state.all }), { class: "toggle", "aria-pressed": String(state.all) }),
  button("up to the limit", () => change({ toLimit: !state.toLimit }), { class: "toggle", "aria-pressed": String(state.toLimit) }),
  button("show all again", reset, { class: "reset" }),
].flat().filter(Boolean);

const trialName = (trial, number) => {
  const peak = trial.peak === null ? "no peak known" : formatSize(trial.peak);
  return `${number + 1}: ${peak}${trial.outcome === "completed" ? "" : `, ${trial.outcome}`}`;
};

const legendOf = (image, drawn, lines, state, most) => {
  const solid = drawn.filter((one) => !one.faint);
  const names = state.view === "kinds"
    ? KINDS.map((name, kind) => [`kind-${kind + 1}`, name]).reverse()
    : solid.map(({ side, number }) => [side, `${side}, trial ${number + 1} of ${image.sides[side].trials.length}`]);
  const marks = state.view === "memory"
    ? solid.filter(({ trial }) => trial.mark !== null).map(({ side, trial }) => `the kernel's own mark of ${side}: ${formatSize(trial.mark)}`) : [];
  const outside = lines.filter(({ value }) => value > most).map(({ words }) => `${words}, above the picture`);
  const killed = solid.filter(({ trial }) => trial.killed).map(({ side, trial }) => [
    `✕ ${side}: OOM-killed`, trial.killed.length ? ": " : "",
    trial.killed.map((name, number) => [number ? ", " : "", element("code", {}, name)]),
    "; when is not recorded, the mark is where usage was last at its highest",
  ]);
  return [
    ...names.map(([tone, name]) => element("span", {}, element("i", { class: `dot ${tone}` }), name)),
    ...killed.map((words) => element("span", { class: "worse" }, words)),
    ...[...marks, ...outside].map((words) => element("span", {}, words)),
    element("span", { class: "hint" }, "drag to zoom, double-click to show all again; or focus it and use ← → + - 0"),
  ];
};
