// What uPlot does not draw by itself: releases as lines from top to bottom, and steps as triangles.

const RELEASE_HEIGHT = 16;
const STEP_SIZE = 7;

// Names of releases that would overlap are left out: the line stays, and the text below the chart has all.
const drawReleases = (chart, releases, font) => {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = scaled(font, ratio);
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  ctx.strokeStyle = color("release");
  ctx.fillStyle = color("muted");
  ctx.lineWidth = ratio;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  let free = Infinity;
  for (const [place, name] of [...releases].reverse()) {
    const x = chart.valToPos(place, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - 4 * ratio);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const words = name.length > 20 ? `${name.slice(0, 19)}…` : name;
    const { width } = ctx.measureText(words);
    const right = Math.max(x, bbox.left + width);
    if (right > free) continue;
    ctx.fillText(words, right, bbox.top - 0.6 * RELEASE_HEIGHT * ratio);
    free = right - width - 10 * ratio;
  }
  ctx.restore();
};

// Upwards where the value grew. Filled if it was measured again and confirmed, and hollow if it is only suspected.
const drawSteps = (chart, steps) => {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  const size = STEP_SIZE * ratio;
  ctx.save();
  ctx.lineWidth = 2 * ratio;
  ctx.setLineDash([]);
  for (const { at, before, after, isConfirmed, isWorse } of steps) {
    const x = chart.valToPos(at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const up = after > before ? -1 : 1;
    const y = Math.min(Math.max(chart.valToPos(after, "y", true) + up * 2.4 * size, bbox.top + 2 * size), bbox.top + bbox.height - 2 * size);
    ctx.strokeStyle = color(isWorse ? "fail" : "pass");
    ctx.fillStyle = isConfirmed ? ctx.strokeStyle : color("surface");
    ctx.beginPath();
    ctx.moveTo(x, y + up * size);
    ctx.lineTo(x - size, y - 0.8 * up * size);
    ctx.lineTo(x + size, y - 0.8 * up * size);
    ctx.closePath();
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
};

// A line without axes, for the row of an image.
const drawSmall = (canvas, values) => {
  const ratio = devicePixelRatio;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  if (!width || !values.length) return;
  Object.assign(canvas, { width, height });
  const ctx = canvas.getContext("2d");
  const [least, most] = extremes(values);
  const span = Math.max(most - least, 0.2 * most, 1);
  const bottom = (least + most - span) / 2;
  ctx.strokeStyle = color("head");
  ctx.lineWidth = 1.5 * ratio;
  ctx.beginPath();
  values.forEach((value, index) => {
    const x = values.length === 1 ? 0 : (index / (values.length - 1)) * width;
    ctx.lineTo(x, height - 2 * ratio - ((value - bottom) / span) * (height - 4 * ratio));
  });
  ctx.stroke();
};

const extremes = (values) => values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
