// Answers with what it was sent, upper case: bodies pass through V8's heap, and its collector takes them back.
const http = require("http");

http
  .createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("latin1").toUpperCase();
      response.writeHead(200, { "Content-Type": "text/plain" });
      response.end(body);
    });
  })
  .listen(8080, "127.0.0.1");
