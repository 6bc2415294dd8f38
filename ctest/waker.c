/* SPDX-License-Identifier: MIT OR Apache-2.0
 * moonport_set_waker: called once for each edge, on the sender's thread, and not any more once it was replaced. And what
 * only the owner's thread may call. */
#include <stdatomic.h>

#include "host.h"

static atomic_int calls;
static atomic_int forbidden;

static void wake(void *context) {
  CHECK_TEXT("context", (const char *)context);
  CHECK_INT(0, atomic_load(&forbidden));
  atomic_fetch_add(&calls, 1);
}

struct sender {
  moonport_port port;
  atomic_bool stop;
};

static void *send_hundred(void *context) {
  struct sender *sender = context;
  for (int i = 0; i < 100; i++) CHECK_STATUS(MOONPORT_OK, moonport_send(sender->port, "x", 1, 0, 0));
  return NULL;
}

static void *send_on(void *context) {
  struct sender *sender = context;
  while (!atomic_load(&sender->stop)) moonport_send(sender->port, "x", 1, 0, 0);
  return NULL;
}

static void *elsewhere(void *context) {
  host *h = context;
  void *lua = NULL;
  CHECK_STATUS(MOONPORT_WRONG_THREAD, moonport_step(h->state, 0, 0));
  CHECK(moonport_wake_descriptor(h->state) >= 0);
  CHECK_STATUS(MOONPORT_TIMEOUT, moonport_lock(h->state, 0, &lua));
  CHECK_STATUS(MOONPORT_WRONG_THREAD, moonport_unlock(h->state));
  return NULL;
}

int main(void) {
  host h;
  host_open(&h);
  host_run(&h, "count = 0 port = moonport.port() port:on(function() count = count + 1 end)");
  struct sender sender = {.port = host_port(&h, "port")};
  char context[] = "context";
  host_drain(&h);
  CHECK_STATUS(MOONPORT_OK, moonport_set_waker(h.state, wake, context));
  CHECK_INT(0, atomic_load(&calls));
  on_thread(send_hundred, &sender);
  CHECK_INT(1, atomic_load(&calls));
  host_drain(&h);
  on_thread(send_hundred, &sender);
  CHECK_INT(2, atomic_load(&calls));
  /* What waits already is told at once. */
  CHECK_STATUS(MOONPORT_OK, moonport_set_waker(h.state, NULL, NULL));
  CHECK_STATUS(MOONPORT_OK, moonport_set_waker(h.state, wake, context));
  CHECK_INT(3, atomic_load(&calls));
  host_drain(&h);
  CHECK(host_true(&h, "count == 200"));

  on_thread(elsewhere, &h);

  pthread_t thread = thread_start(send_on, &sender);
  for (int i = 0; i < 200; i++) {
    CHECK_STATUS(MOONPORT_OK, moonport_set_waker(h.state, NULL, NULL));
    atomic_store(&forbidden, 1);
    moonport_step(h.state, 0, 0);
    atomic_store(&forbidden, 0);
    CHECK_STATUS(MOONPORT_OK, moonport_set_waker(h.state, wake, context));
    moonport_step(h.state, 0, 0);
  }
  atomic_store(&sender.stop, true);
  thread_join(thread);
  moonport_state state = h.state;
  host_close(&h);
  CHECK_STATUS(MOONPORT_CLOSED, moonport_step(state, 0, 0));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_set_waker(state, wake, context));
  CHECK_INT(-1, moonport_wake_descriptor(state));
  return 0;
}
