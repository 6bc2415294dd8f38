// SPDX-License-Identifier: MIT OR Apache-2.0
// moonport.lua's server with Bun's own.
"use strict";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request, server) {
    if (request.method === "POST") return Response.json(await request.json());
    if (request.url.endsWith("/socket")) return server.upgrade(request) ? undefined : new Response("", { status: 400 });
    return new Response("Hello, world");
  },
  websocket: {
    message(socket, text) {
      socket.send(text);
    },
  },
});

console.log(`http://127.0.0.1:${server.port}`);
