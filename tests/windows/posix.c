/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What the specs call of a POSIX system, for Windows; posix.def gives it its names. long has 32 bits here. */
#include <winsock2.h>
#include <windows.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdint.h>
#include <stdlib.h>

struct thread {
  HANDLE handle;
  void *(*start)(void *);
  void *argument, *result;
};

static DWORD WINAPI run(void *argument) {
  struct thread *thread = argument;
  thread->result = thread->start(thread->argument);
  return 0;
}

int spec_pthread_create(uintptr_t *number, const void *attributes, void *(*start)(void *), void *argument) {
  struct thread *thread = malloc(sizeof *thread);
  (void)attributes;
  thread->start = start;
  thread->argument = argument;
  thread->handle = CreateThread(NULL, 0, run, thread, 0, NULL);
  *number = (uintptr_t)thread;
  return thread->handle ? 0 : EAGAIN;
}

int spec_pthread_join(uintptr_t number, void **result) {
  struct thread *thread = (struct thread *)number;
  WaitForSingleObject(thread->handle, INFINITE);
  CloseHandle(thread->handle);
  if (result)
    *result = thread->result;
  free(thread);
  return 0;
}

int spec_usleep(unsigned microseconds) {
  Sleep((microseconds + 999) / 1000);
  return 0;
}

int spec_clock_gettime(int clock, long *time) {
  LARGE_INTEGER count, frequency;
  (void)clock;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&frequency);
  time[0] = (long)(count.QuadPart / frequency.QuadPart);
  time[1] = (long)(count.QuadPart % frequency.QuadPart * 1000000000 / frequency.QuadPart);
  return 0;
}

struct entry {
  int descriptor;
  short events, happened;
};

int spec_poll(struct entry *entry, unsigned long count, int milliseconds) {
  WSAPOLLFD one = {.fd = (SOCKET)entry->descriptor, .events = POLLRDNORM};
  return count == 1 ? WSAPoll(&one, 1, milliseconds) : -1;
}

/* The numbers of Linux, which the specs know. */
static long failed(void) {
  switch (WSAGetLastError()) {
  case WSAEWOULDBLOCK: errno = 11; break;
  case WSAESHUTDOWN: errno = 32; break;
  case WSAEMSGSIZE: errno = 90; break;
  default: errno = 5;
  }
  return -1;
}

long spec_send(int descriptor, const void *data, size_t size, int flags) {
  int sent = send((SOCKET)descriptor, data, (int)size, flags & ~0x40);
  return sent < 0 ? failed() : sent;
}

/* 0x40 is MSG_DONTWAIT. */
long spec_recv(int descriptor, void *data, size_t size, int flags) {
  struct entry entry = {descriptor, 0, 0};
  int received;
  if (flags & 0x40 && spec_poll(&entry, 1, 0) != 1) {
    errno = 11;
    return -1;
  }
  received = recv((SOCKET)descriptor, data, (int)size, flags & ~0x40);
  return received < 0 ? failed() : received;
}

long long spec_llabs(long long number) { return number < 0 ? -number : number; }
float spec_fabsf(float number) { return number < 0 ? -number : number; }
int spec_open(const char *name, int flags) { return _open(name, flags); }
