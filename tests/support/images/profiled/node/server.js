// Remembers some of what it answers, and leaves garbage behind.
const http = require("http");
const { buildIndex } = require("./catalog/search");

const seen = new Map();
let requests = 0;

function records(count) {
  return Array.from({ length: count }, (_, number) => ({ number, price: Math.random(), tags: ["new", String(number)] }));
}

http
  .createServer((request, response) => {
    if (requests === 0) buildIndex(process.env.KIND || "objects", Number(process.env.GROWTH_MIB || 0));
    requests += 1;
    const parsed = JSON.parse(JSON.stringify(records(500)));
    seen.set(requests % 300, parsed.slice(0, 100));
    response.end(JSON.stringify(parsed));
  })
  .listen(8080, "127.0.0.1");
