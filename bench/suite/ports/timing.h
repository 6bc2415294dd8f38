/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The clock of single calls and round trips, and where the threads run meanwhile. It needs _GNU_SOURCE. */
#ifndef TIMING_H
#define TIMING_H
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

typedef struct spread { uint32_t low, median, high; } spread;

static inline uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* What reading the clock costs: the least that was seen. */
static inline uint64_t price_of_clock(void) {
  uint64_t price = UINT64_MAX;
  for (int i = 0; i < 1000; i++) {
    uint64_t begun = now(), took = now() - begun;
    if (took < price) price = took;
  }
  return price;
}

static inline uint32_t less(uint64_t took, uint64_t price) { return (uint32_t)(took > price ? took - price : 0); }

/* 0.2 ms: long enough for the other side to fall asleep. */
static inline void let_fall_asleep(void) {
  struct timespec pause = {0, 200000};
  nanosleep(&pause, NULL);
}

/* The calling thread stays on this core; -1: on any. Not 0: there is no such core. */
static inline int place(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < CPU_SETSIZE; i++) {
    if (core < 0 || i == core) CPU_SET(i, &set);
  }
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static inline int compare(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

/* A tenth, the median and nine tenths, in the unit that was measured. Sorts. */
static inline spread spread_of(uint32_t *all, size_t count) {
  qsort(all, count, sizeof *all, compare);
  return (spread){all[count / 10], all[count / 2], all[count * 9 / 10]};
}
#endif
