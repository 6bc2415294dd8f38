/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The plain way without Moonport: C threads write JSON by hand and send() it over a socket pair that the Lua thread polls. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define PRINTABLE
#include "senders.h"

enum { OWNER, SENDERS };

static struct {
  int ends[2];
  senders senders;
} pair;

/* {"data":"..."}: gives the length. A string's other bytes stand for themselves. */
static size_t write_json(char *json, const char *text, size_t size) {
  static const char HEAD[] = "{\"data\":\"", TAIL[] = "\"}", DIGITS[] = "0123456789abcdef";
  char *to = json + sizeof HEAD - 1;
  memcpy(json, HEAD, sizeof HEAD - 1);
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = (unsigned char)text[i];
    if (byte < 0x20) {
      memcpy(to, "\\u00", 4);
      to[4] = DIGITS[byte >> 4];
      to[5] = DIGITS[byte & 15];
      to += 6;
      continue;
    }
    if (byte == '"' || byte == '\\') *to++ = '\\';
    *to++ = (char)byte;
  }
  memcpy(to, TAIL, sizeof TAIL - 1);
  return (size_t)(to - json) + sizeof TAIL - 1;
}

/* While there is no room the kernel holds the sender back. */
static int put(void *unused, const char *text, size_t size) {
  (void)unused;
  char json[6 * LARGEST + 16];
  size_t length = write_json(json, text, size);
  ssize_t sent;
  do sent = send(pair.ends[SENDERS], json, length, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == (ssize_t)length ? 0 : -1;
}

/* The descriptor from which each recv() takes one message; negative: none. */
int pair_open(void) {
  int status = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.ends);
  return status == 0 ? pair.ends[OWNER] : -1;
}

int pair_flood(void *window, int size, int count, int threads) {
  return senders_start(&pair.senders, put, NULL, window, (size_t)size, (uint64_t)count, threads);
}

/* Waits for the threads. Not 0: one of them failed. */
int pair_join(void) {
  int failed = senders_join(&pair.senders);
  close(pair.ends[OWNER]);
  close(pair.ends[SENDERS]);
  return failed;
}
