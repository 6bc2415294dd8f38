/* SPDX-License-Identifier: MIT OR Apache-2.0
 * moonport_call: each way a question can end. */
#include <stdatomic.h>

#include "host.h"

struct question {
  moonport_port port;
  const char *data;
  size_t size;
  uint32_t codec;
  uint32_t wanted;
  double timeout;
  int code;
  moonport_reply reply;
  double took;
  atomic_bool done;
};

static void *ask(void *context) {
  struct question *question = context;
  double before = seconds_now();
  question->reply = (moonport_reply){.data = question, .size = 99, .codec = question->wanted};
  question->code = moonport_call(question->port, question->data, question->size, question->codec, 3, question->timeout,
                                 &question->reply);
  question->took = seconds_now() - before;
  atomic_store(&question->done, true);
  return NULL;
}

static bool is_done(void *context) {
  struct question *question = context;
  return atomic_load(&question->done);
}

/* Asks on a foreign thread while this one runs the owner's loop. */
static void run(host *h, struct question *question) {
  atomic_store(&question->done, false);
  if (question->timeout == 0) question->timeout = 30;
  pthread_t thread = thread_start(ask, question);
  CHECK(host_until(h, is_done, question, 60));
  thread_join(thread);
  if (question->code != MOONPORT_OK) {
    CHECK(!question->reply.data);
    CHECK_INT(0, question->reply.size);
  }
}

static void bytes_are(struct question *question, uint32_t codec, const char *bytes, size_t size) {
  CHECK_STATUS(MOONPORT_OK, question->code);
  CHECK_INT(codec, question->reply.codec);
  CHECK_INT(size, question->reply.size);
  const char *data = question->reply.data;
  CHECK(data && memcmp(data, bytes, size) == 0);
  CHECK_INT(0, data[size]);
  moonport_reply_free(&question->reply);
  CHECK(!question->reply.data);
  CHECK_INT(0, question->reply.size);
  moonport_reply_free(&question->reply);
}

static void each_codec(host *h) {
  const char *codecs[] = {"raw", "json", "msgpack"};
  const char *answers[] = {"\0\xff raw", "{\"a\":[1,true,null]}", "\x81\xa1" "a\x93\1\xc3\xc0"};
  size_t sizes[] = {6, 19, 7};
  const char *questions[] = {"q", "{\"q\":1}", "\x81\xa1q\1"};
  size_t question_sizes[] = {1, 7, 4};
  host_run(h,
           "function answer(value, message)"
           "  assert(message.tag == 3)"
           "  if type(value) == 'table' then assert(value.q == 1) else assert(value == 'q') end "
           "  if raw then return message.reply('\\0\\255 raw') end "
           "  return message.reply{a = {1, true, moonport.null}} "
           "end");
  for (uint32_t port_codec = MOONPORT_RAW; port_codec <= MOONPORT_MSGPACK; port_codec++) {
    char chunk[256];
    snprintf(chunk, sizeof chunk, "port = moonport.port{codec = '%s'} port:on(answer)", codecs[port_codec - 1]);
    host_run(h, chunk);
    moonport_port port = host_port(h, "port");
    for (uint32_t codec = MOONPORT_CODEC_PORT; codec <= MOONPORT_MSGPACK; codec++) {
      for (uint32_t wanted = MOONPORT_CODEC_PORT; wanted <= MOONPORT_MSGPACK; wanted++) {
        uint32_t sent = codec ? codec : port_codec, got = wanted ? wanted : port_codec;
        struct question question = {.port = port, .data = questions[sent - 1], .size = question_sizes[sent - 1],
                                    .codec = codec, .wanted = wanted};
        host_run(h, got == MOONPORT_RAW ? "raw = true" : "raw = false");
        run(h, &question);
        bytes_are(&question, got, answers[got - 1], sizes[got - 1]);
      }
    }
    host_run(h, "port:close()");
  }
}

static void answers_of_any_length(host *h) {
  host_run(h, "port = moonport.port() port:on(function(value, message) message.reply(('y'):rep(tonumber(value))) end)");
  const char *lengths[] = {"0", "1", "63", "64", "65", "1000000"};
  for (int i = 0; i < 6; i++) {
    struct question question = {.port = host_port(h, "port"), .data = lengths[i], .size = strlen(lengths[i])};
    run(h, &question);
    CHECK_STATUS(MOONPORT_OK, question.code);
    CHECK_INT(atoi(lengths[i]), question.reply.size);
    CHECK_INT(atoi(lengths[i]), strlen(question.reply.data));
    moonport_reply_free(&question.reply);
  }
  host_run(h, "port:close()");
}

/* An answer later, from a timer, after the handler has returned. */
static void answered_later(host *h) {
  host_run(h, "port = moonport.port()"
              "port:on(function(_, message) moonport.after(0.02, function() message.reply('later') end) end)");
  struct question question = {.port = host_port(h, "port"), .data = "q", .size = 1};
  run(h, &question);
  bytes_are(&question, MOONPORT_RAW, "later", 5);
  host_run(h, "port:on(function(_, message) moonport.sleep(0.02) message.reply('slept') end)");
  run(h, &question);
  bytes_are(&question, MOONPORT_RAW, "slept", 5);
  host_run(h, "port:on(nil)");
  host_run(h, "moonport.spawn(function() local _, value, message = port:receive(30) received = value end)");
  question.timeout = 0.05;
  run(h, &question);
  CHECK(question.code == MOONPORT_TIMEOUT || question.code == MOONPORT_HANDLER);
  CHECK_TEXT("q", host_text(h, "received"));
  host_run(h, "port:close()");
}

static void failures(host *h) {
  host_run(h, "told = 0 moonport.on_error(function(message) told = told + 1 last = message end)");
  host_run(h, "port = moonport.port{capacity_bytes = 100} port:on(function() error('on purpose') end)");
  struct question question = {.port = host_port(h, "port"), .data = "q", .size = 1};
  run(h, &question);
  CHECK_STATUS(MOONPORT_HANDLER, question.code);
  CHECK_TEXT("1", host_text(h, "told"));

  /* A value that raw bytes cannot show raises an error in the handler. */
  host_run(h, "port:on(function(_, message) message.reply({}) end)");
  run(h, &question);
  CHECK_STATUS(MOONPORT_HANDLER, question.code);
  CHECK_TEXT("2", host_text(h, "told"));

  /* Kept, and never answered. */
  host_run(h, "port:on(function(_, message) kept = message end)");
  question.timeout = 0.1;
  run(h, &question);
  CHECK_STATUS(MOONPORT_TIMEOUT, question.code);
  CHECK(question.took >= 0.099);
  CHECK_TEXT("closed", host_text(h, "select(3, kept.reply('too late'))"));
  host_run(h, "kept = nil");

  /* Dropped: nobody can answer any more once it is collected. */
  host_run(h, "port:on(function() end)");
  question.timeout = 30;
  atomic_store(&question.done, false);
  pthread_t thread = thread_start(ask, &question);
  double deadline = seconds_now() + 20;
  while (!atomic_load(&question.done) && seconds_now() < deadline) {
    host_until(h, is_done, &question, 0.02);
    host_run(h, "collectgarbage() collectgarbage()");
  }
  thread_join(thread);
  CHECK_STATUS(MOONPORT_HANDLER, question.code);

  /* The reply works once. */
  host_run(h, "port:on(function(_, message)"
              "  first = message.reply('one')"
              "  second, message_of_second, name_of_second = message.reply('two') "
              "end)");
  run(h, &question);
  bytes_are(&question, MOONPORT_RAW, "one", 3);
  CHECK(host_true(h, "first == true and second == nil and type(message_of_second) == 'string'"));
  CHECK_TEXT("invalid", host_text(h, "name_of_second"));
  CHECK_TEXT("2", host_text(h, "told"));

  /* What never reaches the handler. */
  host_run(h, "port:on(function() error('not delivered') end)");
  char large[101] = "";
  question.data = large;
  question.size = sizeof large;
  run(h, &question);
  CHECK_STATUS(MOONPORT_TOO_BIG, question.code);
  question.size = 1;
  question.codec = 4;
  run(h, &question);
  CHECK_STATUS(MOONPORT_INVALID, question.code);
  question.codec = MOONPORT_JSON;
  run(h, &question);
  CHECK_STATUS(MOONPORT_INVALID, question.code);
  question.codec = 0;
  question.wanted = 4;
  run(h, &question);
  CHECK_STATUS(MOONPORT_INVALID, question.code);
  question.wanted = 0;
  question.data = NULL;
  run(h, &question);
  CHECK_STATUS(MOONPORT_INVALID, question.code);
  question.data = large;
  question.timeout = 0.0 / 0.0;
  run(h, &question);
  CHECK_STATUS(MOONPORT_INVALID, question.code);
  question.timeout = 30;
  moonport_port port = question.port;
  CHECK_STATUS(MOONPORT_INVALID, moonport_call(port, "q", 1, 0, 0, 30, NULL));
  CHECK_TEXT("2", host_text(h, "told"));

  /* The owner would wait for itself. */
  double before = seconds_now();
  moonport_reply reply = {.codec = 0};
  CHECK_STATUS(MOONPORT_WOULD_DEADLOCK, moonport_call(port, "q", 1, 0, 0, 30, &reply));
  CHECK(seconds_now() - before < 5);
  CHECK(!reply.data);
  moonport_reply_free(&reply);
  moonport_reply_free(NULL);
  host_run(h, "port:close()");
  run(h, &question);
  CHECK_STATUS(MOONPORT_CLOSED, question.code);
}

/* Full, and discarded by the policy, before the owner looks. */
static void no_room(host *h) {
  const char *policies[] = {"error", "drop_new", "drop_old", "latest"};
  for (int i = 0; i < 4; i++) {
    char chunk[256];
    snprintf(chunk, sizeof chunk, "port = moonport.port{capacity = 1, overflow = '%s'} port:on(function() end)",
             policies[i]);
    host_run(h, chunk);
    struct question question = {.port = host_port(h, "port"), .data = "q", .size = 1, .timeout = 30};
    if (i < 2) {
      CHECK_STATUS(MOONPORT_OK, moonport_send(question.port, "x", 1, 0, 0));
      on_thread(ask, &question);
    } else {
      /* The one that asks is what is discarded for a newer one. */
      moonport_port_stats stats = {.struct_size = sizeof stats};
      pthread_t thread = thread_start(ask, &question);
      do CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(question.port, &stats));
      while (stats.waiting == 0);
      CHECK_STATUS(MOONPORT_DROPPED, moonport_send(question.port, "x", 1, 0, 0));
      thread_join(thread);
    }
    CHECK_STATUS(MOONPORT_FULL, question.code);
    CHECK(question.took < 20);
    host_drain(h);
    host_run(h, "port:close()");
  }
}

/* The port goes while the question waits in the queue (0), or in the handler (1). */
static void closed_while_waiting(void) {
  const char *closes[] = {"port:close()", "moonport.shutdown()", "moonport_close", "lua_close"};
  for (int in_handler = 0; in_handler < 2; in_handler++) {
    for (int close = 0; close < 4; close++) {
      host h;
      host_open(&h);
      host_run(&h, "port = moonport.port()"
                   "port:on(function(_, message) kept = message.reply moonport.sleep(1000) end)");
      struct question question = {.port = host_port(&h, "port"), .data = "q", .size = 1, .timeout = 30};
      pthread_t thread = thread_start(ask, &question);
      if (in_handler) {
        CHECK(host_until_true(&h, "kept ~= nil", 20));
        /* Only the handler's own message holds it now. */
        host_run(&h, "kept = nil");
      } else {
        moonport_port_stats stats = {.struct_size = sizeof stats};
        do CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(question.port, &stats));
        while (stats.waiting == 0);
      }
      if (close == 2) {
        CHECK_STATUS(MOONPORT_OK, moonport_close(question.port));
      } else if (close == 3) {
        host_close(&h);
      } else {
        host_run(&h, closes[close]);
      }
      if (h.lua) host_drain(&h);
      /* A handler that has begun may answer after its port is closed, until the state ends. */
      if (in_handler && h.lua) host_close(&h);
      thread_join(thread);
      CHECK_STATUS(MOONPORT_CLOSED, question.code);
      CHECK(question.took < 20);
      if (h.lua) host_close(&h);
    }
  }
}

/* Two states on two threads that ask each other, both at once and nested. */
struct pair {
  pthread_barrier_t barrier;
  moonport_port ports[2];
  atomic_int finished;
};

struct side {
  struct pair *pair;
  int index;
};

static int ask_other(lua_State *lua) {
  moonport_port port = {(uint64_t)strtoull(lua_tostring(lua, 1), NULL, 10)};
  size_t size;
  const char *text = lua_tolstring(lua, 2, &size);
  moonport_reply reply = {.codec = 0};
  int code = moonport_call(port, text, size, 0, 0, 30, &reply);
  lua_pushstring(lua, moonport_status_name(code));
  lua_pushlstring(lua, reply.data ? reply.data : "", reply.size);
  moonport_reply_free(&reply);
  return 2;
}

static bool both_finished(void *context) {
  struct pair *pair = context;
  return atomic_load(&pair->finished) == 2;
}

static void *call_each_other(void *context) {
  struct side *side = context;
  struct pair *pair = side->pair;
  host h;
  host_open(&h);
  lua_pushcfunction(h.lua, ask_other);
  lua_setglobal(h.lua, "ask");
  host_run(&h, "served = 0 port = moonport.port()"
               "moonport.on_error(function(message) failed = message end)"
               "port:on(function(value, message)"
               "  served = served + 1"
               "  local depth = tonumber(value)"
               "  if depth == 0 then return message.reply('end') end "
               "  local status, answer = ask(other, tostring(depth - 1))"
               "  assert(status == 'ok', status)"
               "  message.reply(depth .. ' ' .. answer) "
               "end)");
  pair->ports[side->index] = host_port(&h, "port");
  pthread_barrier_wait(&pair->barrier);
  char chunk[128];
  snprintf(chunk, sizeof chunk, "other = '%llu'", (unsigned long long)pair->ports[1 - side->index].id);
  host_run(&h, chunk);
  pthread_barrier_wait(&pair->barrier);
  for (int i = 0; i < 100; i++) {
    host_run(&h, "status, answer = ask(other, '4')");
    CHECK_TEXT("nil", host_text(&h, "failed"));
    CHECK_TEXT("ok", host_text(&h, "status"));
    CHECK_TEXT("4 3 2 1 end", host_text(&h, "answer"));
  }
  atomic_fetch_add(&pair->finished, 1);
  CHECK(host_until(&h, both_finished, pair, 60));
  /* Its own hundred questions came back to it at depths 3 and 1, the other's at 4, 2 and 0. */
  CHECK_TEXT("500", host_text(&h, "served"));
  host_close(&h);
  return NULL;
}

static void two_states(void) {
  struct pair pair = {.finished = 0};
  CHECK_INT(0, pthread_barrier_init(&pair.barrier, NULL, 2));
  struct side sides[2] = {{&pair, 0}, {&pair, 1}};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) threads[i] = thread_start(call_each_other, &sides[i]);
  for (int i = 0; i < 2; i++) thread_join(threads[i]);
  pthread_barrier_destroy(&pair.barrier);
}

int main(void) {
  host h;
  host_open(&h);
  each_codec(&h);
  answers_of_any_length(&h);
  answered_later(&h);
  failures(&h);
  no_room(&h);
  host_close(&h);
  closed_while_waiting();
  two_states();
  return 0;
}
