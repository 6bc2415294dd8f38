/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Every function on the smallest stack that a thread may have, and how much of it each one uses: at most 8 KiB. */
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "every.h"

#define LIMIT 8192
#define PAINTED (64 * 1024)
#define PAINT 0xa5
/* A leaf function may use 128 bytes below its frame without moving the stack pointer. */
#define MARGIN 128

static atomic_bool done;

static void *on_small_stack(void *context) {
  struct every *every = context;
#define FINE(call, status) CHECK_STATUS(status, call)
#define RUN(call) call
  EVERY_CALL(FINE, RUN, every);
  atomic_store(&done, true);
  return NULL;
}

static bool is_done(void *context) {
  (void)context;
  return atomic_load(&done);
}

static void start_and_serve(host *h, void *(*function)(void *), struct every *every, void *stack, size_t size) {
  pthread_attr_t attributes;
  pthread_t thread;
  CHECK_INT(0, pthread_attr_init(&attributes));
  if (stack) {
    CHECK_INT(0, pthread_attr_setstack(&attributes, stack, size));
  } else {
    CHECK_INT(0, pthread_attr_setstacksize(&attributes, size));
  }
  atomic_store(&done, false);
  CHECK_INT(0, pthread_create(&thread, &attributes, function, every));
  CHECK_INT(0, pthread_attr_destroy(&attributes));
  CHECK(host_until(h, is_done, NULL, 60));
  thread_join(thread);
  host_drain(h);
}

static unsigned char *stack_begin;
static long most;

/* Paints what lies below the frame of its caller, and gives the top of it. Its own frame stays clear of the paint. */
static __attribute__((noinline)) unsigned char *paint(void) {
  volatile unsigned char here = 0;
  unsigned char *top = (unsigned char *)((uintptr_t)&here & ~(uintptr_t)15) - MARGIN;
  CHECK(top - PAINTED > stack_begin);
  for (volatile unsigned char *place = top - PAINTED; place < top; place++) *place = PAINT;
  return top;
}

/* How far below its caller's frame the paint was touched, no less than that. */
static __attribute__((noinline)) long used_below(const unsigned char *top) {
  const unsigned char *place = top - PAINTED;
  while (place < top && *place == PAINT) place++;
  return top - place + MARGIN + 64;
}

#define MEASURE(call)                                                                                             \
  do {                                                                                                            \
    const unsigned char *top = paint();                                                                           \
    call;                                                                                                         \
    long used = used_below(top);                                                                                  \
    if (used > most) most = used;                                                                                 \
    if (getenv("CTEST_VERBOSE")) fprintf(stderr, "%6ld  %s\n", used, #call);                                      \
    if (used > LIMIT) {                                                                                           \
      fprintf(stderr, "%s:%d: %s: expected at most %d bytes of stack, used %ld\n", __FILE__, __LINE__, #call,     \
              LIMIT, used);                                                                                       \
      over = true;                                                                                                \
    }                                                                                                             \
  } while (0)

static bool over;

static void *measured(void *context) {
  struct every *every = context;
  int code;
#define MEASURE_AND(call, status)  \
  do {                             \
    MEASURE(code = (call));        \
    CHECK_STATUS(status, code);    \
  } while (0)
  /* The first time, symbols are bound and the thread's own places are made; that counts too. */
  for (int i = 0; i < 3; i++) EVERY_CALL(MEASURE_AND, MEASURE, every);
  atomic_store(&done, true);
  return NULL;
}

int main(void) {
  host h;
  host_open(&h);
  struct every every;
  every_open(&every, &h);
  every.served = true;
  for (int i = 0; i < 20; i++) start_and_serve(&h, on_small_stack, &every, NULL, (size_t)PTHREAD_STACK_MIN);

  size_t size = 512 * 1024;
  stack_begin = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  CHECK(stack_begin != MAP_FAILED);
  start_and_serve(&h, measured, &every, stack_begin, size);
  munmap(stack_begin, size);
  /* A measurement that sees nothing would let everything pass. */
  CHECK(most > 500);
  host_close(&h);
  return over ? 1 : 0;
}
