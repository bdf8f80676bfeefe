// The index of the catalog.
const kept = [];

function addEntries(mebibytes) {
  for (let at = 0; at < mebibytes * 16384; at += 1) kept.push({ at, price: Math.random(), stock: at % 7 });
}

function addTitles(mebibytes) {
  for (let at = 0; at < mebibytes * 4096; at += 1) kept.push(`${at}`.padEnd(230, "x").replace("x", "y").toUpperCase());
}

function addPictures(mebibytes) {
  for (let at = 0; at < mebibytes * 8; at += 1) kept.push(Buffer.alloc(131072, at));
}

function addPrices(mebibytes) {
  for (let at = 0; at < mebibytes * 8; at += 1) kept.push(new Float64Array(16384).fill(at + 1));
}

exports.buildIndex = function buildIndex(kind, mebibytes) {
  ({ objects: addEntries, strings: addTitles, buffers: addPictures, arrays: addPrices })[kind](mebibytes);
};
