/* SPDX-License-Identifier: MIT OR Apache-2.0
 * See sender.h. It knows no host and no Lua. */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "moonport.h"
#include "timing.h"

#include "sender.h"

/* What happens only once is over by then: a window's first events, what is compiled at the first messages; and what is still
 * to be done after the last one: where SDL is attached, a look after 0.1 s whether the event came. */
enum { WARM = 20 };
static const double SETTLING = 0.3, QUIET = 0.3, SILENCE = 1.0;

static struct {
  const moonport_api *api;
  moonport_port port;
  int count, failed;
  pthread_t thread;
  double sleeps;
  /* Written by the sender before each send, read by the owner in the handler of that message. */
  uint64_t *sent;
  /* The owner's alone. */
  int heard;
  uint32_t *took;
} test;

void sender_pause(double seconds) {
  struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  while (nanosleep(&time, &time) != 0) continue;
}

/* 1 to 3 ms, evenly: everybody falls asleep, and no timer is in step with it. Marsaglia's xorshift. */
static double irregular(void) {
  static uint32_t state = 2463534242;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return 1e-3 + 2e-3 * (state / 4294967296.0);
}

static uint64_t sleeps_of(const char *task) {
  char path[64], line[256];
  uint64_t count = 0;
  snprintf(path, sizeof path, "/proc/self/task/%.20s/status", task);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0; /* it has ended */
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &count) == 1) break;
  }
  fclose(file);
  return count;
}

/* Of all threads of this process but the calling one. */
static double count_sleeps(void) {
  char self[24];
  snprintf(self, sizeof self, "%ld", (long)syscall(SYS_gettid));
  uint64_t sum = 0;
  DIR *folder = opendir("/proc/self/task");
  if (folder == NULL) {
    test.failed = 1;
    return 0;
  }
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] != '.' && strcmp(entry->d_name, self) != 0) sum += sleeps_of(entry->d_name);
  }
  closedir(folder);
  return (double)sum;
}

static void send_one(int which) {
  test.sent[which] = now();
  if (test.api->send(test.port, "12345678", 8, MOONPORT_RAW, 0) != MOONPORT_OK) test.failed = 1;
}

static void *run(void *unused) {
  (void)unused;
  int last = test.count - 1;
  sender_pause(SETTLING);
  for (int i = 0; i < last; i++) {
    sender_pause(irregular());
    send_one(i);
  }
  sender_pause(QUIET);
  double before = count_sleeps();
  sender_pause(SILENCE);
  test.sleeps = (count_sleeps() - before) / SILENCE;
  send_one(last);
  return NULL;
}

int sender_start(const void *api, uint64_t port, int count) {
  test.api = api;
  test.port.id = port;
  test.count = WARM + count + 1;
  test.failed = test.heard = 0;
  free(test.sent);
  free(test.took);
  test.sent = calloc((size_t)test.count, sizeof *test.sent);
  test.took = calloc((size_t)test.count, sizeof *test.took);
  if (test.sent == NULL || test.took == NULL) return -1;
  return pthread_create(&test.thread, NULL, run, NULL) == 0 ? 0 : -1;
}

int sender_heard(void) {
  uint64_t time = now();
  int which = test.heard++;
  if (which < test.count) test.took[which] = (uint32_t)(time - test.sent[which]);
  return test.count - test.heard;
}

double sender_sleeps(void) {
  pthread_join(test.thread, NULL);
  return test.failed || test.heard != test.count ? -1 : test.sleeps;
}

double sender_took(int which) {
  spread all = spread_of(test.took + WARM, (size_t)(test.count - WARM - 1));
  return which == 1 ? all.low : which == 2 ? all.median : all.high;
}
