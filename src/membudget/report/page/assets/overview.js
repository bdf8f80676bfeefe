// The page: verdict first, then the rows in trouble and why, then every image, and what was compared.

const NUMERIC = ["base", "head", "delta", "headroom"];

const main = () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.title = `${data.sign} membudget: ${data.line}`;
  const urgent = data.rows.filter(([, , needsAttention]) => needsAttention);
  const inTrouble = data.images.filter(({ verdict }) => verdict !== "pass");
  fill(document.getElementById("page"), [
    element("header", { class: data.verdict },
      element("div", { class: "top" }, element("span", { class: "name" }, "membudget"), revisions(data), themeButton()),
      element("h1", {}, element("span", { class: "sign" }, data.sign), data.line)),
    sentences(data.remarks, "remarks"),
    urgent.length ? diffTable("Rows that need attention", data, urgent, null) : null,
    data.problems.map(explanation),
    data.also.length ? element("section", { class: "why" }, element("p", {}, element("b", {}, "Also")), told(data.also)) : null,
    data.logs.map(([title, isOpen, lines]) => element("details", { class: "folded", open: isOpen },
      element("summary", {}, sentence(title)), element("pre", { dir: "ltr" }, lines.join("\n")))),
    data.rows.length ? diffTable(allRows(data), data, data.rows, !urgent.length) : null,
    data.images.length ? element("h2", {}, "The images") : null,
    data.images.length > 1 ? element("nav", { class: "images", "aria-label": "images" }, data.images.map((image) =>
      element("a", { href: `#image-${image.name}`, class: image.verdict, onclick: showLinked }, `${image.sign} ${image.name}`))) : null,
    data.images.map((image, number) => imageSection(image, inTrouble.length ? image === inTrouble[0] : number === 0)),
    data.more.map(([title, items]) => element("details", { class: "folded" }, element("summary", {}, title), told(items))),
    element("p", { class: "cuts" }, sentence(data.compared), ` · ${data.started}`),
    sentences(data.cuts, "cuts"),
  ]);
  showLinked();
  addEventListener("hashchange", showLinked);
};

// The image that the address names, opened: report.html#image-NAME.
const showLinked = () => {
  const linked = document.getElementById(location.hash.slice(1));
  if (linked?.matches("details.image")) {
    linked.open = true;
    linked.scrollIntoView();
  }
};

const allRows = (data) =>
  data.rows.length < data.rowCount ? `${data.rows.length} of ${data.rowCount} figures, those in trouble first` : data.rowCount === 1 ? "The one figure" : `All ${data.rowCount} figures`;

const revisions = ({ base, head }) => !head ? element("span", { class: "revisions" }) : element("span", { class: "revisions" },
  base ? [element("code", { title: `${base[2]} ${base[1]}` }, base[0]), " → "] : "no base → ",
  element("code", { title: head[2] }, head[0]), " ", element("span", { dir: "ltr" }, head[1]));

const diffTable = (label, data, rows, open) => {
  const numeric = NUMERIC.map((name) => data.headings.indexOf(name));
  const made = rows.map(([cells, verdict, , isQuoted]) => Object.assign(
    cells.map((cell, index) => (index === 0 || (isQuoted && index < 4) ? { text: cell, content: element("code", {}, cell) } : { text: cell })),
    { verdict }));
  return sortedTable(label, data.headings, made, { numeric, rowClass: (row) => row.verdict, open });
};

// What went wrong in one way, and what to do about it.
const explanation = (problem) => element("section", { class: `why ${problem.verdict}` },
  element("p", {}, element("b", {}, problem.title), " → ", sentence(problem.next)),
  told(problem.items));

// Sentences, each with what belongs under it.
const told = (items) => element("ul", { class: "found" }, items.map(([parts, below]) =>
  element("li", {}, sentence(parts), sentences(below, "found"))));

main();
