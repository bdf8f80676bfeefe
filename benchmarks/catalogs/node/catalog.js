// A cache of 400 entries: each request replaces one, and leaves garbage behind. KEPT_BYTES is the size of an entry.
const http = require("http");

const ENTRIES = 400;
const LINES = 100;
const LINE_BYTES = Math.round(Number(process.env.KEPT_BYTES || 100000) / LINES);
const cache = new Map();
let requests = 0;

http
  .createServer((request, response) => {
    const line = Buffer.alloc(LINE_BYTES, 97);
    cache.set(requests++ % ENTRIES, Array.from({ length: LINES }, () => line.toString("latin1")));
    const count = Math.floor(Math.random() * 2000);
    const garbage = Array.from({ length: count }, (_, number) => ({ number, price: Math.random() }));
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify(garbage));
  })
  .listen(8080, "127.0.0.1");
