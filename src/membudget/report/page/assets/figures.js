// Figures as people read them: the same words as membudget's own (quantities.py), for what only this page computes.

const UNITS = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]];

const formatSize = (bytes, signed = false) => {
  const magnitude = Math.abs(bytes);
  const sign = bytes < 0 ? "-" : signed && bytes > 0 ? "+" : "";
  for (const [name, scale] of UNITS) {
    if (magnitude >= scale - scale / 2048) return `${sign}${(magnitude / scale).toFixed(1)} ${name}`;
  }
  return `${sign}${Math.round(magnitude)} B`;
};

// On an axis: without decimals that say nothing.
const axisSize = (bytes) => {
  const [name, scale] = UNITS.find(([, scale]) => Math.abs(bytes) >= scale) ?? ["B", 1];
  return `${Number((bytes / scale).toFixed(1))} ${name}`;
};

const formatDuration = (ms) => {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 99950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
};

// A number of thousandths, with three digits or all digits of its whole part.
const threeDigits = (value) => {
  const whole = value / 1000;
  if (value < 9995) return whole.toFixed(2);
  return value < 99950 ? whole.toFixed(1) : Math.round(whole).toLocaleString("en-US");
};

const formatLatency = (us) => {
  if (us < 1000) return `${Math.round(us)} µs`;
  return us < 99950 ? `${threeDigits(us)} ms` : formatDuration(us / 1000);
};

const formatRate = (thousandths) => `${threeDigits(thousandths)}/s`;

const FORMATS = {
  bytes: formatSize,
  milliseconds: formatDuration,
  microseconds: formatLatency,
  "requests per 1000 s": formatRate,
  "requests per 1000 s and GiB": formatRate,
};

const formatValue = (unit, value) => (FORMATS[unit] ?? String)(value);

const formatTime = (seconds) => (seconds < 100 ? `${seconds.toFixed(seconds < 10 ? 2 : 1)} s` : formatDuration(1000 * seconds));

const SCALES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, "µs": 0.001, ms: 1, s: 1000, m: 60000, "%": 1 };

// What a cell is sorted by: the figure that it begins with, else its text.
const sortKey = (text) => {
  const found = /^((?:over|under) [\w.]+ by )?[≥≤]? ?([+-]?[\d,]+(?:\.\d+)?)(?: ?(B|KiB|MiB|GiB|µs|ms|s|m|%))?(?![\w.])/.exec(text);
  if (!found) return text;
  const value = Number(found[2].replaceAll(",", "")) * (SCALES[found[3]] ?? 1);
  return found[1] ? -value : value;
};

// A trial's samples, from the differences that they were written as: seconds, and bytes by kind.
const decoded = (trial) => {
  if (!trial.decoded) {
    const [time, ...kinds] = trial.columns.map((column) => {
      let value = 0;
      return column.map((difference) => (value += difference));
    });
    trial.decoded = { time: time.map((ms) => ms / 1000), kinds: kinds.map((kind) => kind.map((kib) => 1024 * kib)) };
  }
  return trial.decoded;
};

// The sum of a trial's first `count` kinds: two are RSS, three the working set, four all usage.
const summed = (trial, count) => {
  const { time, kinds } = decoded(trial);
  return time.map((_, index) => Math.max(0, kinds.slice(0, count).reduce((sum, kind) => sum + kind[index], 0)));
};

// The index of the last of `times` that is not after `time`; -1: there is none.
const indexAt = (times, time) => {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};
