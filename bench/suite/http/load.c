/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A client with many connections on one thread, each of which asks again when its answer is there, and the CPU that the
 * server's process takes meanwhile.
 *   load_run   0, or -1 and the reason in `failure`. An answer of HTTP must be 200 and have answer_size bytes; with a handshake
 *              the connections are WebSockets, and an answer must be one frame with the bytes of `answer`. Times are in seconds.
 *   load_ask   asks once, whatever the answer is: the size of its body, which is written to `answer`, or -1.
 *   load_cpu   the CPU seconds of all threads that a process has, or -1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/load.h"

enum { PATIENCE = 5000, HEAD = 1024, EVENTS = 64 };

typedef struct {
  int socket, opened;
  size_t sent, got, wanted;
  double began;
  char *answer;
} connection;

typedef struct {
  const load_plan *plan;
  load_result *result;
  connection *all;
  int set;
  size_t room, count, capacity;
  float *times;
  int counting, over;
} load;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static int fail(load *run, const char *what) {
  snprintf(run->result->failure, sizeof run->result->failure, "%s", what);
  return -1;
}

double load_cpu(int process) {
  char path[300];
  double all = 0;
  snprintf(path, sizeof path, "/proc/%d/task", process);
  DIR *threads = opendir(path);
  if (threads == NULL) return -1;
  for (struct dirent *thread; (thread = readdir(threads)) != NULL;) {
    double nanoseconds;
    if (thread->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", process, thread->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    if (fscanf(file, "%lf", &nanoseconds) == 1) all += nanoseconds * 1e-9;
    fclose(file);
  }
  closedir(threads);
  return all;
}

/* --- one connection --- */

/* Sends what fits; the rest when the socket says that there is room. */
static int flush(load *run, connection *peer) {
  const load_plan *plan = run->plan;
  const char *bytes = peer->opened ? plan->request : plan->handshake;
  size_t size = peer->opened ? plan->request_size : plan->handshake_size;
  while (peer->sent < size) {
    ssize_t count = send(peer->socket, bytes + peer->sent, size - peer->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) return fail(run, "the server does not read what is sent");
    peer->sent += count;
  }
  return 0;
}

static int ask(load *run, connection *peer) {
  peer->sent = peer->got = peer->wanted = 0;
  peer->began = now();
  return flush(run, peer);
}

/* The sizes of an answer's head and body, once the head is whole; false before. The end of its last line is lost. */
static int measure_http(char *answer, size_t got, size_t *head, size_t *body) {
  char *end = memmem(answer, got, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  *end = 0;
  const char *length = strcasestr(answer, "\r\ncontent-length:");
  *head = end + 4 - answer;
  *body = length == NULL ? 0 : strtoul(length + 17, NULL, 10);
  return 1;
}

static int measure_answer(load *run, connection *peer) {
  size_t head, body;
  if (!measure_http(peer->answer, peer->got, &head, &body))
    return peer->got > HEAD ? fail(run, "the head of an answer is too large") : 0;
  if (memcmp(peer->answer, peer->opened ? "HTTP/1.1 200" : "HTTP/1.1 101", 12) != 0)
    return fail(run, "an answer has another status");
  if (peer->opened && body != run->plan->answer_size) return fail(run, "an answer has another length");
  peer->wanted = head + body;
  return 0;
}

/* One frame, which must not be masked nor in pieces. */
static int measure_frame(load *run, connection *peer) {
  size_t size = run->plan->answer_size;
  size_t head = size < 126 ? 2 : size < 65536 ? 4 : 10;
  if (peer->got < head + size) return 0;
  const unsigned char *bytes = (const unsigned char *)peer->answer;
  size_t length = bytes[1];
  if (head == 4) length = bytes[1] == 126 ? (size_t)bytes[2] << 8 | bytes[3] : 0;
  if (head == 10) length = bytes[1] == 127 ? size : 0;
  if (bytes[0] != 0x81 || length != size || memcmp(peer->answer + head, run->plan->answer, size) != 0)
    return fail(run, "an echo is another message");
  peer->wanted = head + size;
  return 0;
}

static int finish(load *run, connection *peer) {
  if (peer->got != peer->wanted) return fail(run, "more than one answer came");
  if (!peer->opened) {
    peer->opened = 1;
  } else if (run->counting) {
    if (run->count == run->capacity) {
      run->capacity = run->capacity * 2 + 65536;
      run->times = realloc(run->times, run->capacity * sizeof *run->times);
      if (run->times == NULL) return fail(run, "no memory");
    }
    run->times[run->count++] = now() - peer->began;
  }
  return ask(run, peer);
}

static int receive(load *run, connection *peer) {
  ssize_t count = recv(peer->socket, peer->answer + peer->got, run->room - peer->got, MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count <= 0) return fail(run, "the server has closed a connection");
  peer->got += count;
  int is_frame = peer->opened && run->plan->handshake_size > 0;
  if (peer->wanted == 0 && (is_frame ? measure_frame : measure_answer)(run, peer) != 0) return -1;
  if (peer->wanted == 0 || peer->got < peer->wanted) return 0;
  return finish(run, peer);
}

static int connect_to(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int on = 1, peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (peer < 0) return -1;
  if (connect(peer, (struct sockaddr *)&address, sizeof address) != 0) {
    close(peer);
    return -1;
  }
  setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return peer;
}

static int open_one(load *run, connection *peer) {
  peer->opened = run->plan->handshake_size == 0;
  peer->socket = connect_to(run->plan->port);
  if (peer->socket < 0) return fail(run, "the server takes no connection");
  peer->answer = malloc(run->room);
  if (peer->answer == NULL) return fail(run, "no memory");
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer};
  if (epoll_ctl(run->set, EPOLL_CTL_ADD, peer->socket, &event) != 0) return fail(run, "epoll_ctl");
  return ask(run, peer);
}

/* --- all of them --- */

static int serve_until(load *run, double end) {
  struct epoll_event events[EVENTS];
  while (now() < end) {
    int count = epoll_wait(run->set, events, EVENTS, PATIENCE);
    if (count == 0) return fail(run, "no answer came for 5 seconds");
    for (int at = 0; at < count; at++) {
      connection *peer = events[at].data.ptr;
      if (events[at].events & EPOLLOUT && flush(run, peer) != 0) return -1;
      if (events[at].events & ~EPOLLOUT && receive(run, peer) != 0) return -1;
    }
  }
  return 0;
}

static int in_order(const void *left, const void *right) {
  float a = *(const float *)left, b = *(const float *)right;
  return (a > b) - (a < b);
}

static int measure(load *run) {
  load_result *result = run->result;
  if (serve_until(run, now() + run->plan->warm_up) != 0) return -1;
  for (int at = 0; at < run->plan->connections; at++)
    if (!run->all[at].opened) return fail(run, "a WebSocket does not open");
  run->counting = 1;
  double began = now(), cpu = load_cpu(run->plan->process);
  if (serve_until(run, began + run->plan->seconds) != 0) return -1;
  result->cpu = load_cpu(run->plan->process) - cpu;
  result->seconds = now() - began;
  result->count = run->count;
  if (run->count == 0) return fail(run, "nothing was answered in time");
  qsort(run->times, run->count, sizeof *run->times, in_order);
  result->median = run->times[run->count / 2];
  result->high = run->times[run->count * 99 / 100];
  return 0;
}

int load_run(const load_plan *plan, load_result *result) {
  load run = {.plan = plan, .result = result, .room = plan->answer_size + 2 * HEAD};
  cpu_set_t before, one;
  int failed = 0;
  sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&one);
  CPU_SET(plan->core, &one);
  sched_setaffinity(0, sizeof one, &one);
  run.set = epoll_create1(EPOLL_CLOEXEC);
  run.all = calloc(plan->connections, sizeof *run.all);
  int opened = 0;
  while (opened < plan->connections && failed == 0) failed = open_one(&run, &run.all[opened++]);
  if (failed == 0) failed = measure(&run);
  for (int at = 0; at < opened; at++) {
    if (run.all[at].socket >= 0) close(run.all[at].socket);
    free(run.all[at].answer);
  }
  free(run.all);
  free(run.times);
  close(run.set);
  sched_setaffinity(0, sizeof before, &before);
  return failed;
}

long load_ask(int port, const char *request, size_t size, char *answer, size_t capacity) {
  struct timeval patience = {.tv_sec = PATIENCE / 1000};
  size_t got = 0, head = 0, body = 0;
  int is_whole = 0, peer = connect_to(port);
  if (peer < 0) return -1;
  setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (send(peer, request, size, MSG_NOSIGNAL) == (ssize_t)size) {
    while (!is_whole && got < capacity) {
      ssize_t count = recv(peer, answer + got, capacity - got, 0);
      if (count <= 0) break;
      got += count;
      if (head == 0) measure_http(answer, got, &head, &body);
      is_whole = head > 0 && got >= head + body;
    }
  }
  close(peer);
  if (!is_whole) return -1;
  memmove(answer, answer + head, body);
  return body;
}
