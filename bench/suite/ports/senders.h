/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What every contestant does in the same way: strings that are all different, and threads that send them flat out. */
#ifndef SENDERS_H
#define SENDERS_H
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LARGEST = 1024, MOST_THREADS = 16 };

/* The first 8 bytes say which string it is: multiplied by an odd number, no two are the same. */
static inline void stamp(char *text, uint64_t which) {
  which *= UINT64_C(0x9e3779b97f4a7c15);
  memcpy(text, &which, sizeof which);
}

static inline void fill(char *text, size_t size) { memset(text, 'x', size); }

/* What a sender does while there is no room: the same for all contestants. Trying again at once would take the lock from
 * the owner for nothing; 100 microseconds are about a hundredth of a full queue. */
static inline void wait_for_room(void) {
  struct timespec pause = {0, 100000};
  nanosleep(&pause, NULL);
}

/* Sends one message; waits as long as there is no room. Not 0: give up. */
typedef int (*put_function)(void *queue, const char *text, size_t size);

typedef struct senders {
  put_function put;
  void *queue;
  size_t size;
  uint64_t each;
  int threads, failed;
  pthread_t ids[MOST_THREADS];
  uint64_t next;
} senders;

static void *send_all(void *argument) {
  senders *all = argument;
  int number = (int)__atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED);
  char text[LARGEST];
  fill(text, all->size);
  for (uint64_t i = 0; i < all->each; i++) {
    stamp(text, (uint64_t)number * all->each + i + 1);
    if (all->put(all->queue, text, all->size) != 0) {
      __atomic_store_n(&all->failed, 1, __ATOMIC_RELAXED);
      break;
    }
  }
  return NULL;
}

static inline int senders_start(senders *all, put_function put, void *queue, size_t size, uint64_t count, int threads) {
  memset(all, 0, sizeof *all);
  all->put = put;
  all->queue = queue;
  all->size = size;
  all->each = count / (uint64_t)threads;
  for (; all->threads < threads; all->threads++) {
    if (pthread_create(&all->ids[all->threads], NULL, send_all, all) != 0) return -1;
  }
  return 0;
}

static inline int senders_join(senders *all) {
  for (int i = 0; i < all->threads; i++) pthread_join(all->ids[i], NULL);
  return all->failed;
}
#endif
