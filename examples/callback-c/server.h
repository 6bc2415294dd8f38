/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A library that calls back from a thread of its own, as many do. It knows nothing of Lua. */

#ifndef SERVER_H
#define SERVER_H

#include <stddef.h>

/* Data was posted. path and body are the server's: they are gone when this returns. */
typedef void (*server_on_request)(const char *path, const char *body, size_t size, void *user);

/* An answer is wanted: writes it into the buffer and returns its size. 0: there is none. */
typedef size_t (*server_on_answer)(const char *path, char *buffer, size_t capacity, void *user);

struct server;

/* Listens on 127.0.0.1; port 0: the kernel picks one. NULL, and errno, where that fails. The callbacks are called on the
 * server's thread, from now on until server_stop returns. */
struct server *server_start(int port, server_on_request on_request, server_on_answer on_answer, void *user);

int server_port(const struct server *server);

/* Waits for the server's thread, and so for a callback that it may be in. */
void server_stop(struct server *server);

#endif
