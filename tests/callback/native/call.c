/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Native calls as values: arguments in, results out, and what is checked around each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

#define MARK 77

void *check_memory(void *memory) {
  if (!memory) abort();
  return memory;
}

/* What was lent to the callback is overwritten and freed as soon as it has returned, on the same thread. */
static void take_away(value *lent) {
  if (!lent->text) return;
  memset(lent->text, 'x', lent->size + 1);
  free(lent->text);
  lent->text = NULL;
}

void call_make(call *c) {
  errno = MARK;
  c->make(c);
  if (errno != MARK) call_fail(c, "errno was changed");
  for (int i = 0; i < c->given; i++) take_away(&c->in[i]);
}

void call_forget(call *c) {
  for (int i = 0; i < c->given; i++) take_away(&c->in[i]);
  for (int i = 0; i < c->results; i++) free(c->out[i].text);
  free(c->failed);
  free(c);
}

/* The first failure is the one that tells. */
void call_fail(call *c, const char *why) {
  if (!c->failed) c->failed = check_memory(strdup(why));
}

int64_t in_integer(const call *c, int at) {
  return (int64_t)c->in[at].bits;
}

double in_number(const call *c, int at) {
  return c->in[at].number;
}

void *in_pointer(const call *c, int at) {
  return (void *)(uintptr_t)c->in[at].bits;
}

char *in_text(const call *c, int at) {
  return c->in[at].text;
}

size_t in_size(const call *c, int at) {
  return at + 1 < c->given ? (size_t)c->in[at + 1].bits : c->in[at].size;
}

static value *out(call *c, kind kind) {
  if (c->results == MOST) abort();
  value *result = &c->out[c->results++];
  *result = (value){.kind = kind};
  return result;
}

void out_boolean(call *c, bool value) {
  out(c, BOOLEAN)->bits = value;
}

void out_signed(call *c, int64_t value) {
  out(c, SIGNED)->bits = (uint64_t)value;
}

void out_unsigned(call *c, uint64_t value) {
  out(c, UNSIGNED)->bits = value;
}

void out_number(call *c, double value) {
  out(c, NUMBER)->number = value;
}

void out_pointer(call *c, void *value) {
  out(c, POINTER)->bits = (uintptr_t)value;
}

void out_text(call *c, const char *text, size_t size) {
  value *result = out(c, text ? TEXT : NOTHING);
  if (!text) return;
  result->text = check_memory(malloc(size + 1));
  memcpy(result->text, text, size);
  result->size = size;
}
