/* SPDX-License-Identifier: MIT OR Apache-2.0
 * mdwe COMMAND ARGUMENT...: runs a command that cannot make memory executable which it could write (PR_SET_MDWE). Status
 * 77: this kernel has no such thing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Older headers do not have them. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0) {
    fprintf(stderr, "mdwe: PR_SET_MDWE: %s\n", strerror(errno));
    return errno == EINVAL ? 77 : 2;
  }
  execvp(argv[1], argv + 1);
  fprintf(stderr, "mdwe: %s: %s\n", argv[1], strerror(errno));
  return 2;
}
