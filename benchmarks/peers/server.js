// Small answers, and /export: an answer that is built in a buffer of 24 MiB, which is gone soon after.
const http = require("http");

http.createServer((request, response) => {
  if (request.url !== "/export") return response.end("fine");
  const built = Buffer.alloc(24 << 20, "line\n");
  setTimeout(() => response.end(String(built.length)), 20);
}).listen(8080, "127.0.0.1");

process.on("SIGTERM", () => process.exit(0));
