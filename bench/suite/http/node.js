// SPDX-License-Identifier: MIT OR Apache-2.0
// moonport.lua's server with Node's own HTTP server. It has no WebSocket server.
"use strict";

const http = require("node:http");

const server = http.createServer((request, response) => {
  if (request.method === "GET") {
    response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8", "Content-Length": 12 });
    response.end("Hello, world");
    return;
  }
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const body = JSON.stringify(JSON.parse(Buffer.concat(pieces).toString()));
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
    response.end(body);
  });
});

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
