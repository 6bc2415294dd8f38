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

/* The first 8 bytes say which string it is: multiplied by an odd number, no two are the same. Where PRINTABLE is defined
 * they are 8 characters of 6 bits each, from '0' on: text that JSON, UTF-8 and a C string can carry. */
#define ODD UINT64_C(0x9e3779b97f4a7c15)

static inline void stamp(char *text, uint64_t which) {
  which *= ODD;
#ifdef PRINTABLE
  which = (which & 0xffffff) | (which & 0xffffff000000) << 8;
  which = (which & 0x00000fff00000fff) | (which & 0x00fff00000fff000) << 4;
  which = (which & 0x003f003f003f003f) | (which & 0x0fc00fc00fc00fc0) << 2;
  which += 0x3030303030303030;
#endif
  memcpy(text, &which, sizeof which);
}

static inline void fill(char *text, size_t size) { memset(text, 'x', size); }

/* What a sender does while there is no room: the same for all contestants. Trying again at once would take the lock from
 * the owner for nothing; 100 microseconds are about a hundredth of a full queue. */
static inline void wait_for_room(void) {
  struct timespec pause = {0, 100000};
  nanosleep(&pause, NULL);
}

/* How far senders may be ahead of the handler: the one bound that all queues can have, also those that nobody can ask
 * whether they have room. The handler counts; senders look once for SHARE messages. */
enum { AHEAD = 65536, SHARE = 256 };

typedef struct window {
  /* Written by the senders, and by the owner: two cache lines. */
  _Alignas(64) uint64_t granted;
  _Alignas(64) uint64_t handled;
} window;

/* Leave to send SHARE messages. What was granted to others before will be sent, so that this always ends. */
static inline void window_enter(window *window) {
  uint64_t last = __atomic_add_fetch(&window->granted, SHARE, __ATOMIC_RELAXED);
  /* Pairs with window_handled. */
  while (last > __atomic_load_n(&window->handled, __ATOMIC_ACQUIRE) + AHEAD) wait_for_room();
}

static inline void window_handled(window *window, uint64_t count) {
  /* Pairs with window_enter. */
  __atomic_store_n(&window->handled, count, __ATOMIC_RELEASE);
}

/* Sends one message; waits as long as there is no room. Not 0: give up. */
typedef int (*put_function)(void *queue, const char *text, size_t size);

typedef struct senders {
  put_function put;
  void *queue;
  window *window;
  size_t size;
  uint64_t each;
  int threads, failed;
  pthread_t ids[MOST_THREADS];
  uint64_t next;
  /* The sender's memory, which it writes anew for each message. It stays when the thread has ended: a contestant that
   * keeps the pointer reads wrong text from it, and does not crash. A NUL follows the text. */
  struct { _Alignas(64) char text[LARGEST + 64]; } memory[MOST_THREADS];
} senders;

static void *send_all(void *argument) {
  senders *all = argument;
  int number = (int)__atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED);
  char *text = all->memory[number].text;
  fill(text, all->size);
  for (uint64_t i = 0; i < all->each; i++) {
    if (all->window != NULL && i % SHARE == 0) window_enter(all->window);
    stamp(text, (uint64_t)number * all->each + i + 1);
    if (all->put(all->queue, text, all->size) != 0) {
      __atomic_store_n(&all->failed, 1, __ATOMIC_RELAXED);
      break;
    }
  }
  return NULL;
}

/* Without a window `put` alone waits. */
static inline int senders_start(senders *all, put_function put, void *queue, window *window, size_t size, uint64_t count,
                                int threads) {
  memset(all, 0, sizeof *all);
  if (window != NULL) memset(window, 0, sizeof *window);
  all->window = window;
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
