/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Numbers that are no port any more, or never were, and arguments that cannot be: an answer, never undefined behaviour. */
#include <limits.h>

#include "host.h"

static void nothing(void *data, size_t size, void *context) {
  (void)data;
  (void)size;
  ++*(int *)context;
}

static void wake_nothing(void *context) {
  (void)context;
}

/* Every function that takes a port says that this is none. */
static void is_no_port(moonport_port port) {
  int freed = 0;
  moonport_reply reply = {.codec = 0};
  moonport_port_stats stats, untouched;
  memset(&stats, 0xa5, sizeof stats);
  stats.struct_size = sizeof stats;
  untouched = stats;
  CHECK_STATUS(MOONPORT_CLOSED, moonport_send(port, "x", 1, 0, 0));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_send_owned(port, &freed, 1, 0, 0, nothing, &freed));
  CHECK_INT(1, freed);
  CHECK_STATUS(MOONPORT_CLOSED, moonport_send_within(port, "x", 1, 0, 0, 60));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_call(port, "x", 1, 0, 0, 60, &reply));
  CHECK(!reply.data);
  CHECK_STATUS(MOONPORT_CLOSED, moonport_signal(port, 1));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_close(port));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_port_stats_get(port, &stats));
  CHECK_INT(0, memcmp(&stats, &untouched, sizeof stats));
}

static void is_no_state(moonport_state state) {
  void *lua = &state;
  CHECK_INT(-1, moonport_wake_descriptor(state));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_set_waker(state, wake_nothing, NULL));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_set_waker(state, NULL, NULL));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_step(state, 0, 0));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_lock(state, 0, &lua));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_unlock(state));
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_number(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static void *forged(void *context) {
  moonport_port port = *(moonport_port *)context;
  is_no_port((moonport_port){0});
  is_no_port((moonport_port){UINT64_MAX});
  /* Place without generation, and the other way round; the next generation and the one before. */
  is_no_port((moonport_port){port.id & UINT32_MAX});
  is_no_port((moonport_port){port.id >> 32 << 32 | UINT32_MAX});
  is_no_port((moonport_port){port.id + ((uint64_t)1 << 32)});
  is_no_port((moonport_port){port.id - ((uint64_t)1 << 32)});
  for (int i = 0; i < 1000; i++) {
    uint64_t id = random_number();
    /* Half of them have a small place and generation, where real ports are. */
    if (i % 2) id &= (uint64_t)0x1ff << 32 | 0x1ff;
    /* One that exists is not forged. */
    if (id == port.id) continue;
    is_no_port((moonport_port){id});
    is_no_state((moonport_state){id | (uint64_t)1 << 63});
  }
  is_no_state((moonport_state){0});
  is_no_state((moonport_state){UINT64_MAX});
  return NULL;
}

static void stale(host *h) {
  host_run(h, "count = 0 function open() local port = moonport.port() port:on(function() count = count + 1 end) return port end"
              " port = open()");
  moonport_port port = host_port(h, "port");
  on_thread(forged, &port);
  CHECK_STATUS(MOONPORT_OK, moonport_send(port, "x", 1, 0, 0));
  host_run(h, "port:close()");
  is_no_port(port);
  host_run(h, "port = nil collectgarbage() collectgarbage()");
  is_no_port(port);
  /* Its place is used again: the old number must not reach the new port. */
  moonport_port next = {0};
  bool used_again = false;
  for (int i = 0; i < 100; i++) {
    /* First many open at once, so that every free place is used again; then one place over and over. */
    if (i < 50) {
      next = host_port(h, "(function() held = {open(), held} return held[1] end)()");
    } else {
      next = host_port(h, "(function() port = open() return port end)()");
    }
    used_again = used_again || (next.id & UINT32_MAX) == (port.id & UINT32_MAX);
    CHECK(next.id != port.id);
    is_no_port(port);
    is_no_port((moonport_port){(next.id & UINT32_MAX) | port.id >> 32 << 32 | (uint64_t)1 << 62});
    moonport_port_stats stats = {.struct_size = sizeof stats};
    CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(next, &stats));
    CHECK_INT(0, stats.sent + stats.after_close + stats.refused);
    if (i >= 50) host_run(h, "port:close() port = nil collectgarbage() collectgarbage()");
  }
  CHECK(used_again);
  host_drain(h);
  CHECK_TEXT("0", host_text(h, "count"));

  host_run(h, "port = open()");
  port = host_port(h, "port");
  host_run(h, "moonport.shutdown()");
  is_no_port(port);
}

static void names(host *h) {
  CHECK(moonport_find(NULL).id == 0);
  CHECK(moonport_find("").id == 0);
  CHECK(moonport_find("ctest").id == 0);
  CHECK(moonport_find("\xff\xfe not UTF-8").id == 0);
  host_run(h, "port = assert(moonport.port{name = 'ctest'})");
  moonport_port port = host_port(h, "port");
  CHECK(moonport_find("ctest").id == port.id);
  CHECK(moonport_find("ctes").id == 0);
  CHECK_TEXT("exists", host_text(h, "select(3, moonport.port{name = 'ctest'})"));
  CHECK(moonport_find("ctest").id == port.id);
  CHECK_STATUS(MOONPORT_OK, moonport_close(port));
  CHECK(moonport_find("ctest").id == 0);
  CHECK_STATUS(MOONPORT_CLOSED, moonport_close(port));
  host_run(h, "other = assert(moonport.port{name = 'ctest'})");
  CHECK(moonport_find("ctest").id != port.id);
  CHECK(moonport_find("ctest").id == host_port(h, "other").id);
  host_run(h, "other:close()");
  CHECK(moonport_find("ctest").id == 0);
}

static void stats_sizes(host *h) {
  host_run(h, "port = moonport.port()");
  moonport_port port = host_port(h, "port");
  CHECK_STATUS(MOONPORT_OK, moonport_send(port, "abc", 3, 0, 0));
  CHECK_STATUS(MOONPORT_INVALID, moonport_port_stats_get(port, NULL));
  /* Exactly as many bytes as struct_size says, in memory that ends there. */
  for (size_t size = 0; size <= sizeof(moonport_port_stats) + 64; size++) {
    unsigned char *room = malloc(size < sizeof size ? sizeof size : size);
    CHECK(room);
    memset(room, 0xa5, size < sizeof size ? sizeof size : size);
    memcpy(room, &size, sizeof size);
    int code = moonport_port_stats_get(port, (moonport_port_stats *)(void *)room);
    size_t after;
    memcpy(&after, room, sizeof after);
    CHECK_INT(size, after);
    if (size < sizeof size) {
      CHECK_STATUS(MOONPORT_INVALID, code);
    } else {
      CHECK_STATUS(MOONPORT_OK, code);
      moonport_port_stats expected = {.struct_size = size, .sent = 1, .waiting = 1, .waiting_bytes = 3, .high_water = 1};
      CHECK_INT(0, memcmp(room, &expected, size < sizeof expected ? size : sizeof expected));
      for (size_t i = sizeof expected; i < size; i++) CHECK_INT(0xa5, room[i]);
    }
    free(room);
  }
  host_run(h, "port:close()");
}

static void arguments(host *h) {
  host_run(h, "port = moonport.port()");
  moonport_port port = host_port(h, "port");
  static const struct {
    const char *bytes;
    size_t size;
    uint32_t codec;
  } bad[] = {
      {NULL, 1, 0},
      {NULL, 1, MOONPORT_RAW},
      {"x", 1, 4},
      {"x", 1, UINT32_MAX},
      {"", 0, MOONPORT_JSON},
      {NULL, 0, MOONPORT_JSON},
      {"{", 1, MOONPORT_JSON},
      {"[1,]", 4, MOONPORT_JSON},
      {"1 2", 3, MOONPORT_JSON},
      {"nul", 3, MOONPORT_JSON},
      {"01", 2, MOONPORT_JSON},
      {"\"\xff\"", 3, MOONPORT_JSON},
      {"\"\\ud800\"", 8, MOONPORT_JSON},
      {"1\0", 2, MOONPORT_JSON},
      {"", 0, MOONPORT_MSGPACK},
      {"\xc1", 1, MOONPORT_MSGPACK},
      {"\x92\1", 2, MOONPORT_MSGPACK},
      {"\1\2", 2, MOONPORT_MSGPACK},
      {"\xdd\xff\xff\xff\xff", 5, MOONPORT_MSGPACK},
      {"\xdb\xff\xff\xff\xff", 5, MOONPORT_MSGPACK},
  };
  int freed = 0;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    moonport_reply reply = {.codec = 0};
    /* A copy that ends where it ends. */
    char *copy = bad[i].bytes ? malloc(bad[i].size ? bad[i].size : 1) : NULL;
    if (copy) memcpy(copy, bad[i].bytes, bad[i].size);
    CHECK_STATUS(MOONPORT_INVALID, moonport_send(port, copy, bad[i].size, bad[i].codec, 0));
    CHECK_STATUS(MOONPORT_INVALID, moonport_send_owned(port, copy, bad[i].size, bad[i].codec, 0, nothing, &freed));
    CHECK_STATUS(MOONPORT_INVALID, moonport_send_within(port, copy, bad[i].size, bad[i].codec, 0, 1));
    if (bad[i].codec <= MOONPORT_MSGPACK && bad[i].codec != MOONPORT_RAW) {
      CHECK_STATUS(MOONPORT_INVALID, moonport_call(port, copy, bad[i].size, bad[i].codec, 0, 1, &reply));
    }
    CHECK(!reply.data);
    free(copy);
  }
  CHECK_INT(sizeof bad / sizeof *bad, freed);
  /* No bytes at all are an empty string. */
  CHECK_STATUS(MOONPORT_OK, moonport_send(port, NULL, 0, 0, 0));
  CHECK(host_true(h, "select(2, port:receive()) == ''"));
  /* Deep nesting is refused, not followed. */
  static char deep[100000];
  memset(deep, '[', sizeof deep);
  CHECK_STATUS(MOONPORT_INVALID, moonport_send(port, deep, sizeof deep, MOONPORT_JSON, 0));
  memset(deep, '\x91', sizeof deep);
  CHECK_STATUS(MOONPORT_INVALID, moonport_send(port, deep, sizeof deep, MOONPORT_MSGPACK, 0));
  CHECK_STATUS(MOONPORT_TOO_BIG, moonport_send(port, "x", SIZE_MAX, 0, 0));
  host_run(h, "port:close()");

  /* A port's own codec is checked as well. */
  host_run(h, "port = moonport.port{codec = 'json'}");
  port = host_port(h, "port");
  CHECK_STATUS(MOONPORT_INVALID, moonport_send(port, "{", 1, MOONPORT_CODEC_PORT, 0));
  CHECK_STATUS(MOONPORT_OK, moonport_send(port, "{", 1, MOONPORT_RAW, 0));
  CHECK_STATUS(MOONPORT_OK, moonport_send(port, "[1]", 3, MOONPORT_CODEC_PORT, UINT32_MAX));
  CHECK(host_true(h, "select(2, port:receive()) == '{' and select(2, port:receive())[1] == 1"));
  host_run(h, "port:close()");

  CHECK(moonport_state_of(NULL).id == 0);
  lua_State *plain = luaL_newstate();
  CHECK(moonport_state_of(plain).id == 0);
  lua_close(plain);
  lua_State *coroutine = lua_newthread(h->lua);
  CHECK(moonport_state_of(coroutine).id == h->state.id);
  lua_settop(h->lua, 0);
  void *lua = NULL;
  CHECK_STATUS(MOONPORT_INVALID, moonport_lock(h->state, 1, NULL));
  CHECK_STATUS(MOONPORT_INVALID, moonport_lock(h->state, 0.0 / 0.0, &lua));
  CHECK_STATUS(MOONPORT_INVALID, moonport_unlock(h->state));
  CHECK(!lua);
  CHECK_STATUS(MOONPORT_INVALID, moonport_step(h->state, 0, 0.0 / 0.0));
  CHECK_STATUS(MOONPORT_NOT_FOUND, moonport_callback_close(NULL));
  CHECK_STATUS(MOONPORT_NOT_FOUND, moonport_callback_close((void (*)(void))abort));
  moonport_callback_destroy(NULL);
}

static void *not_the_owner(void *context) {
  moonport_state state = *(moonport_state *)context;
  CHECK_STATUS(MOONPORT_WRONG_THREAD, moonport_step(state, 0, 0));
  CHECK(moonport_wake_descriptor(state) >= 0);
  return NULL;
}

static void status_names(void) {
  static const char *const names[] = {"unsupported", "handler",  "not_found", "wrong_thread", "forked",
                                      "too_big",     "invalid",  "no_memory", "would_deadlock", "timeout",
                                      "closed",      "full",     "ok",        "dropped"};
  for (int code = -12; code <= 1; code++) CHECK_TEXT(names[code + 12], moonport_status_name(code));
  CHECK_TEXT("unknown", moonport_status_name(2));
  CHECK_TEXT("unknown", moonport_status_name(-13));
  CHECK_TEXT("unknown", moonport_status_name(INT_MAX));
  CHECK_TEXT("unknown", moonport_status_name(INT_MIN));
}

int main(void) {
  /* Before there is any state. */
  is_no_port((moonport_port){0});
  is_no_port((moonport_port){(uint64_t)1 << 32});
  is_no_state((moonport_state){0});
  status_names();
  host h;
  host_open(&h);
  names(&h);
  stats_sizes(&h);
  arguments(&h);
  CHECK(moonport_wake_descriptor(h.state) >= 0);
  on_thread(not_the_owner, &h.state);
  stale(&h);
  moonport_state state = h.state;
  host_close(&h);
  is_no_state(state);
  /* The next state may get the same queue, but not the same number. */
  host_open(&h);
  CHECK(h.state.id != state.id);
  is_no_state(state);
  host_close(&h);
  return 0;
}
