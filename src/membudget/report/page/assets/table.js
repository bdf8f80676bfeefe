// Tables that sort: by a press on a heading, or by Enter or Space on it. The third press restores the order.

// A cell is a text, or {text, key, content}: what is sorted by, and what is shown instead of the text.
const sortedTable = (label, headings, rows, { numeric = [], rowClass = () => null, open = null } = {}) => {
  const body = element("tbody");
  const made = rows.map((row) => {
    const cells = row.map((cell) => (typeof cell === "object" && cell !== null ? cell : { text: String(cell ?? "–") }));
    const line = element("tr", { class: rowClass(row) },
      cells.map((cell, index) => element("td", { class: numeric.includes(index) ? "number" : null }, cell.content ?? cell.text)));
    return { line, keys: cells.map((cell) => cell.key ?? sortKey(cell.text)) };
  });
  let by = null;
  let direction = 0;
  const heads = headings.map((heading, index) =>
    element("th", { scope: "col", class: numeric.includes(index) ? "number" : null },
      button(heading, () => sort(index), { title: "sort" })));
  const sort = (index) => {
    const first = numeric.includes(index) ? -1 : 1;
    direction = by !== index ? first : direction === first ? -first : 0;
    by = direction ? index : null;
    heads.forEach((head, number) => {
      if (number === by) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    const order = direction ? [...made].sort((one, other) => direction * compare(one.keys[index], other.keys[index])) : made;
    body.replaceChildren(...order.map((row) => row.line));
  };
  fill(body, made.map((row) => row.line));
  const table = element("table", {}, element("thead", {}, element("tr", {}, heads)), body);
  const scrolled = element("div", { class: "scrolled", role: "region", tabindex: 0, "aria-label": label }, table);
  if (open === null) return scrolled;
  return element("details", { class: "folded", open }, element("summary", {}, label), scrolled);
};

const compare = (one, other) => {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one === "number") return 1;
  if (typeof other === "number") return -1;
  return one.localeCompare(other);
};

const sizeCell = (bytes) => (bytes === null || bytes === undefined ? { text: "–", key: -1 } : { text: formatSize(bytes), key: bytes });
const deltaCell = (bytes) =>
  bytes === null ? { text: "–", key: -Infinity }
    : { text: formatSize(bytes, true), key: bytes, content: element("span", { class: bytes > 0 ? "worse" : bytes < 0 ? "better" : null }, formatSize(bytes, true)) };
