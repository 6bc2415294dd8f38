/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Reads just enough HTTP for curl: POST gives its body to on_request, GET gets what on_answer writes. One thread does it
 * all; sizes, connections and times are limited. Any program on this machine may call: an example, not a server to ship. */

#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 4096, BODY_MAX = 65536, ANSWER_MAX = 16384, PATH_LENGTH = 255, CONNECTIONS = 32, SECONDS = 5 };

struct connection {
  int fd;          /* -1: free */
  time_t deadline; /* by then the next request must be whole */
  size_t used;
  char bytes[HEAD_MAX + BODY_MAX];
};

struct server {
  int listener, port;
  int stop[2]; /* a pipe: its end tells the thread to end */
  pthread_t thread;
  server_on_request on_request;
  server_on_answer on_answer;
  void *user;
  struct connection connections[CONNECTIONS];
};

struct request {
  char method[8], path[PATH_LENGTH + 1];
  size_t head, body; /* their sizes */
};

static time_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec;
}

static void hang_up(struct connection *connection) {
  close(connection->fd);
  connection->fd = -1;
}

/* -1: the client does not take it. */
static int answer(int fd, const char *status, const char *body, size_t size) {
  char message[256 + ANSWER_MAX];
  int head = snprintf(message, 256, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, size);
  memcpy(message + head, body, size);
  size_t total = (size_t)head + size;
  for (size_t sent = 0; sent < total;) {
    ssize_t count = send(fd, message + sent, total - sent, MSG_NOSIGNAL);
    if (count <= 0) return -1;
    sent += (size_t)count;
  }
  return 0;
}

/* The one header field that matters. -1: it cannot be read, or the body is sent in another way. */
static int read_length(const char *line, size_t *length) {
  int seen = 0;
  *length = 0;
  while ((line = strstr(line, "\r\n"))) {
    line += 2;
    if (strncasecmp(line, "transfer-encoding:", 18) == 0) return -1;
    if (strncasecmp(line, "content-length:", 15) != 0) continue;
    const char *digits = line + 15 + strspn(line + 15, " \t");
    size_t count = strspn(digits, "0123456789");
    if (seen++ || count == 0 || count > 9 || (digits[count] != '\r' && digits[count] != 0)) return -1;
    *length = strtoul(digits, NULL, 10);
  }
  return 0;
}

/* NULL: the request is whole. "": more must come. Else the status of the refusal. */
static const char *read_request(const struct connection *connection, struct request *request) {
  const char *end = memmem(connection->bytes, connection->used, "\r\n\r\n", 4);
  if (!end) return connection->used < HEAD_MAX ? "" : "431 Request Header Fields Too Large";
  size_t size = (size_t)(end - connection->bytes);
  if (size + 4 > HEAD_MAX) return "431 Request Header Fields Too Large";
  char head[HEAD_MAX];
  memcpy(head, connection->bytes, size);
  head[size] = 0;
  int line = 0;
  if (strlen(head) != size ||
      sscanf(head, "%7[A-Z] %255[^ \r\n] HTTP/1.1%n", request->method, request->path, &line) != 2 || line == 0 ||
      strcspn(head, "\r\n") != (size_t)line || read_length(head, &request->body) != 0)
    return "400 Bad Request";
  if (request->body > BODY_MAX) return "413 Content Too Large";
  request->head = size + 4;
  return connection->used < request->head + request->body ? "" : NULL;
}

static int handle(struct server *server, int fd, const struct request *request, const char *body) {
  if (strcmp(request->method, "POST") == 0) {
    server->on_request(request->path, body, request->body, server->user);
    return answer(fd, "204 No Content", "", 0);
  }
  if (strcmp(request->method, "GET") == 0) {
    char buffer[ANSWER_MAX];
    size_t size = server->on_answer(request->path, buffer, sizeof buffer, server->user);
    if (size == 0 || size > sizeof buffer) return answer(fd, "503 Service Unavailable", "", 0);
    return answer(fd, "200 OK", buffer, size);
  }
  return answer(fd, "405 Method Not Allowed", "", 0);
}

/* Takes what has come and handles each request that is whole. The next one overwrites its bytes. */
static void receive(struct server *server, struct connection *connection) {
  ssize_t count = recv(connection->fd, connection->bytes + connection->used, sizeof connection->bytes - connection->used,
                       MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return hang_up(connection);
  connection->used += (size_t)count;
  for (;;) {
    struct request request;
    const char *refusal = read_request(connection, &request);
    if (refusal && *refusal == 0) return;
    if (refusal) {
      answer(connection->fd, refusal, "", 0);
      return hang_up(connection);
    }
    if (handle(server, connection->fd, &request, connection->bytes + request.head) != 0) return hang_up(connection);
    size_t size = request.head + request.body;
    connection->used -= size;
    memmove(connection->bytes, connection->bytes + size, connection->used);
    connection->deadline = now() + SECONDS;
  }
}

static void take(struct server *server, struct connection *connection) {
  connection->fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
  if (connection->fd < 0) return;
  struct timeval patience = {.tv_sec = SECONDS};
  setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  connection->deadline = now() + SECONDS;
  connection->used = 0;
}

static void *serve(void *argument) {
  struct server *server = argument;
  for (;;) {
    struct connection *free_one = NULL;
    struct pollfd polled[CONNECTIONS + 2];
    for (int i = 0; i < CONNECTIONS; i++) {
      struct connection *connection = &server->connections[i];
      if (connection->fd >= 0 && now() > connection->deadline) hang_up(connection);
      if (connection->fd < 0) free_one = connection;
      polled[i] = (struct pollfd){.fd = connection->fd, .events = POLLIN};
    }
    /* poll() passes over negative descriptors: without a free connection new ones wait. */
    polled[CONNECTIONS] = (struct pollfd){.fd = free_one ? server->listener : -1, .events = POLLIN};
    polled[CONNECTIONS + 1] = (struct pollfd){.fd = server->stop[0], .events = POLLIN};
    if (poll(polled, CONNECTIONS + 2, 1000) < 0) continue;
    if (polled[CONNECTIONS + 1].revents) return NULL;
    for (int i = 0; i < CONNECTIONS; i++)
      if (polled[i].revents) receive(server, &server->connections[i]);
    if (polled[CONNECTIONS].revents) take(server, free_one);
  }
}

static int listen_on(struct server *server, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int yes = 1;
  server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (server->listener < 0 || setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      bind(server->listener, (struct sockaddr *)&address, size) != 0 || listen(server->listener, 64) != 0 ||
      getsockname(server->listener, (struct sockaddr *)&address, &size) != 0)
    return -1;
  server->port = ntohs(address.sin_port);
  return 0;
}

/* Signals such as Ctrl-C are for the program's own threads. */
static int start_thread(struct server *server) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&server->thread, NULL, serve, server);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = failed;
  return failed;
}

static void release(struct server *server) {
  int error = errno;
  for (int i = 0; i < CONNECTIONS; i++)
    if (server->connections[i].fd >= 0) close(server->connections[i].fd);
  if (server->listener >= 0) close(server->listener);
  if (server->stop[0] >= 0) close(server->stop[0]);
  if (server->stop[1] >= 0) close(server->stop[1]);
  free(server);
  errno = error;
}

struct server *server_start(int port, server_on_request on_request, server_on_answer on_answer, void *user) {
  if (port < 0 || port > 65535) {
    errno = EINVAL;
    return NULL;
  }
  struct server *server = calloc(1, sizeof *server);
  if (!server) return NULL;
  server->on_request = on_request;
  server->on_answer = on_answer;
  server->user = user;
  server->listener = server->stop[0] = server->stop[1] = -1;
  for (int i = 0; i < CONNECTIONS; i++) server->connections[i].fd = -1;
  if (pipe2(server->stop, O_CLOEXEC) != 0 || listen_on(server, port) != 0 || start_thread(server) != 0) {
    release(server);
    return NULL;
  }
  return server;
}

int server_port(const struct server *server) { return server->port; }

void server_stop(struct server *server) {
  close(server->stop[1]);
  server->stop[1] = -1;
  pthread_join(server->thread, NULL);
  release(server);
}
