/* SPDX-License-Identifier: MIT OR Apache-2.0
 * See caller.h. Nothing here knows Moonport, Lua or JavaScript. */
#define _GNU_SOURCE
#define PRINTABLE
#include "senders.h"
#include "timing.h"

#include "caller.h"

enum { SIZE = 64 };

static window ahead;

/* --- floods --- */

static senders flood;

static int put(void *callback, const char *text, size_t size) {
  ((caller_text)callback)(text, size);
  return 0;
}

int caller_flood(caller_text callback, int count, int threads) {
  return senders_start(&flood, put, (void *)callback, &ahead, SIZE, (uint64_t)count, threads);
}

int caller_join(void) { return senders_join(&flood); }

void *caller_window(void) { return &ahead; }

int caller_share(void) { return SHARE; }

void caller_handled(int count) { window_handled(&ahead, (uint64_t)count); }

/* --- checks: on the owner's thread --- */

static struct {
  uint64_t count;
  char *seen;
  int corrupted;
} checked;

int caller_expect(int count) {
  free(checked.seen);
  checked.seen = calloc((size_t)count + 1, 1);
  checked.count = (uint64_t)count;
  checked.corrupted = 0;
  return checked.seen == NULL ? -1 : 0;
}

/* Which string has this stamp. */
static uint64_t number_of(const char *text) {
  uint64_t product = 0, inverse = ODD;
  for (int i = 0; i < 8; i++) product |= (uint64_t)((unsigned char)text[i] - '0') << 6 * i;
  /* Newton's method: each step doubles the bits that are right, of which an odd number has three at first. */
  for (int i = 0; i < 5; i++) inverse *= 2 - ODD * inverse;
  return product * inverse & 0xffffffffffff;
}

static int is_whole(const char *text, int size) {
  if (size != SIZE) return 0;
  for (int i = 0; i < 8; i++) {
    if (text[i] < '0' || text[i] > 'o') return 0;
  }
  for (int i = 8; i < SIZE; i++) {
    if (text[i] != 'x') return 0;
  }
  return 1;
}

void caller_check(const char *text, int size) {
  uint64_t number = is_whole(text, size) ? number_of(text) : 0;
  if (number < 1 || number > checked.count || checked.seen[number]) {
    checked.corrupted++;
    return;
  }
  checked.seen[number] = 1;
}

int caller_corrupted(void) { return checked.corrupted; }

/* --- single calls --- */

static struct {
  caller_number number;
  caller_text text;
  int count, core, failed, running;
  uint32_t *nanoseconds;
  pthread_t thread;
} single;

static void *ask(void *unused) {
  (void)unused;
  if (place(single.core) != 0) single.failed = 1;
  for (int i = 0; i < single.count; i++) {
    let_fall_asleep();
    uint64_t begun = now();
    int answer = single.number(i);
    single.nanoseconds[i] = (uint32_t)(now() - begun);
    if (answer != i + 1) single.failed = 1;
  }
  return NULL;
}

static void *time_calls(void *unused) {
  (void)unused;
  static char text[SIZE + 1];
  uint64_t clock = price_of_clock();
  fill(text, SIZE);
  for (int i = 0; i < single.count; i++) {
    if (i % SHARE == 0) window_enter(&ahead);
    stamp(text, (uint64_t)i + 1);
    uint64_t begun = now();
    single.text(text, SIZE);
    single.nanoseconds[i] = less(now() - begun, clock);
  }
  return NULL;
}

static int start(void *(*body)(void *), int count) {
  memset(&ahead, 0, sizeof ahead);
  free(single.nanoseconds);
  single.nanoseconds = calloc((size_t)count, sizeof *single.nanoseconds);
  single.count = count;
  single.failed = 0;
  if (single.nanoseconds == NULL) return -1;
  single.running = pthread_create(&single.thread, NULL, body, NULL) == 0;
  return single.running ? 0 : -1;
}

int caller_ask(caller_number callback, int count, int core) {
  single.number = callback;
  single.core = core;
  return start(ask, count);
}

int caller_time(caller_text callback, int count) {
  single.text = callback;
  return start(time_calls, count);
}

double caller_took(int which) {
  if (single.running) pthread_join(single.thread, NULL);
  single.running = 0;
  if (single.failed) return -1;
  spread all = spread_of(single.nanoseconds, (size_t)single.count);
  return which == 1 ? all.low : which == 2 ? all.median : all.high;
}

int caller_place(int core) { return place(core); }

double caller_clock(int which) {
  struct timespec time;
  clock_gettime(which, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}
