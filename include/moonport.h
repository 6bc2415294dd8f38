/* SPDX-License-Identifier: MIT OR Apache-2.0
 * moonport.h: the C contract of Moonport, version 1. Generated from the crate moonport-capi; do not edit.
 *
 * Any thread may call anything whose comment does not name the owner's thread. A handle is a number with a generation,
 * never a pointer: a stale, forged or zero handle gives MOONPORT_CLOSED or MOONPORT_NOT_FOUND, never undefined behaviour,
 * and there is nothing to retain or release. Every time is in seconds. errno is preserved. At most 8 KiB of the calling
 * thread's stack are used. */

#ifndef MOONPORT_H
#define MOONPORT_H

#include <stddef.h>
#include <stdint.h>

/* What the functions return. They never get other numbers. */
typedef enum moonport_status {
  /* Done. */
  MOONPORT_OK = 0,
  /* Done as the port's policy says: this message or an older one was discarded. */
  MOONPORT_DROPPED = 1,
  /* No room, and the policy is "error". */
  MOONPORT_FULL = -1,
  /* The port or state is closed, or never was: a stale, forged or zero handle. */
  MOONPORT_CLOSED = -2,
  /* Not in time. */
  MOONPORT_TIMEOUT = -3,
  /* The calling thread would wait for itself. */
  MOONPORT_WOULD_DEADLOCK = -4,
  /* No memory for the message. */
  MOONPORT_NO_MEMORY = -5,
  /* A null pointer, an unknown codec, bytes that the codec refuses. */
  MOONPORT_INVALID = -6,
  /* Larger than capacity_bytes could ever hold. */
  MOONPORT_TOO_BIG = -7,
  /* This process is the child of a fork; the owner lives in the parent. */
  MOONPORT_FORKED = -8,
  /* Only another thread may: the owner's, or the one that holds the lock. */
  MOONPORT_WRONG_THREAD = -9,
  /* No such callback. */
  MOONPORT_NOT_FOUND = -10,
  /* The handler raised an error, or dropped the question without an answer. */
  MOONPORT_HANDLER = -11,
  /* Not in this build, or not where it was called. */
  MOONPORT_UNSUPPORTED = -12,
} moonport_status;

/* How Lua sees the bytes. */
typedef enum moonport_codec {
  /* As the port was made. */
  MOONPORT_CODEC_PORT = 0,
  /* A string of any bytes. */
  MOONPORT_RAW = 1,
  /* One JSON document. */
  MOONPORT_JSON = 2,
  /* One MessagePack value. */
  MOONPORT_MSGPACK = 3,
} moonport_codec;

/* A port: what Port:handle() gives in Lua. {0} is no port. */
typedef struct moonport_port {
  /* A number with a generation: a stale one is told from a good one. */
  uint64_t id;
} moonport_port;

/* Frees the memory of moonport_send_owned. Runs exactly once, on an unspecified thread; it must not call Lua. */
typedef void (*moonport_free_fn)(void *data, size_t size, void *context);

/* Counts of one port since it was made. */
typedef struct moonport_port_stats {
  /* Set by the caller to sizeof(moonport_port_stats). */
  size_t struct_size;
  /* Messages taken into the queue. */
  uint64_t sent;
  /* Messages given to Lua. */
  uint64_t delivered;
  /* Messages discarded by the policy or at close. */
  uint64_t dropped;
  /* Messages whose sender was told: full, too big, timed out. */
  uint64_t refused;
  /* Messages that wait now. */
  uint64_t waiting;
  /* Their bytes. */
  uint64_t waiting_bytes;
  /* The most that ever waited. */
  uint64_t high_water;
  /* Messages refused because the port was closed. */
  uint64_t after_close;
} moonport_port_stats;

/* The answer to moonport_call. Set codec before the call; free it with moonport_reply_free. */
typedef struct moonport_reply {
  /* The bytes, followed by a NUL that size does not count; null unless the call gave MOONPORT_OK. */
  void *data;
  /* How many. */
  size_t size;
  /* In: the codec wanted (0: the port's). Out: the codec of the bytes. */
  uint32_t codec;
} moonport_reply;

/* One Lua state's mailbox: moonport.state in Lua. {0} is no state. */
typedef struct moonport_state {
  /* A number with a generation. */
  uint64_t id;
} moonport_state;

/* All functions in one table: moonport.api in Lua is a pointer to it, so that a C library needs this header alone. It is
 * static, and each field is the function moonport_<field>. Later versions only add fields at the end: struct_size tells
 * which. */
typedef struct moonport_api {
  /* sizeof(moonport_api) of the library. */
  size_t struct_size;
  /* 1. */
  uint32_t version;
  int (*send)(moonport_port port, const void *data, size_t size, uint32_t codec, uint32_t tag);
  int (*send_owned)(moonport_port port, void *data, size_t size, uint32_t codec, uint32_t tag, moonport_free_fn free_fn, void *context);
  int (*send_within)(moonport_port port, const void *data, size_t size, uint32_t codec, uint32_t tag, double timeout);
  int (*call)(moonport_port port, const void *data, size_t size, uint32_t codec, uint32_t tag, double timeout, moonport_reply *reply);
  void (*reply_free)(moonport_reply *reply);
  int (*signal)(moonport_port port, uint32_t bits);
  moonport_port (*find)(const char *name);
  int (*close)(moonport_port port);
  int (*port_stats_get)(moonport_port port, moonport_port_stats *out);
  const char *(*status_name)(int status);
  int (*callback_close)(void (*callback)(void));
  void (*callback_destroy)(void *callback);
  moonport_state (*state_of)(void *lua_state);
  int (*wake_descriptor)(moonport_state state);
  int (*set_waker)(moonport_state state, void (*wake)(void *context), void *context);
  int (*step)(moonport_state state, uint32_t max_messages, double budget);
  int (*lock)(moonport_state state, double timeout, void **lua_state);
  int (*unlock)(moonport_state state);
} moonport_api;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* Copies size bytes into the port's mailbox and wakes its owner. What one thread sends arrives in the order it was sent,
 * through whichever ports of a state. tag is message.tag in Lua.
 *
 * Thread: any. Blocks: never, except that a full port with the policy "block" makes it wait up to 5 s.
 * Returns: MOONPORT_OK, _DROPPED, _FULL, _CLOSED, _INVALID, _TOO_BIG, _NO_MEMORY, _FORKED; with "block" also _TIMEOUT, and
 * _WOULD_DEADLOCK at once on a thread that owns a Lua state. */
int moonport_send(moonport_port port, const void *data, size_t size, uint32_t codec, uint32_t tag);

/* As moonport_send, without a copy: the memory is given away, and must not change until free_fn(data, size, context)
 * runs. That happens exactly once, whatever this returns, on an unspecified thread, perhaps before this returns.
 *
 * Thread: any. Blocks: as moonport_send. Frees: data, by free_fn.
 * Returns: as moonport_send; _INVALID if free_fn is null. */
int moonport_send_owned(moonport_port port, void *data, size_t size, uint32_t codec, uint32_t tag, moonport_free_fn free_fn, void *context);

/* As moonport_send, but waits up to timeout seconds for room, whatever the policy.
 *
 * Thread: any. Blocks: up to timeout; on the port's owner's thread never.
 * Returns: MOONPORT_OK, _TIMEOUT, _CLOSED, _INVALID, _TOO_BIG, _NO_MEMORY, _FORKED; _WOULD_DEADLOCK on the port's owner's
 * thread when it is full. */
int moonport_send_within(moonport_port port, const void *data, size_t size, uint32_t codec, uint32_t tag, double timeout);

/* Ors bits into the port's pending signal. Lua gets one message whose value is the number of all bits set since the last
 * one. It needs no room in the port.
 *
 * Thread: any, in a signal handler too (async-signal-safe). Blocks: never.
 * Returns: MOONPORT_OK, _CLOSED, _FORKED. */
int moonport_signal(moonport_port port, uint32_t bits);

/* The open port with this name (moonport.port{name = ...}), or {0}.
 *
 * Thread: any. Blocks: only while a named port is made or closed. */
moonport_port moonport_find(const char *name);

/* Closes a port, as Port:close() does: what waits is discarded, and blocked senders return MOONPORT_CLOSED.
 *
 * Thread: any. Blocks: only while another holds the queue.
 * Returns: MOONPORT_OK; _CLOSED if it was closed already; _FORKED. */
int moonport_close(moonport_port port);

/* Fills *out with the port's counts, as many as out->struct_size has room for.
 *
 * Thread: any. Blocks: only while another holds the queue.
 * Returns: MOONPORT_OK; _CLOSED and _FORKED with *out untouched; _INVALID if out is null or struct_size too small. */
int moonport_port_stats_get(moonport_port port, moonport_port_stats *out);

/* "ok", "dropped", "full", "closed", ...: the names of the Lua contract; "unknown" for other numbers. Static: not to be
 * freed.
 *
 * Thread: any, in a signal handler too. */
const char *moonport_status_name(int status);

/* Sends as moonport_send does and waits up to timeout seconds for message.reply(value). On MOONPORT_OK *reply holds the
 * value in the codec that reply->codec asked for (0: the port's); give it to moonport_reply_free.
 *
 * Thread: any. Blocks: up to timeout. On an owner's thread: to a port of its own state it returns _WOULD_DEADLOCK; to
 * another state's it waits, and serves meanwhile those who wait for this owner.
 * Returns: MOONPORT_OK, _FULL, _CLOSED, _TIMEOUT, _WOULD_DEADLOCK, _NO_MEMORY, _INVALID, _TOO_BIG, _FORKED, _HANDLER. */
int moonport_call(moonport_port port, const void *data, size_t size, uint32_t codec, uint32_t tag, double timeout, moonport_reply *reply);

/* Frees the bytes of an answer and makes it empty. Nothing happens for null, and for one that is empty already.
 *
 * Thread: any. Blocks: never. */
void moonport_reply_free(moonport_reply *reply);

/* The mailbox of a lua_State that has required moonport, or {0}.
 *
 * Thread: the owner's. Blocks: never. */
moonport_state moonport_state_of(void *lua_state);

/* A descriptor that is readable exactly while moonport_step would run something: messages, lanes, due timers. For poll,
 * epoll, kqueue and select; only to be waited on. -1: the state is closed.
 *
 * Thread: any, after moonport_state_of on the owner's; the owner's otherwise. Blocks: never. The descriptor stays the
 * state's. */
int moonport_wake_descriptor(moonport_state state);

/* Sets a function that is called whenever the mailbox of a sleeping owner gets something to do: on the sender's thread,
 * once until the next moonport_step has nothing left, and at once if something waits already. It must not block, nor call
 * this function. When this returns, the function set before is not called any more. Null: none.
 *
 * Thread: any. Blocks: while another thread is in the function set before.
 * Returns: MOONPORT_OK, _CLOSED, _FORKED. */
int moonport_set_waker(moonport_state state, void (*wake)(void *context), void *context);

/* Delivers what waits: at most max_messages (0: 256), for at most budget seconds (0: 0.004).
 *
 * Thread: the owner's. Blocks: as long as the handlers run.
 * Returns: how many were delivered, or MOONPORT_WRONG_THREAD, _CLOSED, _FORKED, _INVALID. */
int moonport_step(moonport_state state, uint32_t max_messages, double budget);

/* The careful alternative to messages: holds the state, so that this thread may use the Lua C API until moonport_unlock, on
 * *lua_state and on no other lua_State. The owner holds the same lock but while it waits in moonport.run, moonport.step(timeout),
 * a receive or call outside of handlers, or GLib's loop, and lets those who wait have it between its turns. Call Lua by
 * lua_pcall: an error that nothing catches ends the process. Lua runs on this thread's stack (64 KiB free are enough for most
 * code). Nothing may wait meanwhile: moonport.sleep, receive and call give "would_deadlock", what needs the owner's thread gives
 * "wrong_thread". Leave the stack of *lua_state empty, and do not keep it.
 *
 * Thread: any. The owner's thread has the lock already, gets *lua_state at once, and may nest. Any other may not:
 * MOONPORT_WOULD_DEADLOCK. Blocks: up to timeout; who waits or holds the lock for 2 s says so on standard error.
 * Returns: MOONPORT_OK, _TIMEOUT, _WOULD_DEADLOCK, _CLOSED, _FORKED, _INVALID, _NO_MEMORY; _UNSUPPORTED where Lua cannot be
 * entered: on the owner's thread below code that LuaJIT has compiled (wrap the call in moonport.call), or inside handlers 16 deep. */
int moonport_lock(moonport_state state, double timeout, void **lua_state);

/* Ends what moonport_lock began.
 *
 * Thread: the one that called moonport_lock. Blocks: never.
 * Returns: MOONPORT_OK; _WRONG_THREAD on a thread that does not hold the lock; _INVALID on one that does, but not by moonport_lock
 * (the owner's, the handler of a locked callback); _CLOSED, _FORKED. */
int moonport_unlock(moonport_state state);

/* Closes the callback with this pointer, as Callback:close() does; the pointer stays callable and does nothing.
 *
 * Thread: any. Blocks: never.
 * Returns: MOONPORT_OK; _CLOSED if it was closed already; _NOT_FOUND for a pointer that moonport.callback did not make. */
int moonport_callback_close(void (*callback)(void));

/* The same in the shape of a destroy function.
 *
 * Thread: any. Blocks: never. */
void moonport_callback_destroy(void *callback);

/* The table of all functions.
 *
 * Thread: any. Blocks: never. Static: not to be freed. */
const moonport_api *moonport_api_v1(void);

#ifdef __cplusplus
}
#endif  // __cplusplus

#endif  /* MOONPORT_H */
