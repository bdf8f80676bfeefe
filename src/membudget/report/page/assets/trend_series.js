// The figures of one metric of one image, from the columns that the page has of them. Decoded when they are first drawn.

// The sums of differences, in the series' own scale.
const summedUp = (differences, scale) => {
  let value = 0;
  return differences.map((difference) => (value += difference) * scale);
};

// {at, values, lows, highs, budgets, machines}: a column each, with a row for each commit that was measured.
const pointsOf = (series) => {
  if (!series.decoded) {
    const at = series.at === null ? series.values.map((_, index) => series.first + index) : summedUp(series.at, 1);
    const values = summedUp(series.values, series.scale);
    const off = (column, sign) => (column === null ? values : values.map((value, index) => value + sign * column[index] * series.scale));
    series.decoded = {
      at,
      values,
      lows: off(series.lows, -1),
      highs: off(series.highs, 1),
      budgets: runs(series.budgets, values.length),
      machines: runs(series.machines, values.length),
    };
  }
  return series.decoded;
};

// A column that was written as [row, value] where it changes.
const runs = (changes, length) => {
  const column = new Array(length).fill(null);
  changes.forEach(([row, value], number) => column.fill(value, row, changes[number + 1]?.[0] ?? length));
  return column;
};

// The row of the last commit that was measured up to a place on the branch; -1: none was.
const rowAt = (points, place) => indexAt(points.at, place);

// The row before that the same kind of machine measured; -1: there is none. Others cannot be compared.
const rowBefore = (points, row) => points.machines.lastIndexOf(points.machines[row], row - 1);

// What the kind of machine of the newest row measured.
const newestValues = (points) => {
  const newest = points.machines[points.machines.length - 1];
  return points.values.filter((_, row) => points.machines[row] === newest);
};

const spreadWords = (series, points, row) => {
  const [low, high] = [points.lows[row], points.highs[row]];
  return low === high ? null : `${formatValue(series.unit, low)} to ${formatValue(series.unit, high)}`;
};

const valueWords = (series, points, row) =>
  `${series.lowerBounds.includes(row) ? "at least " : ""}${formatValue(series.unit, points.values[row])}`;

const dateWords = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 10);

// A change in the metric's unit and in percent of the value before.
const changeWords = (series, before, after) => {
  const change = after - before;
  const sign = change < 0 ? "-" : "+";
  const percent = before ? ` (${sign}${Math.abs((100 * change) / before).toFixed(1)}%)` : "";
  return `${sign}${formatValue(series.unit, Math.abs(change))}${percent}`;
};
