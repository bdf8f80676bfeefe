// The limits that a fit tried: limit against CPU time and p95 latency, each in percent of a run without a limit.

const COSTS = [
  { name: "CPU time", tone: "head", at: 2 },
  { name: "p95 latency", tone: "budget", at: 3 },
];
const FITTED_HEIGHT = 280;
const MARK_HEIGHT = 16;

const fitted = (image) => {
  const found = image.fitted;
  if (!found) return null;
  const numeric = found.headings.map((_, index) => index).filter((index) => found.headings[index] !== "trials");
  return element("section", { class: "fitted" },
    element("h4", {}, "Limits that fit tried"),
    sentences(found.answers, "found"),
    found.points.length ? limitCurve(image, found) : null,
    found.rows.length ? sortedTable("Figures of each limit", found.headings, found.rows, { numeric, open: false }) : null);
};

const limitCurve = (image, found) => {
  const costs = COSTS.filter(({ at }) => found.points.some((point) => point[at] !== null));
  const marks = [...found.marks, ...(image.limit === null ? [] : [[image.limit, `limit ${formatSize(image.limit)}`]])]
    .map(([bytes, words], row) => ({ bytes, words, row, kind: row < found.marks.length ? "pass" : "limit" }));
  const surface = element("div", {
    class: "timeline", tabindex: 0, role: "group",
    "aria-label": `Limits that were tried for ${image.name}, and what they cost. Arrow keys move.`,
  });
  const hover = element("div", { class: "hover", hidden: true });
  const spoken = element("p", { class: "spoken", "aria-live": "polite" });
  const legend = element("div", { class: "legend" });
  const data = [found.points.map(([limit]) => limit), ...costs.map(({ at }) => found.points.map((point) => point[at]))];
  let chart = null;
  let chosen = null;

  const show = (index) => {
    chosen = index;
    hover.hidden = index === null || index === undefined;
    if (hover.hidden) return;
    const rows = found.headings.map((heading, column) => [heading, found.rows[index][column]]).filter(([, cell]) => cell);
    hover.replaceChildren(
      element("b", {}, rows[0][1]),
      ...rows.slice(1).map(([heading, cell]) => element("div", {}, `${heading} `, element("span", {}, cell))),
      ...costs.map(({ name, tone, at }) => found.points[index][at] === null ? null : element("div", {}, element("i", { class: `dot ${tone}` }), `${name} `,
        element("span", {}, `${Math.round(found.points[index][at])} % of no limit`))).filter(Boolean));
    const left = chart.valToPos(found.points[index][0], "x") + chart.over.offsetLeft;
    hover.style.left = `${left > surface.clientWidth / 2 ? left - hover.offsetWidth - 12 : left + 12}px`;
  };
  const draw = () => {
    chart?.destroy();
    const width = rangeOf(found.points, marks);
    chart = new uPlot(costOptions(surface, found.points, costs, marks, width, show), data, surface);
    surface.append(hover);
    const outside = marks.filter(({ bytes }) => bytes > width[1]).map(({ words }) => `${words}, right of the picture`);
    legend.replaceChildren(
      ...costs.map(({ name, tone }) => element("span", {}, element("i", { class: `dot ${tone}` }), name)),
      ...(found.points.some(([, works]) => !works) ? [element("span", { class: "worse" }, "✕ does not pass")] : []),
      ...outside.map((words) => element("span", {}, words)),
      element("span", { class: "hint" }, "in percent of a run without a limit; focus it and use ← →"));
  };
  surface.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = Math.min(found.points.length - 1, Math.max(0, chosen === null ? 0 : chosen + step));
    chart.setCursor({ left: chart.valToPos(found.points[next][0], "x"), top: 10 });
    spoken.textContent = hover.innerText.replaceAll("\n", ", ");
  });
  redrawn(surface, draw);
  return [surface, legend, spoken];
};

// A fit doubles limits to find where nothing is slower. On such a scale, the knee would have no room.
const isWide = (points) => points[points.length - 1][0] > 4 * points[0][0];

const doublings = ([from, to]) => {
  const first = Math.ceil(Math.log2(from));
  return Array.from({ length: Math.max(0, Math.floor(Math.log2(to)) - first + 1) }, (_, step) => 2 ** (first + step));
};

// All limits that were tried, with room beside them, and the marks that are not far above them.
const rangeOf = (points, marks) => {
  const limits = points.map(([limit]) => limit);
  const [least, most] = [limits[0], limits[limits.length - 1]];
  const last = Math.max(most, ...marks.map(({ bytes }) => bytes).filter((bytes) => bytes <= most + 0.5 * (most - least)));
  if (isWide(points)) return [least / 1.1, last * 1.1];
  const margin = 0.03 * (last - least);
  return [Math.max(0, least - margin), last + margin];
};

const costOptions = (surface, points, costs, marks, range, show) => {
  const font = chartFont();
  const axis = { stroke: color("muted"), font, grid: { stroke: color("grid"), width: 1 }, ticks: { show: false } };
  const most = Math.max(100, ...points.flatMap((point) => costs.map(({ at }) => point[at] ?? 0)));
  return {
    width: surface.clientWidth,
    height: FITTED_HEIGHT + MARK_HEIGHT * marks.length,
    padding: [8 + MARK_HEIGHT * marks.length, 14, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 9, fill: (_, index) => color(costs[index - 1].tone) } },
    scales: { x: { time: false, range: () => range, ...(isWide(points) ? { distr: 3, log: 2 } : {}) }, y: { range: () => [0, 1.08 * most] } },
    axes: [
      { ...axis, size: 32, ...(isWide(points) ? { splits: () => doublings(range), filter: (_, splits) => splits } : { incrs: SIZE_STEPS }), values: (_, values) => values.map(axisSize) },
      { ...axis, size: 60, values: (_, values) => values.map((value) => `${value} %`) },
    ],
    series: [{}, ...costs.map(({ name, tone }) => ({
      label: name, stroke: color(tone), width: 2, spanGaps: false,
      points: { show: true, size: 7, fill: color("surface"), stroke: color(tone), width: 2 },
    }))],
    hooks: {
      drawClear: [(chart) => drawMarks(chart, marks, font)],
      draw: [(chart) => drawFailures(chart, points, font)],
      setCursor: [(chart) => show(chart.cursor.left >= 0 ? chart.cursor.idx : null)],
    },
  };
};

// A line for each answer and for the limit, each with a row for its words above the chart.
const drawMarks = (chart, marks, font) => {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = scaled(font, ratio);
  ctx.textBaseline = "middle";
  for (const { bytes, words, row, kind } of marks) {
    const x = chart.valToPos(bytes, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const y = bbox.top - (marks.length - row - 0.5) * MARK_HEIGHT * ratio;
    ctx.strokeStyle = ctx.fillStyle = color(kind);
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash(kind === "limit" ? [] : [6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const isRight = x > bbox.left + bbox.width / 2;
    ctx.textAlign = isRight ? "right" : "left";
    ctx.fillText(words, x + (isRight ? -5 : 5) * ratio, y);
  }
  ctx.restore();
};

const drawFailures = (chart, points, font) => {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `bold ${scaled(font, ratio)}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  ctx.fillStyle = color("limit");
  for (const [limit, works] of points) {
    if (!works) ctx.fillText("✕", chart.valToPos(limit, "x", true), bbox.top + bbox.height - 2 * ratio);
  }
  ctx.restore();
};
