/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Programs of several native calls, made on one thread. */
#include <stdlib.h>
#include <string.h>

#include "moonport.h"
#include "native.h"

#define INT(at) ((int)in_integer(c, at))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static bool is_open;

void gate_open(void) {
  pthread_mutex_lock(&lock);
  is_open = true;
  pthread_cond_broadcast(&opened);
  pthread_mutex_unlock(&lock);
}

static void gate_wait(void) {
  pthread_mutex_lock(&lock);
  while (!is_open) pthread_cond_wait(&opened, &lock);
  pthread_mutex_unlock(&lock);
}

/* sequence(void (*)(int thread, int number), thread, count): numbers from 1. */
static void run_sequence(call *c) {
  for (int i = 1; i <= INT(1); i++) ((void (*)(int, int))c->pointer)(INT(0), i);
}

/* sizes(void (*)(const char *data, size_t size), count): texts that begin with their number, short and long. */
static void run_sizes(call *c) {
  char *text = check_memory(malloc(1 << 16));
  for (int i = 1; i <= INT(0); i++) {
    memset(text, 'a' + i % 26, 1 << 16);
    memcpy(text, &i, sizeof i);
    ((void (*)(const char *, size_t))c->pointer)(text, sizeof i + (size_t)i * 7919 % 60000);
  }
  free(text);
}

/* order(void (*)(int thread, int number), the same, moonport.api, port, port, thread, count): number i goes one of four
 * ways in turn. */
static void run_order(call *c) {
  void (*ways[2])(int, int) = {(void (*)(int, int))c->pointer, (void (*)(int, int))in_pointer(c, 0)};
  const moonport_api *api = in_pointer(c, 1);
  moonport_port ports[2] = {{(uint64_t)in_integer(c, 2)}, {(uint64_t)in_integer(c, 3)}};
  for (int i = 1; i <= INT(5); i++) {
    if (i % 4 < 2) {
      ways[i % 4](INT(4), i);
    } else if (api->send(ports[i % 4 - 2], &i, sizeof i, 0, (uint32_t)INT(4)) != MOONPORT_OK) {
      call_fail(c, "a port took no message");
    }
  }
}

/* posts, then asks(void (*)(int), int (*)(int), count): the answer of the last one. */
static void run_posts_and_asks(call *c) {
  for (int i = 1; i <= INT(1); i++) ((void (*)(int))c->pointer)(i);
  out_signed(c, ((int (*)(int))in_pointer(c, 0))(INT(1)));
}

/* asks, then sends(int (*)(int), moonport.api, port): the answer, once the port has heard of it. */
static void run_asks_and_sends(call *c) {
  const moonport_api *api = in_pointer(c, 0);
  int answer = ((int (*)(int))c->pointer)(1);
  if (api->send((moonport_port){(uint64_t)in_integer(c, 1)}, &answer, sizeof answer, 0, 0) != MOONPORT_OK) {
    call_fail(c, "the port took no message");
  }
  out_signed(c, answer);
}

/* asks and sends many(int (*)(int), moonport.api, port, count): how many answers were right, then a message. */
static void run_asks_and_sends_many(call *c) {
  const moonport_api *api = in_pointer(c, 0);
  int right = 0;
  for (int i = 1; i <= INT(2); i++) right += ((int (*)(int))c->pointer)(i) == i + 1;
  if (api->send((moonport_port){(uint64_t)in_integer(c, 1)}, "x", 1, 0, 0) != MOONPORT_OK) {
    call_fail(c, "the port took no message");
  }
  out_signed(c, right);
}

/* asks(int (*)(int), count): how many answers were number + 1, how many -1, and how many wrong. */
static void run_asks(call *c) {
  int right = 0, given_up = 0, wrong = 0;
  for (int i = 1; i <= INT(0); i++) {
    int answer = ((int (*)(int))c->pointer)(i);
    if (answer == i + 1) {
      right++;
    } else if (answer == -1) {
      given_up++;
    } else {
      wrong++;
    }
  }
  out_signed(c, right);
  out_signed(c, given_up);
  out_signed(c, wrong);
}

/* asks until closed(int (*)(int)): wrong answers among those before -1 has come a hundred times in a row. */
static void run_asks_until_closed(call *c) {
  int wrong = 0;
  for (int defaults = 0, i = 1; defaults < 100; i = i % 1000 + 1) {
    int answer = ((int (*)(int))c->pointer)(i);
    defaults = answer == -1 ? defaults + 1 : 0;
    wrong += answer != -1 && answer != i + 1;
  }
  out_signed(c, wrong);
  if (wrong > 0) call_fail(c, "a wrong answer");
}

static void run_posts_for_ever(call *c) {
  for (int i = 1;; i = i % 1000 + 1) ((void (*)(int))c->pointer)(i);
}

static void run_asks_for_ever(call *c) {
  for (int i = 1;; i = i % 1000 + 1) {
    int answer = ((int (*)(int))c->pointer)(i);
    if (answer != -1 && answer != i + 1) abort();
  }
}

/* closes(callback, moonport.api): the statuses of closing it twice. */
static void run_closes(call *c) {
  const moonport_api *api = in_pointer(c, 0);
  for (int i = 0; i < 2; i++) out_signed(c, api->callback_close((void (*)(void))c->pointer));
}

/* late(int (*)(int *)): when the call has returned, what it was to write to is used for something else. The result, and
 * what stands there when the gate has been opened. */
static void run_late(call *c) {
  int cell = 1;
  int result = ((int (*)(int *))c->pointer)(&cell);
  int before = cell;
  cell = 7;
  gate_wait();
  out_signed(c, result);
  out_signed(c, before);
  out_signed(c, cell);
}

/* strings(const char *(*)(int), count, waits): the last eight of them, read when all were made and, if told so, the
 * gate has been opened. */
static void run_strings(call *c) {
  const char *strings[8] = {NULL};
  for (int i = 1; i <= INT(0); i++) strings[i % 8] = ((const char *(*)(int))c->pointer)(i);
  if (INT(1)) gate_wait();
  for (int i = INT(0) + 1; i <= INT(0) + 8; i++) {
    const char *text = strings[i % 8];
    out_text(c, text, text ? strlen(text) : 0);
  }
}

/* all strings(const char *(*)(int), count): each, read when all were made. */
static void run_all_strings(call *c) {
  const char *strings[MOST];
  for (int i = 0; i < INT(0); i++) strings[i] = ((const char *(*)(int))c->pointer)(i + 1);
  for (int i = 0; i < INT(0); i++) out_text(c, strings[i], strlen(strings[i]));
}

/* Calls of a thread that is about to end. */
static pthread_key_t ending;
static pthread_once_t ending_once = PTHREAD_ONCE_INIT;

static void call_at_the_end(void *argument) {
  call *c = argument;
  out_signed(c, ((int (*)(int))c->pointer)(INT(2)));
  ((void (*)(int))in_pointer(c, 0))(INT(2));
  const char *text = ((const char *(*)(int))in_pointer(c, 1))(INT(2));
  out_text(c, text, text ? strlen(text) : 0);
}

static void make_ending(void) {
  pthread_key_create(&ending, call_at_the_end);
}

static void *call_and_end(void *argument) {
  call *c = argument;
  pthread_setspecific(ending, c);
  out_signed(c, ((int (*)(int))c->pointer)(1));
  ((const char *(*)(int))in_pointer(c, 1))(1);
  return NULL;
}

/* at a thread's end(int (*)(int), void (*)(int), const char *(*)(int), number): a call of the first while the thread
 * runs, one of each by a destructor of its own data. */
static void run_at_the_end(call *c) {
  pthread_t thread;
  pthread_once(&ending_once, make_ending);
  if (pthread_create(&thread, NULL, call_and_end, c) != 0 || pthread_join(thread, NULL) != 0) abort();
}

static const struct {
  const char *name;
  void (*run)(call *);
} programs[] = {
    {"sequence", run_sequence},
    {"sizes", run_sizes},
    {"order", run_order},
    {"posts and asks", run_posts_and_asks},
    {"asks and sends", run_asks_and_sends},
    {"asks and sends many", run_asks_and_sends_many},
    {"asks", run_asks},
    {"asks until closed", run_asks_until_closed},
    {"posts for ever", run_posts_for_ever},
    {"asks for ever", run_asks_for_ever},
    {"closes", run_closes},
    {"at a thread's end", run_at_the_end},
    {"late", run_late},
    {"strings", run_strings},
    {"all strings", run_all_strings},
    {"int (int) in a fork", make_in_a_fork},
    {"state", make_state},
    {NULL, NULL},
};

void (*program_find(const char *name))(call *) {
  int i = 0;
  while (programs[i].name && strcmp(programs[i].name, name) != 0) i++;
  return programs[i].run;
}
