// Each request to /fill keeps about 4 MiB of V8's heap until 70 % of it is kept, and replaces some of it from then on.
const http = require("http");
const v8 = require("v8");

const kept = [];
const most = 0.7 * v8.getHeapStatistics().heap_size_limit;

function piece() {
  return Array.from({ length: 8 << 10 }, (_, number) => number + 0.5);
}

function fill() {
  for (let number = 0; number < 64; number++) {
    if (v8.getHeapStatistics().used_heap_size < most) kept.push(piece());
    else kept[Math.floor(Math.random() * kept.length)] = piece();
  }
}

http
  .createServer((request, response) => {
    if (request.url === "/fill") fill();
    response.end("ok");
  })
  .listen(8080, "127.0.0.1");
