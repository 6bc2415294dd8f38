/* SPDX-License-Identifier: MIT OR Apache-2.0
 * See sender.h. It knows no host and no Lua. */
#define _GNU_SOURCE
#include "idle.h"
#include "moonport.h"
#include "timing.h"

#include "sender.h"

/* What happens only once is over by then: a window's first events, what is compiled at the first messages; and what is still
 * to be done after the last one: where SDL is attached, a look after 0.1 s whether the event came. */
enum { WARM = 20 };
static const double SETTLING = 0.3, QUIET = 0.3, SILENCE = 1.0;

static struct {
  const moonport_api *api;
  moonport_port port;
  int count, failed;
  pthread_t thread;
  double sleeps;
  /* Written by the sender before each send, read by the owner in the handler of that message. */
  uint64_t *sent;
  /* The owner's alone. */
  int heard;
  uint32_t *took;
} test;

void sender_pause(double seconds) { pause_for(seconds); }

static void send_one(int which) {
  test.sent[which] = now();
  if (test.api->send(test.port, "12345678", 8, MOONPORT_RAW, 0) != MOONPORT_OK) test.failed = 1;
}

static void *run(void *unused) {
  (void)unused;
  int last = test.count - 1;
  pause_for(SETTLING);
  for (int i = 0; i < last; i++) {
    pause_for(irregular());
    send_one(i);
  }
  pause_for(QUIET);
  double before = count_sleeps();
  pause_for(SILENCE);
  double after = count_sleeps();
  if (before < 0 || after < 0) test.failed = 1;
  test.sleeps = (after - before) / SILENCE;
  send_one(last);
  return NULL;
}

int sender_start(const void *api, uint64_t port, int count) {
  test.api = api;
  test.port.id = port;
  test.count = WARM + count + 1;
  test.failed = test.heard = 0;
  free(test.sent);
  free(test.took);
  test.sent = calloc((size_t)test.count, sizeof *test.sent);
  test.took = calloc((size_t)test.count, sizeof *test.took);
  if (test.sent == NULL || test.took == NULL) return -1;
  return pthread_create(&test.thread, NULL, run, NULL) == 0 ? 0 : -1;
}

int sender_heard(void) {
  uint64_t time = now();
  int which = test.heard++;
  if (which < test.count) test.took[which] = (uint32_t)(time - test.sent[which]);
  return test.count - test.heard;
}

double sender_sleeps(void) {
  pthread_join(test.thread, NULL);
  return test.failed || test.heard != test.count ? -1 : test.sleeps;
}

double sender_took(int which) {
  spread all = spread_of(test.took + WARM, (size_t)(test.count - WARM - 1));
  return which == 1 ? all.low : which == 2 ? all.median : all.high;
}
