/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Checks that end the test at the first that fails, with the line, what was expected and what came. On any thread. */
#ifndef CTEST_CHECK_H
#define CTEST_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                          \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);                    \
      _Exit(1);                                                                                   \
    }                                                                                             \
  } while (0)

#define CHECK_INT(expected, got) check_int(__FILE__, __LINE__, #got, (long long)(expected), (long long)(got))
#define CHECK_TEXT(expected, got) check_text(__FILE__, __LINE__, #got, (expected), (got))
#define CHECK_STATUS(expected, got) check_status(__FILE__, __LINE__, #got, (expected), (got))

static inline void check_int(const char *file, int line, const char *what, long long expected, long long got) {
  if (expected != got) {
    fprintf(stderr, "%s:%d: %s: expected %lld, got %lld\n", file, line, what, expected, got);
    _Exit(1);
  }
}

static inline void check_text(const char *file, int line, const char *what, const char *expected, const char *got) {
  if (!got || strcmp(expected, got) != 0) {
    fprintf(stderr, "%s:%d: %s: expected \"%s\", got \"%s\"\n", file, line, what, expected, got ? got : "(null)");
    _Exit(1);
  }
}

const char *moonport_status_name(int status);

static inline void check_status(const char *file, int line, const char *what, int expected, int got) {
  if (expected != got) {
    fprintf(stderr, "%s:%d: %s: expected %s (%d), got %s (%d)\n", file, line, what, moonport_status_name(expected),
            expected, moonport_status_name(got), got);
    _Exit(1);
  }
}

#endif
