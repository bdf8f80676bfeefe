// What uPlot does not draw by itself: phases, budgets and limits, OOM kills. Canvas pixels, as its hooks have them.

const RULER_HEIGHT = 17;

const drawPhases = (chart, rulers, font) => {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = scaled(font, ratio);
  ctx.textBaseline = "middle";
  rulers.forEach(({ side, trial }, row) => {
    const y = bbox.top - (rulers.length - row) * RULER_HEIGHT * ratio;
    const height = (RULER_HEIGHT - 3) * ratio;
    ctx.textAlign = "right";
    ctx.fillStyle = color(side);
    ctx.fillText(side, bbox.left - 8 * ratio, y + height / 2);
    trial.phases.forEach(([name, begin, seconds], number) => {
      const [from, to] = [begin, begin + seconds].map((time) => within(chart, chart.valToPos(time, "x", true)));
      if (to - from < 1) return;
      ctx.fillStyle = color(`phase-${number % 4}`);
      ctx.fillRect(from, y, to - from - ratio, height);
      if (row === rulers.length - 1) {
        ctx.globalAlpha = 0.32;
        ctx.fillRect(from, bbox.top, to - from - ratio, bbox.height);
        ctx.globalAlpha = 1;
      }
      if (ctx.measureText(name).width > to - from - 8 * ratio) return;
      ctx.textAlign = "left";
      ctx.fillStyle = color("text");
      ctx.fillText(name, from + 5 * ratio, y + height / 2);
    });
  });
  ctx.restore();
};

const drawLines = (chart, lines, drawn, font) => {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  const last = drawn.filter((one) => !one.faint).at(-1);
  ctx.save();
  ctx.font = scaled(font, ratio);
  ctx.textAlign = "left"; // where curves begin, and are low
  ctx.textBaseline = "bottom";
  let above = Infinity;
  for (const { value, words, kind, phase } of [...lines].sort((one, other) => one.value - other.value)) {
    if (value > chart.scales.y.max) continue;
    const y = chart.valToPos(value, "y", true);
    const named = phase === null ? null : last.trial.phases.find(([name]) => name === phase);
    if (phase !== null && !named) continue;
    const [from, to] = named ? [named[1], named[1] + named[2]].map((time) => within(chart, chart.valToPos(time, "x", true))) : [bbox.left, bbox.left + bbox.width];
    ctx.strokeStyle = ctx.fillStyle = color(kind);
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash(kind === "limit" ? [] : [6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(from, y);
    ctx.lineTo(to, y);
    ctx.stroke();
    const baseline = Math.min(y - 2 * ratio, above - 14 * ratio);
    ctx.strokeStyle = color("surface");
    ctx.lineWidth = 3 * ratio;
    ctx.setLineDash([]);
    ctx.strokeText(words, from + 6 * ratio, baseline);
    ctx.fillText(words, from + 6 * ratio, baseline);
    above = baseline;
  }
  ctx.restore();
};

// When the kernel killed is not recorded. It does so when usage is at the limit: the mark stands where that was last.
const drawKills = (chart, drawn, font) => {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `bold ${scaled(font, ratio)}`;
  ctx.textBaseline = "bottom";
  for (const { side, trial } of drawn.filter((one) => !one.faint && one.trial.killed)) {
    const x = chart.valToPos(killedAt(trial), "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = color("limit");
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const isRight = x > bbox.left + bbox.width / 2;
    ctx.textAlign = isRight ? "right" : "left";
    ctx.strokeStyle = color("surface");
    ctx.lineWidth = 3 * ratio;
    ctx.setLineDash([]);
    const place = [`✕ ${side} OOM-killed`, x + (isRight ? -6 : 6) * ratio, bbox.top + bbox.height - 10 * ratio];
    ctx.strokeText(...place);
    ctx.fillText(...place);
  }
  ctx.restore();
};

const killedAt = (trial) => {
  const usage = summed(trial, 4);
  const near = 0.98 * Math.max(...usage);
  return decoded(trial).time[usage.findLastIndex((bytes) => bytes >= near)] ?? 0;
};
