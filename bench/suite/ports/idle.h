/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Messages that come now and then, and what a process does between them. It needs _GNU_SOURCE. */
#ifndef IDLE_H
#define IDLE_H
#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline void pause_for(double seconds) {
  struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  while (nanosleep(&time, &time) != 0) continue;
}

/* 1 to 3 ms, evenly: everybody falls asleep, and no timer is in step with it. Marsaglia's xorshift. */
static inline double irregular(void) {
  static uint32_t state = 2463534242;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return 1e-3 + 2e-3 * (state / 4294967296.0);
}

static inline uint64_t sleeps_of(const char *task) {
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

/* How often all threads of this process but the calling one have gone to sleep; negative: it cannot be told. */
static inline double count_sleeps(void) {
  char self[24];
  snprintf(self, sizeof self, "%ld", (long)syscall(SYS_gettid));
  uint64_t sum = 0;
  DIR *folder = opendir("/proc/self/task");
  if (folder == NULL) return -1;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] != '.' && strcmp(entry->d_name, self) != 0) sum += sleeps_of(entry->d_name);
  }
  closedir(folder);
  return (double)sum;
}
#endif
