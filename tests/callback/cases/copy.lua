-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Void callbacks: what is lent for the time of a native call is copied in that time.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local BYTES = "void (*)(const char *data, size_t size)"
local TEXT = "void (*)(const char *text)"

-- call.c overwrites and frees what it has lent as soon as the callback has returned; its thread ends.
case.test("copy_string_overwritten_freed_and_its_thread_gone", function()
  local callback, got = case.recorded(TEXT)
  for i = 1, 50 do
    case.native().start("void (const char *)", callback.pointer, "text " .. i):join()
  end
  case.equal(#got, 0, "calls before a step")
  case.drain()
  case.equal(#got, 50)
  for i = 1, 50 do
    case.equal(got[i][1], "text " .. i)
    case.equal(got[i].n, 1)
  end
end)

case.test("copy_buffer_overwritten_and_freed", function()
  local callback, got = case.recorded(BYTES)
  for _, call in ipairs(case.both) do
    call("void (const char *, size_t)", callback.pointer, "payload", 4)
    call("void (const char *, size_t)", callback.pointer, ("z"):rep(5000))
  end
  case.drain()
  local long = ("z"):rep(5000)
  case.arrived(got, { "payl", 4 }, { long, 5000 }, { "payl", 4 }, { long, 5000 })
end)

case.test("copy_from_the_stack_of_a_thread_that_ends", function()
  local callback, got = case.recorded(BYTES)
  local bytes = ("s"):rep(4096)
  for _ = 1, 8 do
    case.native().start("void (const char *, size_t) on the stack", callback.pointer, bytes):join()
  end
  case.drain()
  case.equal(#got, 8)
  for i = 1, 8 do
    case.equal(got[i][1], bytes)
  end
end)

case.test("copy_owners_call_returns_before_the_handler_runs", function()
  local callback, got = case.recorded(TEXT)
  case.here("void (const char *)", callback.pointer, "mine")
  case.equal(#got, 0, "calls before a step")
  case.equal(require("moonport").step(), 1)
  case.arrived(got, { "mine" })
  case.equal(require("moonport").step(), 0)
end)

case.test("copy_errno_is_preserved", function()
  local moonport = require("moonport")
  -- call.c looks at errno after every call; here are the ways that do something else than to copy. Nobody serves them.
  local function there(...)
    return case.native().start(...):join()
  end
  local callback, got = case.recorded("void (*)(const char *data, int size)", { capacity = 1 })
  for _, call in ipairs({ case.here, there }) do
    call("void (const char *, int)", callback.pointer, "taken")
    call("void (const char *, int)", callback.pointer, "dropped")
    call("void (const char *, int)", callback.pointer, "dropped", -1)
    case.drain()
    call("void (const char *, int)", callback.pointer, "refused", -1)
    case.drain()
  end
  case.arrived(got, { "taken", 5 }, { "taken", 5 })
  case.reports = {}
  callback:close()
  for _, call in ipairs({ case.here, there }) do
    call("void (const char *, int)", callback.pointer, "closed")
  end
  local asked = moonport.callback("int (*)(int)", function(x)
    return x
  end, { default = -1, timeout = 0.5 })
  case.equal(case.there("int (int)", asked.pointer, 5), 5)
  case.equal(case.here("int (int)", asked.pointer, 6), 6)
  case.equal(there("int (int)", asked.pointer, 7), -1)
end)

case.test("copy_null_is_nil_and_empty_is_empty", function()
  local callback, got = case.recorded(TEXT)
  for _, call in ipairs(case.both) do
    call("void (const char *)", callback.pointer, nil)
    call("void (const char *)", callback.pointer, "")
  end
  case.drain()
  case.arrived(got, { n = 1, nil }, { "" }, { n = 1, nil }, { "" })
end)

case.test("copy_null_among_other_arguments", function()
  local callback, got =
    case.recorded("void (*)(const char *a, const char *data, size_t size, const char *z)")
  local name = "void (const char *, const char *, size_t, const char *)"
  case.there(name, callback.pointer, nil, "data", 4, nil)
  case.there(name, callback.pointer, "a", nil, 0, "z")
  case.there(name, callback.pointer, nil, nil, 0, nil)
  case.drain()
  case.arrived(got, { n = 4, nil, "data", 4, nil }, { "a", "", 0, "z" }, { n = 4, nil, "", 0, nil })
end)

case.test("copy_zero_length", function()
  local callback, got = case.recorded(BYTES)
  for _, call in ipairs(case.both) do
    call("void (const char *, size_t)", callback.pointer, "not looked at", 0)
    call("void (const char *, size_t)", callback.pointer, nil, 0)
  end
  case.drain()
  case.arrived(got, { "", 0 }, { "", 0 }, { "", 0 }, { "", 0 })
end)

case.test("copy_embedded_nul_bytes", function()
  local bytes = "\0a\0\0b\255\0"
  local callback, got = case.recorded(BYTES)
  case.there("void (const char *, size_t)", callback.pointer, bytes)
  local text, texts = case.recorded(TEXT)
  case.there("void (const char *)", text.pointer, "up to\0not this")
  case.drain()
  case.arrived(got, { bytes, 7 })
  case.arrived(texts, { "up to" })
end)

case.test("copy_a_mebibyte", function()
  local bytes = ("0123456789abcdef"):rep(65536)
  local callback, got = case.recorded(BYTES)
  local text, texts = case.recorded(TEXT)
  for _, call in ipairs(case.both) do
    call("void (const char *, size_t)", callback.pointer, bytes)
    call("void (const char *)", text.pointer, bytes)
  end
  case.drain()
  case.equal(#bytes, 1048576)
  case.arrived(got, { bytes, 1048576 }, { bytes, 1048576 })
  case.arrived(texts, { bytes }, { bytes })
end)

case.test("copy_strings_around_the_size_of_small_buffers", function()
  local callback, got = case.recorded(BYTES)
  for size = 0, 600 do
    case.here(
      "void (const char *, size_t)",
      callback.pointer,
      ("b"):rep(size - 1) .. (size > 0 and "e" or "")
    )
  end
  while require("moonport").step() > 0 do
  end
  case.equal(#got, 601)
  for size = 0, 600 do
    case.gives(
      { ("b"):rep(size - 1) .. (size > 0 and "e" or ""), size },
      got[size + 1][1],
      got[size + 1][2]
    )
  end
end)

case.test("copy_on_a_small_stack", function()
  -- The header says: a call uses at most 8 KiB of its thread's stack.
  local native = case.native()
  local baseline = native.start_small("int (int)", native.nothing(), 1)
  local used = case.pack(case.await(baseline))[2]
  local function measure(...)
    local results = case.pack(case.await(native.start_small(...)))
    local more = results[results.n] - used
    assert(more <= 8192, ("%s: %d bytes of stack"):format((...), more))
    return results[1]
  end
  local bytes, got = case.recorded(BYTES)
  measure("void (const char *, size_t)", bytes.pointer, ("x"):rep(1000000))
  measure("void (const char *, size_t)", bytes.pointer, nil, 5)
  local ints = case.recorded(("void (*)(%sint)"):format(("int, "):rep(13)))
  measure("void (14 ints)", ints.pointer, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
  local text = require("moonport").callback("const char *(*)(int)", function(x)
    return ("x"):rep(x)
  end, { default = "" })
  case.equal(#measure("const char *(int)", text.pointer, 100000), 100000)
  case.drain()
  case.gives({ 1, 1000000 }, #got, #got[1][1])
  case.told("argument")
end)

case.test("copy_max_string_is_the_longest_that_passes", function()
  local callback, got = case.recorded(TEXT, { max_string = 10, name = "short" })
  for _, call in ipairs(case.both) do
    call("void (const char *)", callback.pointer, ("x"):rep(10))
    call("void (const char *)", callback.pointer, ("x"):rep(11))
    call("void (const char *)", callback.pointer, ("x"):rep(1000))
  end
  case.drain()
  case.arrived(got, { ("x"):rep(10) }, { ("x"):rep(10) })
  local messages = case.told("argument * 4")
  case.match(messages[1], "short")
  case.match(messages[1], "parameter 1 %(text%)")
  case.match(messages[1], "10 bytes")
end)

case.test("copy_null_with_a_length_refuses_that_call_alone", function()
  local callback, got = case.recorded(BYTES, { name = "picky" })
  case.there("void (const char *, size_t)", callback.pointer, "before")
  case.there("void (const char *, size_t)", callback.pointer, nil, 3)
  case.there("void (const char *, size_t)", callback.pointer, "after")
  case.drain()
  case.arrived(got, { "before", 6 }, { "after", 5 })
  local messages = case.told("argument")
  case.match(messages[1], "picky")
  case.match(messages[1], "parameter 1 %(data%).*NULL with a length of 3")
end)

case.test("copy_user_pointers_unchanged", function()
  local native = case.native()
  local callback, got = case.recorded("void (*)(void *user, int code, void *)")
  local one = case.recorded("void (*)(void *anything)")
  for _, number in ipairs({ 0, 1, 4096, 2 ^ 32, 2 ^ 47 - 1 }) do
    case.there(
      "void (void *, int, void *)",
      callback.pointer,
      native.pointer(number),
      3,
      one.pointer
    )
  end
  case.drain()
  case.equal(#got, 5)
  for i, number in ipairs({ 0, 1, 4096, 2 ^ 32, 2 ^ 47 - 1 }) do
    case.equal(got[i].n, 3)
    case.equal(type(got[i][1]), "userdata")
    case.equal(got[i][1], native.pointer(number))
    case.equal(native.address(got[i][3]), native.address(one.pointer))
  end
end)

case.ffi("copy_structs", function()
  local ffi = require("ffi")
  ffi.cdef(
    "typedef struct callback_record { int number; double share; char name[16]; } callback_record;"
  )
  local callback, got = case.recorded("void (*)(const callback_record *record, int n)")
  local tagged, others = case.recorded("void (*)(const struct callback_record *record, int n)")
  for _, call in ipairs(case.both) do
    call("void (const record *, int)", callback.pointer, 7, 0.25, "seven")
    call("void (const record *, int)", callback.pointer, 8, 0.5, nil)
    call("void (const record *, int)", tagged.pointer, 9, 0.75, "nine")
  end
  case.drain()
  case.equal(#got, 4)
  case.equal(#others, 2)
  for _, at in ipairs({ 1, 3 }) do
    local record = got[at][1]
    assert(ffi.istype("callback_record", record))
    case.gives(
      { 7, 0.25, "seven", 7 },
      record.number,
      record.share,
      ffi.string(record.name),
      got[at][2]
    )
    case.gives({ n = 2, nil, 8 }, got[at + 1][1], got[at + 1][2])
  end
  case.equal(ffi.string(others[2][1].name), "nine")
  -- A copy of the handler's own.
  got[1][1].number = 1
  case.equal(got[3][1].number, 7)
end)

case.main()
