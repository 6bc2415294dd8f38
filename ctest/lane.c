/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Lanes: code that knows no header of ours sends and receives on a descriptor. */
#include <errno.h>
#include <sys/socket.h>

#include "host.h"

#define THREADS 8
#define EACH 2000

static int descriptor_of(host *h, const char *expression) {
  return atoi(host_text(h, expression));
}

struct sender {
  int number;
  int descriptor;
};

static void *send_each(void *context) {
  struct sender *sender = context;
  for (int i = 0; i < EACH; i++) {
    char json[64];
    snprintf(json, sizeof json, "{\"sender\":%d,\"i\":%d}", sender->number, i);
    ssize_t sent = send(sender->descriptor, json, strlen(json), 0);
    CHECK_INT(strlen(json), sent);
  }
  return NULL;
}

static void eight_threads(host *h) {
  host_run(h,
           "count, next_of, failed = 0, {}, nil "
           "moonport.on_error(function(message) failed = message end)"
           "ports = {}"
           "for i = 0, 7 do"
           "  local port = moonport.port{codec = 'json', capacity = 3}"
           "  ports[i] = port "
           "  port:on(function(value)"
           "    assert(value.sender == i and value.i == (next_of[i] or 0))"
           "    next_of[i], count = value.i + 1, count + 1 "
           "  end)"
           "end");
  struct sender senders[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    char expression[40];
    snprintf(expression, sizeof expression, "ports[%d]:descriptor()", i);
    senders[i] = (struct sender){.number = i, .descriptor = descriptor_of(h, expression)};
    threads[i] = thread_start(send_each, &senders[i]);
  }
  CHECK(host_until_true(h, "count == 16000 or failed", 60));
  for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
  CHECK_TEXT("nil", host_text(h, "failed"));
  host_run(h, "for i = 0, 7 do ports[i]:close() end");
  for (int i = 0; i < THREADS; i++) {
    CHECK_INT(-1, send(senders[i].descriptor, "{}", 2, 0)); /* no SIGPIPE: it would end the test */
    CHECK_INT(EPIPE, errno);
  }
}

static void *ask(void *context) {
  int descriptor = *(int *)context;
  for (int i = 0; i < 100; i++) {
    char question[32], wanted[32], answer[64];
    snprintf(question, sizeof question, "[%d]", i);
    snprintf(wanted, sizeof wanted, "%d", i * 2);
    CHECK_INT(strlen(question), send(descriptor, question, strlen(question), 0));
    ssize_t size = recv(descriptor, answer, sizeof answer - 1, 0);
    CHECK(size > 0);
    answer[size] = 0;
    CHECK_TEXT(wanted, answer);
  }
  return NULL;
}

static void answers(host *h) {
  host_run(h,
           "count = 0 asked = moonport.port{codec = 'json'}"
           "asked:on(function(value, message) count = count + 1 assert(message.reply(value[1] * 2)) end)");
  int descriptor = descriptor_of(h, "asked:descriptor()");
  pthread_t thread = thread_start(ask, &descriptor);
  CHECK(host_until_true(h, "count == 100", 60));
  thread_join(thread);
  host_run(h, "asked:close()");
}

static void too_large_and_malformed(host *h) {
  host_run(h,
           "reports, got = {}, {}"
           "odd = moonport.port{name = 'odd', codec = 'msgpack'}"
           "moonport.on_error(function(message, info) reports[#reports + 1] = info.kind .. ' ' .. info.name end)"
           "odd:on(function(value) got[#got + 1] = value end)");
  int descriptor = descriptor_of(h, "odd:descriptor()");
  size_t size = 64 << 20;
  char *large = calloc(1, size);
  CHECK_INT(-1, send(descriptor, large, size, 0));
  CHECK_INT(EMSGSIZE, errno);
  free(large);
  CHECK_INT(1, send(descriptor, "\xc1", 1, 0));
  CHECK_INT(1, send(descriptor, "\x07", 1, 0));
  host_drain(h);
  CHECK(host_true(h, "#reports == 1 and reports[1] == 'lane odd' and #got == 1 and got[1] == 7"));
  host_run(h, "odd:close()");
}

int main(void) {
  host h;
  host_open(&h);
  eight_threads(&h);
  answers(&h);
  too_large_and_malformed(&h);
  host_close(&h);
  return 0;
}
