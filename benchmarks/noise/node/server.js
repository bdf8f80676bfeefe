// Parses and writes JSON of random records, and remembers some: garbage of all ages for V8's collectors.
const http = require("http");

const VISITORS = 300;
const seen = new Map();

function records(count) {
  return Array.from({ length: count }, (_, number) => ({ number, price: Math.random(), tags: ["new", String(Math.random())] }));
}

http
  .createServer((request, response) => {
    const text = JSON.stringify(records(Math.floor(Math.random() * 2000)));
    const parsed = JSON.parse(text);
    seen.set(Math.floor(Math.random() * VISITORS), parsed.slice(0, parsed.length / 4));
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(text);
  })
  .listen(8080, "127.0.0.1");
