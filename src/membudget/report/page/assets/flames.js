// Which code holds memory: each call above those that it makes, as wide as what it holds, coloured by its growth.

const FLAME_HEIGHT = 20;
const LEAST_FLAME = 2;
const LEAST_TEXT = 30;
const WIDE_FLAME = 260;

// A call: {name, short, isLibrary, sizes: [base, head], both, calls}. `both` is what it holds on either side.
const flames = (image) => {
  const profile = image.profile;
  if (!profile) return null;
  const views = profile.isCompared ? [["both", "difference"], ["1", "head"], ["0", "base"]] : [["1", "head"]];
  const state = { view: views[0][0], path: [] };
  const root = rootCall(profile);
  const surface = element("div", { class: "flames", role: "group",
    "aria-label": `Code of ${image.name} that holds memory. Arrow keys move, Enter opens, Backspace goes up.` });
  const trail = element("nav", { class: "trail", "aria-label": "which calls are shown" });
  const told = element("p", { class: "told", "aria-live": "polite" });

  const draw = (focus = false) => {
    const way = [root, ...state.path];
    const here = way.at(-1);
    trail.replaceChildren(...way.map((call, depth) => button(call.name, () => { state.path = state.path.slice(0, depth); draw(true); },
      { "aria-current": depth === way.length - 1 ? "true" : null })));
    const cells = flamesOf(here, state.view, surface.clientWidth);
    surface.style.height = `${FLAME_HEIGHT * (1 + Math.max(0, ...cells.map(({ depth }) => depth)))}px`;
    surface.replaceChildren(...cells.map((cell, number) => {
      const text = cell.width > WIDE_FLAME ? cell.call.name : cell.call.short || cell.call.name;
      const made = button(cell.width > LEAST_TEXT ? element("span", {}, text) : "", () => open(cell), {
        class: `flame ${flameTone(cell.call, profile)}${cell.call.isLibrary ? " library" : ""}`, tabindex: number === 0 ? 0 : -1,
        title: tellCall(cell.call, profile), onfocus: () => tell(cell.call), onmouseenter: () => tell(cell.call),
      });
      made.style.left = `${cell.x}px`;
      made.style.top = `${FLAME_HEIGHT * cell.depth}px`;
      made.style.width = `${cell.width}px`;
      made.style.setProperty("--share", `${Math.round(100 * flameShare(cell.call))}%`);
      cell.made = made;
      return made;
    }));
    surface.cells = cells;
    tell(here);
    if (focus) surface.children[0]?.focus();
  };
  const tell = (call) => { told.textContent = tellCall(call, profile); };
  const open = (cell) => {
    const way = [];
    for (let one = cell; one; one = one.above) way.unshift(one.call);
    state.path = [...state.path, ...way.slice(1)];
    draw(true);
  };
  surface.addEventListener("keydown", (event) => {
    if ((event.key === "Backspace" || event.key === "Escape") && state.path.length) {
      event.preventDefault();
      state.path = state.path.slice(0, -1);
      draw(true);
      return;
    }
    const from = surface.cells.find(({ made }) => made === document.activeElement);
    const beside = from && surface.cells.filter(({ depth }) => depth === from.depth);
    const next = from && {
      ArrowUp: () => from.above,
      ArrowDown: () => surface.cells.find(({ above }) => above === from),
      ArrowLeft: () => beside[beside.indexOf(from) - 1],
      ArrowRight: () => beside[beside.indexOf(from) + 1],
    }[event.key]?.();
    if (!next) return;
    event.preventDefault();
    from.made.tabIndex = -1;
    next.made.tabIndex = 0;
    next.made.focus();
  });
  redrawn(surface, () => draw());
  const dots = [["grown", "grown"], ["shrunk", "shrunk"], ["same", "same"]];
  return element("section", { class: "profile" },
    element("h4", {}, `Which code holds memory, by ${profile.by}`),
    element("div", { class: "controls" },
      views.length > 1 ? choice("side", views, state.view, (view) => { Object.assign(state, { view, path: [] }); draw(); }) : null,
      profile.isCompared ? element("span", { class: "key" }, dots.map(([tone, text]) => [element("i", { class: `dot ${tone}` }), text])) : null),
    trail, surface, told,
    profile.shown < profile.count ? element("p", { class: "hint" }, `The ${profile.shown} largest of ${profile.count} calls are shown.`) : null);
};

const rootCall = (profile) => {
  const make = ([place, base, head, below]) => {
    const calls = below.map(make);
    const own = [base, head].map((size, side) => Math.max(0, size - calls.reduce((sum, call) => sum + call.sizes[side], 0)));
    const [name, short, isLibrary] = profile.places[place];
    return { name, short, isLibrary, sizes: [base, head], calls, both: Math.max(...own) + calls.reduce((sum, call) => sum + call.both, 0) };
  };
  const calls = profile.calls.map(make);
  const both = calls.reduce((sum, call) => sum + call.both, 0);
  return { name: "all code", isLibrary: false, sizes: profile.held.map((held) => held ?? 0), calls, both };
};

// The width of a call in a view. Without the stacks that are not listed, everything is as wide as its calls.
const flameSize = (call, view) => (view === "both" ? call.both : call.sizes[Number(view)]);

const flamesOf = (here, view, width) => {
  const cells = [];
  const whole = here.name === "all code" && here.calls.length ? here.calls.reduce((sum, call) => sum + flameSize(call, view), 0) : flameSize(here, view);
  const add = (call, x, size, depth, above) => {
    const cell = { call, x, width: size, depth, above };
    cells.push(cell);
    let left = x;
    for (const below of [...call.calls].sort((one, other) => flameSize(other, view) - flameSize(one, view))) {
      const extent = (flameSize(below, view) / whole) * width;
      if (extent >= LEAST_FLAME) add(below, left, extent, depth + 1, cell);
      left += extent;
    }
  };
  if (whole > 0 && width > 0) add(here, 0, width, 0, null);
  return cells;
};

const flameTone = ({ sizes: [base, head] }, profile) => {
  if (!profile.isCompared || Math.abs(head - base) < Math.max(65536, 0.01 * Math.max(base, head))) return "same";
  return head > base ? "grown" : "shrunk";
};

// How much of the larger side a change is: the more, the stronger its colour. A quarter can be seen.
const flameShare = ({ sizes: [base, head] }) => 0.25 + (0.75 * Math.abs(head - base)) / Math.max(1, base, head);

const tellCall = ({ name, sizes: [base, head], isLibrary }, profile) => {
  const sizes = profile.isCompared ? `${formatSize(base)} → ${formatSize(head)} (${formatSize(head - base, true)})` : formatSize(head);
  return `${name}: ${sizes}${isLibrary ? ", a library" : ""}`;
};
