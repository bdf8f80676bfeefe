// What all hooks of uPlot need that draw on its canvas, in its own pixels.

const SIZE_STEPS = [1, 2 ** 10, 2 ** 20, 2 ** 30].flatMap((scale) => [1, 2, 5, 10, 20, 50, 100, 200, 500].map((step) => step * scale));

const within = (chart, x) => Math.min(chart.bbox.left + chart.bbox.width, Math.max(chart.bbox.left, x));
const scaled = (font, ratio) => font.replace(/^\d+/, (size) => String(size * ratio));
const chartFont = () => `12px ${getComputedStyle(document.body).fontFamily}`;
