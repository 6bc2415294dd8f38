/* SPDX-License-Identifier: MIT OR Apache-2.0
 * See delay.h. It knows no Moonport and no Lua. */
#define _GNU_SOURCE
#include "timing.h"

#include "delay.h"

/* What is compiled at the first calls is over by then. */
enum { WARM = 20 };
static const double SETTLING = 0.1, QUIET = 0.1, SILENCE = 1.0;

static struct {
  delay_callback callback;
  int count;
  pthread_t thread;
  double idle;
  /* Written before each call, read in the handler of that call. */
  uint64_t *sent;
  /* Written by handlers, of which one runs at a time. */
  int heard;
  uint32_t *took;
} test;

void delay_pause(double seconds) {
  struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  while (nanosleep(&time, &time) != 0) continue;
}

/* 1 to 3 ms, evenly: everybody falls asleep, and no timer is in step with it. Marsaglia's xorshift. */
static double irregular(void) {
  static uint32_t state = 2463534242;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return 1e-3 + 2e-3 * (state / 4294967296.0);
}

static double process_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void call(int which) {
  test.sent[which] = now();
  test.callback(which);
}

static void *run(void *unused) {
  (void)unused;
  int last = test.count - 1;
  delay_pause(SETTLING);
  for (int i = 0; i < last; i++) {
    delay_pause(irregular());
    call(i);
  }
  delay_pause(QUIET);
  double before = process_time();
  delay_pause(SILENCE);
  test.idle = (process_time() - before) / SILENCE * 100;
  call(last);
  return NULL;
}

int delay_start(delay_callback callback, int count) {
  test.callback = callback;
  test.count = WARM + count + 1;
  test.heard = 0;
  free(test.sent);
  free(test.took);
  test.sent = calloc((size_t)test.count, sizeof *test.sent);
  test.took = calloc((size_t)test.count, sizeof *test.took);
  if (test.sent == NULL || test.took == NULL) return -1;
  return pthread_create(&test.thread, NULL, run, NULL) == 0 ? 0 : -1;
}

int delay_heard(void) {
  uint64_t time = now();
  int which = test.heard++;
  if (which < test.count) test.took[which] = (uint32_t)(time - test.sent[which]);
  return test.count - test.heard;
}

double delay_idle(void) {
  pthread_join(test.thread, NULL);
  return test.heard == test.count ? test.idle : -1;
}

double delay_took(int which) {
  size_t count = (size_t)(test.count - WARM - 1);
  spread all = spread_of(test.took + WARM, count);
  if (which == 4) return test.took[WARM + count * 99 / 100];
  return which == 1 ? all.low : which == 2 ? all.median : all.high;
}
