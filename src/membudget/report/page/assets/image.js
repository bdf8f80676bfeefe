// One image in detail. Its pictures are drawn when it is opened.

const imageSection = (image, isOpen) => {
  const body = element("div", { class: "body" });
  const section = element("details", { class: `image ${image.verdict}`, id: `image-${image.name}`, open: isOpen },
    element("summary", {}, element("span", { class: "sign" }, image.sign), element("h3", {}, image.name),
      element("span", { class: `status ${image.verdict}` }, image.status), peaksOf(image)),
    body);
  const build = () => {
    if (section.open && !body.childNodes.length) fill(body, parts(image));
  };
  section.addEventListener("toggle", build);
  build();
  return section;
};

const peaksOf = (image) => {
  const figure = image.figures.find(({ label }) => label === "peak RSS");
  const medians = figure ? figure.intervals.map((interval) => (interval ? formatSize(interval[1]) : null)).filter(Boolean) : [];
  return element("span", { class: "peaks" }, medians.length ? `peak RSS ${medians.join(" → ")}` : "");
};

const parts = (image) => [
  element("p", { class: "about" }, sentence(image.about)),
  SIDES.map((side) => image.sides[side]?.failure && element("p", { class: "worse" }, `${side}: `, sentence(image.sides[side].failure))),
  sentences(image.found, "found"),
  timeline(image),
  flames(image),
  fitted(image),
  image.phases.length ? sortedTable("Phases", image.phaseHeadings, image.phases, { numeric: [1, 2, 3, 4, 5], open: false }) : null,
  processes(image),
  scatter(image),
  treemap(image),
];

// Who held the memory near the peak, in the trial that is drawn first. Anonymous and shared memory add up to RSS.
const processes = (image) => {
  const side = image.sides.head ?? image.sides.base;
  const trial = side?.trials[side.typical ?? 0];
  if (!trial?.processes.length) return null;
  const [heading, rest] = trial.look;
  const table = sortedTable(`Processes: ${heading}`, ["process", "pid", "anonymous + shared", "file-backed", "largest RSS ever"],
    trial.processes.map(([name, pid, held, file, most]) => [
      { text: name, content: element("code", { dir: "ltr" }, name) }, { text: String(pid), key: pid }, sizeCell(held), sizeCell(file), sizeCell(most)]),
    { numeric: [2, 3, 4], open: false });
  const besides = rest.map(([what, bytes]) => `${what} ${formatSize(bytes)}`).join(", ");
  table.append(element("p", { class: "hint" }, `Anonymous and shared memory, ${besides}.`));
  const kinds = Object.entries(trial.kinds).filter(([, bytes]) => bytes).sort(([, one], [, other]) => other - one);
  const words = kinds.map(([kind, bytes]) => `${kind.replace("_", " ")} ${formatSize(bytes)}`).join(", ");
  if (words) table.append(element("p", { class: "hint" }, `All processes by kind: ${words}.`));
  return table;
};
