// The trials' own values, a dot each: base above head, with the interval that holds the median, and the budgets.

const scatter = (image) => {
  if (!image.figures.length) return null;
  return element("section", {},
    element("h4", {}, "The trials' own values"),
    element("p", { class: "hint" }, "Each dot is a trial. The stroke is the median, and the bar is the confidence interval of the median."),
    element("div", { class: "strips" }, image.figures.map(strip)),
    trialTable(image));
};

const strip = (figure) => {
  const [low, high] = extent(figure);
  const place = (value) => `${(100 * (value - low)) / (high - low)}%`;
  const lanes = SIDES.filter((side) => figure[side].length).map((side) => {
    const lane = element("div", { class: `lane ${side}` });
    const interval = figure.intervals[SIDES.indexOf(side)];
    if (interval) {
      const [from, median, to, confidence] = interval;
      const words = `${side}: median ${formatValue(figure.unit, median)}, between ${formatValue(figure.unit, from)} and ${formatValue(figure.unit, to)} (${confidence} %)`;
      lane.append(placed("interval", from, to, words), placed("median", median, median, words));
    }
    figure[side].forEach((value, number) => {
      lane.append(placed("trial", value, value, `${side}, trial ${number + 1}: ${formatValue(figure.unit, value)}`));
    });
    return lane;
  });
  function placed(name, from, to, words) {
    const made = element("i", { class: name, title: words });
    made.style.left = place(from);
    if (to !== from) made.style.width = `${(100 * (to - from)) / (high - low)}%`;
    return made;
  }
  const lines = figure.lines.filter(([value]) => value >= low && value <= high)
    .map(([value, words]) => placed("line", value, value, words));
  return element("div", { class: "strip" },
    element("div", { class: "name" }, figure.label),
    element("div", { class: "track" }, lines, lanes,
      element("div", { class: "ends" }, element("span", {}, formatValue(figure.unit, low)), element("span", {}, formatValue(figure.unit, high)))),
    element("div", { class: "delta" }, figure.delta ?? ""));
};

// From a little below the least to a little above the most; budgets within reach are in it.
const extent = (figure) => {
  const values = [...figure.base, ...figure.head];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const reach = Math.max(most - least, most * 0.1);
  const near = figure.lines.map(([value]) => value).filter((value) => value > least - reach && value < most + reach);
  const [low, high] = [Math.min(least, ...near), Math.max(most, ...near)];
  const margin = Math.max((high - low) * 0.06, high * 0.005, 1);
  return [Math.max(0, Math.floor(low - margin)), Math.ceil(high + margin)];
};

const trialTable = (image) => {
  const sides = SIDES.filter((side) => image.sides[side]?.trials.length);
  const rows = sides.flatMap((side) => image.sides[side].trials.map((trial, number) => [
    side, { text: String(number + 1), key: number }, trial.outcome,
    ...image.figures.map((figure) => {
      const value = figure[side].length === image.sides[side].trials.length ? figure[side][number] : null;
      return value === null ? { text: "–", key: -1 } : { text: formatValue(figure.unit, value), key: value };
    }),
  ]));
  const headings = ["side", "trial", "outcome", ...image.figures.map((figure) => figure.label)];
  return sortedTable("Values of the trials", headings, rows, { numeric: headings.map((_, index) => index).slice(3), open: false });
};
