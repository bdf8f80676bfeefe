// The page of the history: every image with its newest figure and a small line; its charts are drawn when it is opened.

const main = () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.title = `membudget: ${data.title}`;
  const last = data.commits.length - 1;
  const state = { range: [-0.5, last + 0.5], fromZero: true };
  const sections = data.images.map((image, number) => trendSection(data, image, state, number === 0));
  fill(document.getElementById("page"), [
    element("header", { class: data.standing },
      element("div", { class: "top" }, element("span", { class: "name" }, "membudget"), element("span", { class: "revisions" }, data.about), themeButton()),
      element("h1", {}, data.title)),
    sentences(data.remarks, "remarks"),
    data.images.length ? element("div", { class: "controls" },
      ranges(data, state, sections),
      choice("vertical axis", [["zero", "from zero"], ["values", "fit to values"]], "zero", (chosen) => { state.fromZero = chosen === "zero"; tell(sections, "height"); }),
      data.images.length > 5 ? imageFilter(data.images, sections) : null) : null,
    sections,
    data.releases.length ? element("details", { class: "folded" }, element("summary", {}, `Releases: ${data.releases.length}`),
      element("ul", { class: "found" }, [...data.releases].reverse().map(([place, name]) =>
        element("li", {}, element("code", {}, name), " ", commitLink(data, place), ` ${dateWords(data.times[place])}`)))) : null,
  ]);
  showLinked();
  addEventListener("hashchange", showLinked);
};

// Which commits all charts show.
const ranges = (data, state, sections) => {
  const last = data.commits.length - 1;
  const release = data.releases.at(-1)?.[0];
  const options = [["all", "all commits", 0]];
  for (const count of [500, 100, 30]) if (last + 1 > count) options.push([String(count), `last ${count}`, last + 1 - count]);
  if (release !== undefined && release < last) options.push(["release", `since ${data.releases.at(-1)[1].slice(0, 20)}`, release]);
  return choice("commits", options.map(([value, words]) => [value, words]), "all", (chosen) => {
    state.range = [options.find(([value]) => value === chosen)[2] - 0.5, last + 0.5];
    tell(sections, "range");
  });
};

// Tells the charts that are drawn already that something of the shared state has changed.
const tell = (sections, what) => {
  for (const section of sections) for (const chart of section.querySelectorAll(".timeline")) chart.dispatchEvent(new Event(what));
};

const imageFilter = (images, sections) => {
  const input = element("input", { type: "search", size: 18, oninput: () => {
    const wanted = input.value.trim().toLowerCase();
    images.forEach(({ name }, number) => { sections[number].hidden = !name.toLowerCase().includes(wanted); });
  } });
  return element("label", { class: "selection" }, "image ", input);
};

const trendSection = (data, image, state, isOpen) => {
  const body = element("div", { class: "body" });
  const first = image.metrics[0];
  const small = element("canvas", { class: "small", "aria-hidden": "true" });
  const steps = image.metrics.reduce((sum, series) => sum + series.steps.length, 0);
  const section = element("details", { class: "image", id: `image-${image.name}`, open: isOpen },
    element("summary", {}, element("h3", {}, image.name),
      element("span", { class: "peaks" }, steps ? `${steps} ${steps === 1 ? "step" : "steps"} ` : ""), small,
      element("span", { class: `status ${first.standing}` }, `${first.label} ${first.newest}${first.words ? `, ${first.words}` : ""}`)),
    body);
  const build = () => {
    if (section.open && !body.childNodes.length) fill(body, image.metrics.map((series) => trendChart(data, image, series, state)));
  };
  section.addEventListener("toggle", build);
  build();
  drawnWhenSeen(small, () => drawSmall(small, newestValues(pointsOf(first))));
  return section;
};

// Runs `draw` when `node` comes into sight, and from then on when the colours change.
const drawnWhenSeen = (node, draw) => {
  new IntersectionObserver((entries, observer) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    draw();
    document.addEventListener("colours", draw);
  }).observe(node);
};

// The image that the address names, opened: trend.html#image-NAME.
const showLinked = () => {
  const linked = document.getElementById(location.hash.slice(1));
  if (linked?.matches("details.image")) {
    linked.open = true;
    linked.scrollIntoView();
  }
};

main();
