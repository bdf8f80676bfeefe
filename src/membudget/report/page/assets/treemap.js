// Where the bytes of an image are: areas in proportion, coloured by what became of them since base.

const HEADER_HEIGHT = 20;
const LEAST_NESTED = 90;

// A part: {name, sizes: [base, head], parts, note, isRest, isAlone}. A size is null where the part is not, or not listed; what is
// alone has nothing to be compared with.
const treemap = (image) => {
  const contents = image.contents;
  if (!contents) return null;
  const sides = SIDES.filter((_, side) => contents.live[side] !== null);
  const state = { by: "folders", side: sides.at(-1), path: [] };
  const surface = element("div", { class: "treemap", role: "group", "aria-label": `Bytes of ${image.name}. Arrow keys move, Enter opens, Backspace goes up.` });
  const trail = element("nav", { class: "trail", "aria-label": "where the picture is" });
  const told = element("p", { class: "told", "aria-live": "polite" });
  const side = () => SIDES.indexOf(state.side);

  const draw = (focus = null) => {
    const root = rootOf(contents, state.by, side());
    const way = [root];
    for (const name of state.path) way.push(way.at(-1).parts.find((part) => part.name === name && part.parts.length) ?? way.at(-1));
    const here = way.at(-1);
    trail.replaceChildren(...way.map((part, depth) => button(part.name, () => { state.path = state.path.slice(0, depth); draw(0); },
      { "aria-current": depth === way.length - 1 ? "true" : null })));
    const tiles = laidOut(here, side(), 0, 0, surface.clientWidth, surface.clientHeight, []);
    surface.replaceChildren(...tiles.map((tile, number) => {
      const made = button(element("span", {}, tileText(tile, side())), () => open(tile), {
        class: `tile ${toneOf(tile.part, side())}${tile.nested ? " nested" : ""}`, tabindex: number === 0 ? 0 : -1,
        title: tellOf(tile.part, side()), onfocus: () => tell(tile.part), onmouseenter: () => tell(tile.part),
      });
      for (const [name, value] of Object.entries({ left: tile.x, top: tile.y, width: tile.width, height: tile.height })) made.style[name] = `${value}px`;
      return made;
    }));
    tell(here);
    if (focus !== null) surface.children[focus]?.focus();
  };
  const tell = (part) => { told.textContent = tellOf(part, side()); };
  const open = (tile) => {
    if (!tile.part.parts.length) return;
    state.path = [...state.path, ...tile.way];
    draw(0);
  };
  surface.addEventListener("keydown", (event) => {
    if ((event.key === "Backspace" || event.key === "Escape") && state.path.length) {
      event.preventDefault();
      state.path = state.path.slice(0, -1);
      draw(0);
    }
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!direction) return;
    event.preventDefault();
    const next = nearest([...surface.children], document.activeElement, direction);
    if (!next) return;
    document.activeElement.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  redrawn(surface, () => draw());
  const change = (changes) => { Object.assign(state, changes, { path: [] }); draw(); };
  return element("section", {},
    element("h4", {}, "Where the bytes are"),
    element("div", { class: "controls" },
      choice("by what", [["folders", "folders"], ["packages", "packages"], ["layers", "layers"]], state.by, (by) => change({ by })),
      sides.length > 1 ? choice("side", sides.map((name) => [name, name]), state.side, (name) => change({ side: name })) : null,
      element("span", { class: "key" }, element("i", { class: "dot grown" }), "grown", element("i", { class: "dot added" }), "new",
        element("i", { class: "dot shrunk" }), "shrunk", element("i", { class: "dot same" }), "same, or not known")),
    trail, surface, told, contentTables(image, side()));
};

const rootOf = (contents, by, side) => {
  const sizes = by === "layers" ? contents.total : contents.live;
  const parts = { folders: folderParts, packages: packageParts, layers: layerParts }[by](contents, side);
  const name = { folders: "/", packages: "all packages", layers: "all layers" }[by];
  const rest = { folders: "small files and folders", packages: "in no package, or not listed", layers: "layers that are not listed" }[by];
  return withRest({ name, sizes, parts }, side, rest);
};

const isCompared = (contents) => contents.live.every((bytes) => bytes !== null);

const folderParts = (contents, side) => {
  const isAlone = !isCompared(contents);
  const make = ([name, base, head, inside]) =>
    withRest({ name, sizes: [base, head], parts: inside.map(make), isAlone }, side, "small files and folders");
  return contents.folders.map(make);
};

const packageParts = (contents) => {
  const isAlone = !isCompared(contents);
  const families = new Map();
  for (const [family, name, before, after, base, head] of contents.packages) {
    if (!families.has(family)) families.set(family, { name: family, sizes: [0, 0], parts: [], isAlone });
    const whole = families.get(family);
    whole.parts.push({ name, sizes: [base, head], parts: [], isAlone, note: before && after && before !== after ? `${before} → ${after}` : after || before });
    whole.sizes = [whole.sizes[0] + (base ?? 0), whole.sizes[1] + (head ?? 0)];
  }
  return [...families.values()];
};

const layerParts = (contents, side) => (contents.layers[side] ?? []).map(([number, instruction, line, bytes, waste, inherited, delta]) => {
  const other = delta === null ? null : side === 1 ? bytes - delta : bytes + delta;
  const notes = [`layer ${number}`, line ? `line ${line}` : "", inherited ? "of the base image" : "", waste ? `${formatSize(waste)} of it waste` : ""];
  return { name: instruction, sizes: side === 1 ? [other, bytes] : [bytes, other], parts: [], note: notes.filter(Boolean).join(", "), isAlone: delta === null };
});

const withRest = (part, side, name) => {
  const sums = [0, 1].map((which) => part.parts.reduce((sum, one) => sum + (one.sizes[which] ?? 0), 0));
  const rest = [0, 1].map((which) => (part.sizes[which] === null ? null : Math.max(0, part.sizes[which] - sums[which])));
  if (!part.parts.length || !rest[side]) return part;
  return { ...part, parts: [...part.parts, { name, sizes: rest, parts: [], isRest: true }] };
};

const deltaOf = ({ sizes: [base, head] }) => (base === null || head === null ? null : head - base);

// What became of a part since base. What is there and not listed of base may have been too small for the list.
const toneOf = (part, side) => {
  if (part.isRest) return "rest";
  if (part.isAlone) return "same";
  const [base, head] = part.sizes;
  if (!base) return "added";
  if (!head) return "shrunk";
  return Math.abs(head - base) < Math.max(1, 0.002 * part.sizes[side]) ? "same" : head > base ? "grown" : "shrunk";
};

const tellOf = (part, side) => {
  const [base, head] = part.sizes;
  const delta = deltaOf(part);
  const sizes = delta === null ? formatSize(part.sizes[side] ?? 0) : `${formatSize(base)} → ${formatSize(head)} (${formatSize(delta, true)})`;
  const unlisted = delta === null && !part.isAlone && !part.isRest ? `, not listed of ${SIDES[1 - side]}` : "";
  return `${part.name}: ${sizes}${unlisted}${part.note ? `; ${part.note}` : ""}`;
};

const tileText = ({ part, width, height, nested }, side) => {
  if (width < 34 || height < 15) return "";
  const delta = deltaOf(part);
  const size = `${formatSize(part.sizes[side])}${delta && !part.isRest ? ` (${formatSize(delta, true)})` : ""}`;
  return nested || height < 34 ? `${part.name}  ${size}` : `${part.name}\n${size}`;
};

// Tiles of a part's parts, and within large ones of theirs: squarified (Bruls, Huizing, van Wijk, 2000).
const laidOut = (part, side, x, y, width, height, way) => {
  const parts = part.parts.filter((one) => one.sizes[side] > 0).sort((one, other) => other.sizes[side] - one.sizes[side]);
  const whole = parts.reduce((sum, one) => sum + one.sizes[side], 0);
  if (!whole || width < 4 || height < 4) return [];
  const scale = (width * height) / whole;
  const tiles = [];
  let rest = parts.map((one) => ({ one, area: one.sizes[side] * scale }));
  while (rest.length) {
    const length = Math.min(width, height);
    let count = 1;
    while (count < rest.length && worstRatio(rest.slice(0, count + 1), length) <= worstRatio(rest.slice(0, count), length)) count += 1;
    const row = rest.slice(0, count);
    rest = rest.slice(count);
    const depth = row.reduce((sum, { area }) => sum + area, 0) / length;
    let along = 0;
    for (const { one, area } of row) {
      const extent = area / depth;
      const box = width >= height ? [x, y + along, depth, extent] : [x + along, y, extent, depth];
      along += extent;
      tiles.push(...tileOf(one, side, box, [...way, one.name]));
    }
    if (width >= height) [x, width] = [x + depth, width - depth];
    else [y, height] = [y + depth, height - depth];
  }
  return tiles;
};

const tileOf = (part, side, [x, y, width, height], way) => {
  if (width < 2 || height < 2) return [];
  const nested = part.parts.length > 0 && width > LEAST_NESTED && height > LEAST_NESTED / 2;
  const tile = { part, x, y, width, height, way, nested };
  return nested ? [tile, ...laidOut(part, side, x + 3, y + HEADER_HEIGHT, width - 6, height - HEADER_HEIGHT - 3, way)] : [tile];
};

const worstRatio = (row, length) => {
  const sum = row.reduce((total, { area }) => total + area, 0);
  const areas = row.map(({ area }) => area);
  return Math.max((length ** 2 * Math.max(...areas)) / sum ** 2, sum ** 2 / (length ** 2 * Math.min(...areas)));
};

// The element to which an arrow key leads: the nearest one whose middle lies in that direction.
const nearest = (all, from, [right, down]) => {
  const middle = (one) => [one.offsetLeft + one.offsetWidth / 2, one.offsetTop + one.offsetHeight / 2];
  const [x, y] = middle(from);
  const distance = (one) => {
    const [dx, dy] = [middle(one)[0] - x, middle(one)[1] - y];
    const along = dx * right + dy * down;
    return along > 1 ? along + 2 * Math.abs(right ? dy : dx) : Infinity;
  };
  const best = all.filter((one) => one !== from).reduce((least, one) => (distance(one) < distance(least ?? from) ? one : least), null);
  return best && distance(best) < Infinity ? best : null;
};

const contentTables = (image, side) => {
  const { contents } = image;
  const place = (line) => (line ? `${contents.dockerfile ?? "line"}:${line}` : "");
  const layers = contents.layers[side] ?? [];
  const tables = [
    layers.length && sortedTable("Layers", ["layer", "made by", "Dockerfile", "size", "waste", "delta"],
      layers.map(([number, instruction, line, bytes, waste, inherited, delta]) => [
        { text: String(number), key: number }, { text: instruction, content: [element("code", {}, instruction), inherited ? " base image" : ""] }, place(line),
        sizeCell(bytes), sizeCell(waste), deltaCell(delta)]), { numeric: [3, 4, 5], open: false }),
    contents.changedPackages.length && sortedTable("Packages that changed", ["package", "of", "base", "head", "size", "delta"],
      contents.changedPackages.map(([family, name, before, after, base, head]) =>
        [name, family, before || "–", after || "–", sizeCell(head), deltaCell(head - base)]), { numeric: [4, 5], open: false }),
    contents.changedFiles.length && sortedTable("Files that changed", ["file", "how", "size", "delta"],
      contents.changedFiles.map(([path, kind, base, head]) => [path, kind, sizeCell(head), deltaCell(head - base)]), { numeric: [2, 3], open: false }),
    contents.packages.length && sortedTable(`Packages, ${contents.packages.length} of ${Math.max(contents.packageCount, contents.packages.length)}`, ["package", "of", "version", "size", "delta"],
      contents.packages.map(([family, name, before, after, base, head]) =>
        [name, family, after || before, sizeCell(head), deltaCell(base === null || head === null ? null : head - base)]), { numeric: [3, 4], open: false }),
    contents.largestFiles.length && sortedTable("Largest files", ["file", "layer", "size"],
      contents.largestFiles.map(([path, layer, bytes]) => [path, { text: String(layer), key: layer }, sizeCell(bytes)]), { numeric: [1, 2], open: false }),
  ];
  return tables.filter(Boolean);
};
