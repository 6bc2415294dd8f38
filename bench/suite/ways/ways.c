/* SPDX-License-Identifier: MIT OR Apache-2.0
 * See ways.h. */
#define _GNU_SOURCE
#include "idle.h"
#include "senders.h"
#include "timing.h"

#include "ways.h"

enum { SIZE = 64, WARM = 20, PERIOD_MS = 10 };
static const double SETTLING = 0.3, SILENCE = 2.0;

/* --- the loop. GLib's headers are not needed for this: these are all of 2.0 and never change. --- */

typedef struct loop loop;
extern loop *g_main_loop_new(void *context, int running);
extern void g_main_loop_run(loop *);
extern void g_main_loop_quit(loop *);
extern void g_main_loop_unref(loop *);
extern unsigned g_timeout_add(unsigned milliseconds, int (*function)(void *), void *data);
extern int g_source_remove(unsigned);

static loop *running;

void ways_run(int (*tick)(void *)) {
  unsigned timer = tick != NULL ? g_timeout_add(PERIOD_MS, tick, NULL) : 0;
  g_main_loop_run(running);
  if (timer != 0) g_source_remove(timer);
}

void ways_quit(void) { g_main_loop_quit(running); }

__attribute__((constructor)) static void make_loop(void) { running = g_main_loop_new(NULL, 0); }

void ways_work(int milliseconds) {
  uint64_t over = now() + (uint64_t)milliseconds * 1000000;
  while (now() < over) continue;
}

/* --- delay --- */

static struct {
  ways_call call;
  int count, silent, failed, running;
  pthread_t thread;
  double sleeps, cpu;
  /* The calling thread's: written before each call, read in the handler of that call; and what the call took. */
  uint64_t *sent;
  uint32_t *held;
  int heard;
  uint32_t *took;
} delay;

static double cpu_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void call_one(char *text, int which) {
  stamp(text, (uint64_t)which + 1);
  uint64_t begun = delay.sent[which] = now();
  delay.call(text, SIZE);
  delay.held[which] = (uint32_t)(now() - begun);
}

static void listen_to_silence(void) {
  pause_for(SETTLING);
  double sleeps = count_sleeps(), cpu = cpu_seconds();
  pause_for(SILENCE);
  delay.cpu = (cpu_seconds() - cpu) / SILENCE * 100;
  delay.sleeps = (count_sleeps() - sleeps) / SILENCE;
  if (sleeps < 0 || delay.sleeps < 0) delay.failed = 1;
}

static void *call_now_and_then(void *unused) {
  (void)unused;
  static char text[SIZE + 1];
  fill(text, SIZE);
  pause_for(SETTLING);
  for (int i = 0; i < delay.count - 1; i++) {
    pause_for(irregular());
    call_one(text, i);
  }
  if (delay.silent) listen_to_silence();
  call_one(text, delay.count - 1);
  return NULL;
}

int ways_delay(ways_call call, int count, int silent) {
  free(delay.sent);
  free(delay.held);
  free(delay.took);
  memset(&delay, 0, sizeof delay);
  delay.call = call;
  delay.silent = silent;
  delay.count = WARM + count + 1;
  delay.sent = calloc((size_t)delay.count, sizeof *delay.sent);
  delay.held = calloc((size_t)delay.count, sizeof *delay.held);
  delay.took = calloc((size_t)delay.count, sizeof *delay.took);
  if (delay.sent == NULL || delay.held == NULL || delay.took == NULL) return -1;
  delay.running = pthread_create(&delay.thread, NULL, call_now_and_then, NULL) == 0;
  return delay.running ? 0 : -1;
}

int ways_heard(void) {
  uint64_t time = now();
  int which = delay.heard++;
  if (which < delay.count) delay.took[which] = (uint32_t)(time - delay.sent[which]);
  return delay.count - delay.heard;
}

/* Without those that warm up, and the last. */
static size_t measured(void) { return (size_t)(delay.count - WARM - 1); }

int ways_delayed(void) {
  if (delay.running) pthread_join(delay.thread, NULL);
  delay.running = 0;
  qsort(delay.took + WARM, measured(), sizeof *delay.took, compare);
  qsort(delay.held + WARM, measured(), sizeof *delay.held, compare);
  return delay.failed || delay.heard != delay.count ? -1 : 0;
}

double ways_took(int place) { return delay.took[WARM + (measured() - 1) * (size_t)place / 1000]; }

double ways_held(int place) { return delay.held[WARM + (measured() - 1) * (size_t)place / 1000]; }

double ways_idle_cpu(void) { return delay.cpu; }

double ways_idle_sleeps(void) { return delay.sleeps; }

/* --- floods --- */

static window ahead;
static senders flood;

static int put(void *call, const char *text, size_t size) {
  ((ways_call)call)(text, size);
  return 0;
}

int ways_flood(ways_call call, int count, int threads) {
  return senders_start(&flood, put, (void *)call, &ahead, SIZE, (uint64_t)count, threads);
}

int ways_join(void) { return senders_join(&flood); }

int ways_share(void) { return SHARE; }

void ways_handled(int count) { window_handled(&ahead, (uint64_t)count); }

/* --- the crash --- */

static void *call_for_ever(void *call) {
  char text[SIZE + 1] = {0};
  fill(text, SIZE);
  for (uint64_t i = 1;; i++) {
    stamp(text, i);
    ((ways_call)call)(text, SIZE);
    pause_for(1e-4);
  }
  return NULL;
}

int ways_torment(ways_call call, int threads) {
  for (pthread_t thread; threads > 0; threads--) {
    if (pthread_create(&thread, NULL, call_for_ever, (void *)call) != 0) return -1;
  }
  return 0;
}
