/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Senders that wait for room: all get it, or are told at once when there will be none. */
#include <sched.h>
#include <stdatomic.h>

#include "host.h"

#define SENDERS 16
#define EACH 50

struct senders {
  moonport_port port;
  atomic_int begun;
  atomic_int finished;
  atomic_int closed;
};

static void *send_each(void *context) {
  struct senders *senders = context;
  int number = atomic_fetch_add(&senders->begun, 1);
  for (int i = 0; i < EACH; i++) {
    char text[32];
    int size = snprintf(text, sizeof text, "%d:%d", number, i);
    CHECK_STATUS(MOONPORT_OK, moonport_send(senders->port, text, (size_t)size, 0, 0));
  }
  atomic_fetch_add(&senders->finished, 1);
  return NULL;
}

static bool all_finished(void *context) {
  struct senders *senders = context;
  return atomic_load(&senders->finished) == SENDERS;
}

/* Each has begun and the port is full: all but one wait for room, or are about to. */
static void wait_until_full(struct senders *senders) {
  double deadline = seconds_now() + 10;
  moonport_port_stats stats = {.struct_size = sizeof stats};
  do {
    CHECK(seconds_now() < deadline);
    sched_yield();
    CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(senders->port, &stats));
  } while (atomic_load(&senders->begun) < SENDERS || stats.waiting < 1);
}

static void all_get_through(host *h) {
  host_run(h,
           "count, next_of = 0, {}"
           "port = moonport.port{capacity = 1, overflow = 'block'}"
           "port:on(function(value)"
           "  local sender, number = value:match('(%d+):(%d+)')"
           "  assert(tonumber(number) == (next_of[sender] or 0), 'out of order')"
           "  next_of[sender] = number + 1"
           "  count = count + 1"
           "  local busy = os.clock() + 0.0002 repeat until os.clock() >= busy "
           "end)"
           "moonport.on_error(function(message) failed = message end)");
  struct senders senders = {.port = host_port(h, "port")};
  pthread_t threads[SENDERS];
  for (int i = 0; i < SENDERS; i++) threads[i] = thread_start(send_each, &senders);
  CHECK(host_until(h, all_finished, &senders, 60));
  for (int i = 0; i < SENDERS; i++) thread_join(threads[i]);
  host_drain(h);
  CHECK_TEXT("nil", host_text(h, "failed"));
  CHECK_INT(SENDERS * EACH, atoi(host_text(h, "count")));
  moonport_port_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(senders.port, &stats));
  CHECK_INT(SENDERS * EACH, stats.sent);
  CHECK_INT(SENDERS * EACH, stats.delivered);
  CHECK_INT(0, stats.refused);
  CHECK_INT(1, stats.high_water);
  host_run(h, "port:close()");
}

static void *send_until_closed(void *context) {
  struct senders *senders = context;
  atomic_fetch_add(&senders->begun, 1);
  int code;
  do code = moonport_send_within(senders->port, "x", 1, 0, 0, 60);
  while (code == MOONPORT_OK);
  CHECK_STATUS(MOONPORT_CLOSED, code);
  atomic_fetch_add(&senders->closed, 1);
  return NULL;
}

static void *call_until_closed(void *context) {
  struct senders *senders = context;
  atomic_fetch_add(&senders->begun, 1);
  moonport_reply reply = {.codec = MOONPORT_CODEC_PORT};
  int code = moonport_call(senders->port, "x", 1, 0, 0, 60, &reply);
  CHECK_STATUS(MOONPORT_CLOSED, code);
  CHECK(!reply.data);
  atomic_fetch_add(&senders->closed, 1);
  return NULL;
}

static void *close_port(void *context) {
  struct senders *senders = context;
  CHECK_STATUS(MOONPORT_OK, moonport_close(senders->port));
  return NULL;
}

enum closer { BY_C, BY_ANOTHER_THREAD, BY_LUA, BY_SHUTDOWN, BY_LUA_CLOSE };

static void close_tells_all(enum closer closer, void *(*sender)(void *)) {
  host h;
  host_open(&h);
  host_run(&h, "port = moonport.port{capacity = 1, overflow = 'block'} port:on(function() error('not delivered') end)");
  struct senders senders = {.port = host_port(&h, "port")};
  pthread_t threads[SENDERS];
  for (int i = 0; i < SENDERS; i++) threads[i] = thread_start(sender, &senders);
  wait_until_full(&senders);
  double before = seconds_now();
  switch (closer) {
    case BY_C: CHECK_STATUS(MOONPORT_OK, moonport_close(senders.port)); break;
    case BY_ANOTHER_THREAD: on_thread(close_port, &senders); break;
    case BY_LUA: host_run(&h, "port:close()"); break;
    case BY_SHUTDOWN: host_run(&h, "moonport.shutdown()"); break;
    case BY_LUA_CLOSE: host_close(&h); break;
  }
  for (int i = 0; i < SENDERS; i++) thread_join(threads[i]);
  CHECK(seconds_now() - before < 1);
  CHECK_INT(SENDERS, atomic_load(&senders.closed));
  if (h.lua) host_close(&h);
}

static void *send_in_vain(void *context) {
  moonport_port port = *(moonport_port *)context;
  for (int i = 0; i < 3; i++) {
    double timeout = i * 0.05, before = seconds_now();
    CHECK_STATUS(MOONPORT_TIMEOUT, moonport_send_within(port, "x", 1, 0, 0, timeout));
    CHECK(seconds_now() - before >= timeout - 0.001);
    CHECK(seconds_now() - before < timeout + 5);
  }
  CHECK_STATUS(MOONPORT_TIMEOUT, moonport_send_within(port, "x", 1, 0, 0, -1));
  CHECK_STATUS(MOONPORT_INVALID, moonport_send_within(port, "x", 1, 0, 0, 0.0 / 0.0));
  moonport_reply reply = {.codec = 0};
  CHECK_STATUS(MOONPORT_TIMEOUT, moonport_call(port, "x", 1, 0, 0, 0.05, &reply));
  return NULL;
}

/* moonport_send gives up after 5 s. */
static void *send_for_five_seconds(void *context) {
  moonport_port port = *(moonport_port *)context;
  double before = seconds_now();
  CHECK_STATUS(MOONPORT_TIMEOUT, moonport_send(port, "x", 1, 0, 0));
  CHECK(seconds_now() - before >= 4.99);
  CHECK(seconds_now() - before < 15);
  return NULL;
}

static void timeouts(host *h) {
  host_run(h, "port = moonport.port{capacity = 1, overflow = 'block'} count = 0 port:on(function() count = count + 1 end)");
  moonport_port port = host_port(h, "port");
  CHECK_STATUS(MOONPORT_OK, moonport_send(port, "first", 5, 0, 0));
  on_thread(send_in_vain, &port);
  on_thread(send_for_five_seconds, &port);

  /* The owner's own thread is told at once. */
  double before = seconds_now();
  CHECK_STATUS(MOONPORT_WOULD_DEADLOCK, moonport_send(port, "x", 1, 0, 0));
  CHECK_STATUS(MOONPORT_WOULD_DEADLOCK, moonport_send_within(port, "x", 1, 0, 0, 60));
  CHECK(seconds_now() - before < 5);
  moonport_port_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(port, &stats));
  /* Three times, a negative time, the call, five seconds, and the owner's two. */
  CHECK_INT(8, stats.refused);
  host_drain(h);
  CHECK_TEXT("1", host_text(h, "count"));
  CHECK_STATUS(MOONPORT_OK, moonport_send_within(port, "x", 1, 0, 0, 60));
  host_drain(h);
  CHECK_TEXT("2", host_text(h, "count"));
  host_run(h, "port:close()");
}

static void *own_another_state(void *context) {
  moonport_port port = *(moonport_port *)context;
  host h;
  host_open(&h);
  double before = seconds_now();
  CHECK_STATUS(MOONPORT_WOULD_DEADLOCK, moonport_send(port, "x", 1, 0, 0));
  CHECK(seconds_now() - before < 5);
  /* It may wait where it says so itself: this is not the port's owner. */
  CHECK_STATUS(MOONPORT_TIMEOUT, moonport_send_within(port, "x", 1, 0, 0, 0.05));
  host_close(&h);
  return NULL;
}

static void another_owner(host *h) {
  host_run(h, "port = moonport.port{capacity = 1, overflow = 'block'}");
  moonport_port port = host_port(h, "port");
  CHECK_STATUS(MOONPORT_OK, moonport_send(port, "first", 5, 0, 0));
  on_thread(own_another_state, &port);
  host_run(h, "port:close()");
}

int main(void) {
  host h;
  host_open(&h);
  all_get_through(&h);
  timeouts(&h);
  another_owner(&h);
  host_close(&h);
  for (int closer = BY_C; closer <= BY_LUA_CLOSE; closer++) {
    close_tells_all((enum closer)closer, send_until_closed);
    close_tells_all((enum closer)closer, call_until_closed);
  }
  return 0;
}
