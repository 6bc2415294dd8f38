/* SPDX-License-Identifier: MIT OR Apache-2.0
 * One function for each C type of function pointer: it calls the pointer once, with the arguments of the call. */
#include <stdlib.h>
#include <string.h>

#include "native.h"

#define INT(at) ((int)in_integer(c, at))
#define DOUBLE(at) in_number(c, at)

static void make_void(call *c) {
  ((void (*)(void))c->pointer)();
}

static void make_int(call *c) {
  ((void (*)(int))c->pointer)(INT(0));
}

static void make_text(call *c) {
  ((void (*)(const char *))c->pointer)(in_text(c, 0));
}

static void make_bytes(call *c) {
  ((void (*)(const char *, size_t))c->pointer)(in_text(c, 0), in_size(c, 0));
}

/* The bytes lie on the stack of a thread that may end right after. */
static void make_stack(call *c) {
  size_t size = in_size(c, 0);
  char bytes[4096];
  memcpy(bytes, in_text(c, 0), size);
  ((void (*)(const char *, size_t))c->pointer)(bytes, size);
  memset(bytes, 'y', size);
}

static void make_bytes_int(call *c) {
  ((void (*)(const char *, int))c->pointer)(in_text(c, 0), (int)in_size(c, 0));
}

static void make_size_bytes(call *c) {
  ((void (*)(size_t, const char *))c->pointer)((size_t)in_integer(c, 0), in_text(c, 1));
}

static void make_text_bytes_text(call *c) {
  ((void (*)(const char *, const char *, size_t, const char *))c->pointer)(in_text(c, 0), in_text(c, 1),
                                                                           (size_t)in_integer(c, 2), in_text(c, 3));
}

/* Doubles from the second argument on; their number may be told wrongly by the first. */
static void make_doubles(call *c) {
  double list[MOST];
  for (int i = 1; i < c->given; i++) list[i - 1] = in_number(c, i);
  ((void (*)(size_t, const double *))c->pointer)((size_t)in_integer(c, 0), list);
  memset(list, 'y', sizeof list);
}

static void make_user(call *c) {
  ((void (*)(void *))c->pointer)(in_pointer(c, 0));
}

static void make_user_int_user(call *c) {
  ((void (*)(void *, int, void *))c->pointer)(in_pointer(c, 0), INT(1), in_pointer(c, 2));
}

typedef struct record {
  int number;
  double share;
  char name[16];
} record;

static void make_record(call *c) {
  record mine = {INT(0), DOUBLE(1), ""};
  bool is_null = !in_text(c, 2);
  if (!is_null) strncpy(mine.name, in_text(c, 2), sizeof mine.name - 1);
  ((void (*)(const record *, int))c->pointer)(is_null ? NULL : &mine, INT(0));
  memset(&mine, 'y', sizeof mine);
}

static void make_every(call *c) {
  ((void (*)(bool, int8_t, uint8_t, int16_t, uint16_t, int32_t, uint32_t, int64_t, uint64_t, float, double,
             char))c->pointer)(in_integer(c, 0) != 0, (int8_t)INT(1), (uint8_t)INT(2), (int16_t)INT(3),
                               (uint16_t)INT(4), INT(5), (uint32_t)in_integer(c, 6), in_integer(c, 7),
                               (uint64_t)in_integer(c, 8), (float)DOUBLE(9), DOUBLE(10), (char)INT(11));
}

static void make_ints(call *c) {
  ((void (*)(int, int, int, int, int, int, int, int, int, int, int, int, int, int))c->pointer)(
      INT(0), INT(1), INT(2), INT(3), INT(4), INT(5), INT(6), INT(7), INT(8), INT(9), INT(10), INT(11), INT(12),
      INT(13));
}

static void make_mixed(call *c) {
  ((void (*)(double, int, double, int, double, int, double, int, double, int, double, double, double,
             double))c->pointer)(DOUBLE(0), INT(1), DOUBLE(2), INT(3), DOUBLE(4), INT(5), DOUBLE(6), INT(7), DOUBLE(8),
                                 INT(9), DOUBLE(10), DOUBLE(11), DOUBLE(12), DOUBLE(13));
}

/* Small ones beyond the registers, where the rest of their eight bytes may be anything. */
static void make_narrow(call *c) {
  ((void (*)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int8_t, uint8_t, int16_t, uint16_t, bool, float,
             uint32_t, int8_t))c->pointer)(in_integer(c, 0), in_integer(c, 1), in_integer(c, 2), in_integer(c, 3),
                                           in_integer(c, 4), in_integer(c, 5), (int8_t)INT(6), (uint8_t)INT(7),
                                           (int16_t)INT(8), (uint16_t)INT(9), in_integer(c, 10) != 0, (float)DOUBLE(11),
                                           (uint32_t)in_integer(c, 12), (int8_t)INT(13));
}

#define ECHO(type, out_it, in_it)                               \
  static void echo_##type(call *c) {                            \
    out_it(c, ((type (*)(type))c->pointer)((type)in_it(c, 0))); \
  }
ECHO(bool, out_boolean, in_integer)
ECHO(int8_t, out_signed, in_integer)
ECHO(uint8_t, out_unsigned, in_integer)
ECHO(int16_t, out_signed, in_integer)
ECHO(uint16_t, out_unsigned, in_integer)
ECHO(int, out_signed, in_integer)
ECHO(uint32_t, out_unsigned, in_integer)
ECHO(int64_t, out_signed, in_integer)
ECHO(uint64_t, out_unsigned, in_integer)
ECHO(float, out_number, in_number)
ECHO(double, out_number, in_number)

static void echo_pointer(call *c) {
  out_pointer(c, ((void *(*)(void *))c->pointer)(in_pointer(c, 0)));
}

static void make_int_bytes(call *c) {
  out_signed(c, ((int (*)(const char *, size_t))c->pointer)(in_text(c, 0), in_size(c, 0)));
}

static void out_string(call *c, const char *text) {
  out_text(c, text, text ? strlen(text) : 0);
}

static void make_string(call *c) {
  out_string(c, ((const char *(*)(int))c->pointer)(INT(0)));
}

static void make_malloc_string(call *c) {
  char *text = ((char *(*)(int))c->pointer)(INT(0));
  out_string(c, text);
  free(text);
}

/* What the handler writes into a cell of ours. */
static void make_cell(call *c) {
  int cell = INT(0);
  ((void (*)(int *))c->pointer)(&cell);
  out_signed(c, cell);
}

#define BUFFER 16

typedef int (*writer)(int *, double *, char *, size_t);

/* writes(share, capacity): the result, the sum, the share, and the buffer with what was around. */
static void make_writes(call *c) {
  int sum = -5;
  double share = DOUBLE(0);
  char buffer[BUFFER];
  memset(buffer, '.', sizeof buffer);
  out_signed(c, ((writer)c->pointer)(&sum, &share, buffer, (size_t)in_integer(c, 1)));
  out_signed(c, sum);
  out_number(c, share);
  out_text(c, buffer, sizeof buffer);
}

static void make_writes_nowhere(call *c) {
  out_signed(c, ((writer)c->pointer)(NULL, NULL, NULL, (size_t)in_integer(c, 0)));
}

static void make_int_outbuf(call *c) {
  char buffer[BUFFER];
  memset(buffer, '.', sizeof buffer);
  out_signed(c, ((int (*)(char *, int))c->pointer)(buffer + 4, INT(0)));
  out_text(c, buffer, sizeof buffer);
}

static void make_narrow_writes(call *c) {
  uint8_t small[3] = {9, 9, 9};
  bool yes[3] = {false, false, false};
  float share[3] = {1, 1, 1};
  ((void (*)(uint8_t *, bool *, float *))c->pointer)(&small[1], &yes[1], &share[1]);
  for (int i = 0; i < 3; i++) out_unsigned(c, small[i]);
  for (int i = 0; i < 3; i++) out_boolean(c, yes[i]);
  for (int i = 0; i < 3; i++) out_number(c, share[i]);
}

/* sort(comparator, number...): the numbers in order. */
static void make_sort(call *c) {
  int list[MOST];
  for (int i = 0; i < c->given; i++) list[i] = INT(i);
  qsort(list, (size_t)c->given, sizeof list[0], (int (*)(const void *, const void *))c->pointer);
  for (int i = 0; i < c->given; i++) out_signed(c, list[i]);
}

static const struct {
  const char *name;
  void (*make)(call *);
} signatures[] = {
    {"void (void)", make_void},
    {"void (int)", make_int},
    {"void (const char *)", make_text},
    {"void (const char *, size_t)", make_bytes},
    {"void (const char *, size_t) on the stack", make_stack},
    {"void (const char *, int)", make_bytes_int},
    {"void (size_t, const char *)", make_size_bytes},
    {"void (const char *, const char *, size_t, const char *)", make_text_bytes_text},
    {"void (size_t, const double *)", make_doubles},
    {"void (void *)", make_user},
    {"void (void *, int, void *)", make_user_int_user},
    {"void (const record *, int)", make_record},
    {"void (every type)", make_every},
    {"void (14 ints)", make_ints},
    {"void (9 doubles, 5 ints)", make_mixed},
    {"void (6 longs, 8 small ones)", make_narrow},
    {"bool (bool)", echo_bool},
    {"int8_t (int8_t)", echo_int8_t},
    {"uint8_t (uint8_t)", echo_uint8_t},
    {"int16_t (int16_t)", echo_int16_t},
    {"uint16_t (uint16_t)", echo_uint16_t},
    {"int (int)", echo_int},
    {"uint32_t (uint32_t)", echo_uint32_t},
    {"int64_t (int64_t)", echo_int64_t},
    {"uint64_t (uint64_t)", echo_uint64_t},
    {"float (float)", echo_float},
    {"double (double)", echo_double},
    {"void *(void *)", echo_pointer},
    {"int (const char *, size_t)", make_int_bytes},
    {"const char *(int)", make_string},
    {"char *(int), freed", make_malloc_string},
    {"void (int *)", make_cell},
    {"int (int *, double *, char *, size_t)", make_writes},
    {"int (int *, double *, char *, size_t), NULL", make_writes_nowhere},
    {"int (char *, int)", make_int_outbuf},
    {"void (uint8_t *, bool *, float *)", make_narrow_writes},
    {"sort", make_sort},
    {NULL, NULL},
};

void (*signature_find(const char *name))(call *) {
  int i = 0;
  while (signatures[i].name && strcmp(signatures[i].name, name) != 0) i++;
  return signatures[i].make;
}
