/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What the tests of hosts need of native code: threads that send, and what the kernel has counted. It knows nothing of
 * Lua: a test loads it by LuaJIT's FFI. Threads are started by the owner's thread, which joins them by native_join. */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "moonport.h"

#define MOST 16        /* threads at once */
#define PATIENCE 10.0  /* seconds that a sender waits for room */
#define MOMENT 0.02    /* a flooding sender looks at the clock at least this often */

typedef struct sender {
  pthread_t id;
  void (*run)(struct sender *);
  moonport_port port;
  uint32_t tag;
  uint32_t count;
  double seconds;
} sender;

static const moonport_api *api;
static sender senders[MOST];
static int started;
static uint64_t accepted;
static int failure;

/* Seconds of the monotonic clock. */
double native_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Seconds of CPU that the whole process has used. */
double native_cpu(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void native_pause(double seconds) {
  struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  while (nanosleep(&time, &time) != 0) continue;
}

/* The kernel's number of the calling thread. */
uint64_t native_thread(void) {
  return (uint64_t)syscall(SYS_gettid);
}

static uint64_t switches_of(const char *task) {
  char path[64], line[256];
  uint64_t count = 0;
  snprintf(path, sizeof path, "/proc/self/task/%.20s/status", task);
  FILE *file = fopen(path, "r");
  if (!file) return 0; /* it has ended */
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &count) == 1) break;
  fclose(file);
  return count;
}

/* How often the threads of this process have gone to sleep. */
uint64_t native_switches(void) {
  uint64_t sum = 0;
  DIR *folder = opendir("/proc/self/task");
  if (!folder) abort();
  for (struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.') sum += switches_of(entry->d_name);
  closedir(folder);
  return sum;
}

/* Seconds of CPU that the calling thread has used. */
double native_work(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static uint64_t ticks;

/* A GSourceFunc that counts its calls. */
int native_tick(void *unused) {
  (void)unused;
  ticks++;
  return 1;
}

uint64_t native_ticks(void) {
  return ticks;
}

/* const moonport_api *: moonport.api in Lua. */
void native_init(const void *table) {
  api = table;
}

/* The port of this name, in whichever state; 0: none. */
uint64_t native_find(const char *name) {
  return api->find(name).id;
}

/* One JSON integer; waits for room at most this long. */
static int send_number(sender *s, uint64_t number, double patience) {
  char text[24];
  int size = snprintf(text, sizeof text, "%" PRIu64, number);
  int status = api->send_within(s->port, text, (size_t)size, MOONPORT_JSON, s->tag, patience);
  if (status == MOONPORT_OK) __atomic_add_fetch(&accepted, 1, __ATOMIC_RELAXED);
  return status;
}

static void fail(int status) {
  __atomic_store_n(&failure, status, __ATOMIC_RELAXED);
}

static void *thread_main(void *argument) {
  sender *s = argument;
  s->run(s);
  return NULL;
}

/* 0, or -1 where there is no room for one more thread. */
static int start(void (*run)(sender *), uint64_t port, uint32_t tag, uint32_t count, double seconds) {
  if (started == MOST || !api) return -1;
  sender *s = &senders[started];
  *s = (sender){.run = run, .port = {port}, .tag = tag, .count = count, .seconds = seconds};
  if (pthread_create(&s->id, NULL, thread_main, s) != 0) return -1;
  started++;
  return 0;
}

void native_join(void) {
  for (int i = 0; i < started; i++) pthread_join(senders[i].id, NULL);
  started = 0;
}

static void burst(sender *s) {
  for (uint32_t i = 1; i <= s->count; i++) {
    int status = send_number(s, i, PATIENCE);
    if (status != MOONPORT_OK) return fail(status);
  }
}

/* A new thread sends the JSON integers 1 to count. */
int native_burst(uint64_t port, uint32_t count) {
  return start(burst, port, 0, count, 0);
}

static void pace(sender *s) {
  for (uint32_t i = 0; i < s->count; i++) {
    native_pause(s->seconds);
    int status = send_number(s, (uint64_t)(1e9 * native_now()), PATIENCE);
    if (status != MOONPORT_OK) return fail(status);
  }
}

/* A new thread sends count times, after so many seconds each, the time of native_now in nanoseconds. */
int native_pace(uint64_t port, uint32_t count, double seconds) {
  return start(pace, port, 0, count, seconds);
}

static void flood(sender *s) {
  double end = native_now() + s->seconds;
  for (uint64_t number = 1; native_now() < end;) {
    int status = send_number(s, number, MOMENT);
    if (status == MOONPORT_OK) number++;
    else if (status != MOONPORT_TIMEOUT) return fail(status);
  }
}

/* So many new threads send 1, 2, 3 ... each, as fast as the port takes them; the tag is the thread, from 1 on. */
int native_flood(uint64_t port, uint32_t threads, double seconds) {
  for (uint32_t i = 1; i <= threads; i++)
    if (start(flood, port, i, 0, seconds) != 0) return -1;
  return 0;
}

/* How many messages the ports have taken from the threads above. */
uint64_t native_accepted(void) {
  return __atomic_load_n(&accepted, __ATOMIC_RELAXED);
}

/* The status that ended a thread too early, since this was last asked; 0: none. */
int native_failure(void) {
  return __atomic_exchange_n(&failure, 0, __ATOMIC_RELAXED);
}
