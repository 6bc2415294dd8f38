/* SPDX-License-Identifier: MIT OR Apache-2.0
 * errno is as it was after every function, whether it worked or not. */
#include <errno.h>
#include <stdatomic.h>

#include "every.h"

static atomic_bool done;

#define KEPT(call)                                                                          \
  do {                                                                                      \
    errno = 12345;                                                                          \
    call;                                                                                   \
    if (errno != 12345) {                                                                   \
      fprintf(stderr, "%s:%d: %s: errno: expected 12345, got %d\n", __FILE__, __LINE__, #call, errno); \
      _Exit(1);                                                                             \
    }                                                                                       \
  } while (0)

#define KEPT_AND(call, status)      \
  do {                              \
    int kept_code = 0;              \
    KEPT(kept_code = (call));       \
    CHECK_STATUS(status, kept_code); \
  } while (0)

static void *foreign(void *context) {
  struct every *every = context;
  for (int i = 0; i < 20; i++) EVERY_CALL(KEPT_AND, KEPT, every);
  atomic_store(&done, true);
  return NULL;
}

static bool is_done(void *context) {
  (void)context;
  return atomic_load(&done);
}

/* What only the owner may do, and what others do when the owner sleeps, which takes a system call. */
static void *one_of_each(void *context) {
  struct every *every = context;
  KEPT_AND(moonport_send(every->port, "x", 1, 0, 0), MOONPORT_OK);
  return NULL;
}

int main(void) {
  host h;
  host_open(&h);
  struct every every;
  every_open(&every, &h);
  every.served = true;
  pthread_t thread = thread_start(foreign, &every);
  CHECK(host_until(&h, is_done, NULL, 60));
  thread_join(thread);
  host_drain(&h);
  CHECK_INT(40, every.freed);

  host_run(&h, "ports[1]:on(function() io.open('/nonexistent') end)");
  for (int i = 0; i < 100; i++) {
    on_thread(one_of_each, &every);
    KEPT_AND(moonport_step(every.state, 0, 0), 1);
    KEPT_AND(moonport_step(every.state, 0, 0), 0);
    KEPT((void)moonport_state_of(h.lua));
    KEPT((void)moonport_wake_descriptor(every.state));
  }
  moonport_reply reply = {.codec = 0};
  KEPT_AND(moonport_send(every.full, "x", 1, 0, 0), MOONPORT_WOULD_DEADLOCK);
  KEPT_AND(moonport_send_within(every.full, "x", 1, 0, 0, 1), MOONPORT_WOULD_DEADLOCK);
  KEPT_AND(moonport_call(every.call, "x", 1, 0, 0, 1, &reply), MOONPORT_WOULD_DEADLOCK);
  KEPT_AND(moonport_close(every.port), MOONPORT_OK);
  host_close(&h);
  KEPT_AND(moonport_step(every.state, 0, 0), MOONPORT_CLOSED);
  return 0;
}
