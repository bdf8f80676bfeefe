// Elements of the page. Every text goes in as text: nothing here, or in any other file, makes HTML of a string.

const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  fill(made, children);
  return made;
};

const fill = (parent, children) => {
  parent.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return parent;
};

// A text in parts: strings are membudget's own words, lists of one string quote what somebody else said.
const sentence = (parts) => parts.map((part) => (Array.isArray(part) ? element("code", { dir: "ltr" }, part[0]) : part));

const sentences = (list, name) =>
  list.length ? element("ul", { class: name }, list.map((parts) => element("li", {}, sentence(parts)))) : null;

const VERDICT_SIGNS = { pass: "✅", warn: "⚠️", fail: "❌", inconclusive: "❓" };

const button = (text, press, attributes = {}) => element("button", { type: "button", onclick: press, ...attributes }, text);

// Buttons of which one is pressed. `choose` is told which.
const choice = (label, options, chosen, choose) => {
  const group = element("span", { class: "choice", role: "group", "aria-label": label });
  const show = (value) => {
    for (const one of group.children) one.setAttribute("aria-pressed", String(one.dataset.value === String(value)));
  };
  for (const [value, text] of options) {
    group.append(button(text, () => { show(value); choose(value); }, { "data-value": value }));
  }
  show(chosen);
  return group;
};

const selection = (label, options, chosen, choose) => {
  const select = element("select", { onchange: () => choose(select.value) },
    options.map(([value, text]) => element("option", { value, selected: String(value) === String(chosen) }, text)));
  return element("label", { class: "selection" }, label, " ", select);
};

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Runs `draw` when `node` has another width, and when the colours change. Stops when the node has left the page.
const redrawn = (node, draw) => {
  let width = 0;
  new ResizeObserver(() => {
    if (node.clientWidth === width || !node.clientWidth) return;
    width = node.clientWidth;
    draw();
  }).observe(node);
  document.addEventListener("colours", () => { if (node.clientWidth) draw(); });
};
