-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Declarations that cannot become a callback are refused with the place of the mistake; those that can have their type.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function refused(pattern, declaration, options)
  case.raises(pattern, require("moonport").callback, declaration, function() end, options)
end

case.test("declaration_errors_name_parameter_and_column", function()
  refused("column 15: parameter 2 %(x%)", "void (*)(int, int *x)")
  refused("column 10: parameter 1 %(p%)", "void (*)(const float *p)")
  refused("column 10: parameter 1 %(p%)", "void (*)(const float p[k], int n)")
  refused("column 25: parameter 2 %(list%)", "void (*)(const char *a, char **list, int b)")
  refused("column 16: parameter 1 %(x%).*@what", "void (*)(int x @what)")
  refused("column 16: parameter 1 %(x%).*@out", "void (*)(int x @out)")
  refused("column 10: parameter 1 %(p%)", "void (*)(void *p, int n)")
  refused("column 13", "void (*)(int")
  refused("column 17.*second parameter.*a", "void (*)(int a, int a)")
  refused("column 1", "")
  refused("column 1", "int x")
  refused("column 14: @static", "int (*)(int) @static")
end)

case.test("declaration_errors_are_the_callers", function()
  local ok, message = pcall(function()
    require("moonport").callback("void (*)(int *x)", print)
  end)
  case.equal(ok, false)
  case.match(message, "declaration%.lua:%d+: moonport%.callback")
end)

case.test("declaration_of_what_cannot_cross", function()
  refused("column 15.*%.%.%.", "void (*)(int, ...)")
  refused("column 10.*va_list", "void (*)(va_list list)")
  refused("column 15.*long double", "void (*)(int, long double x)")
  refused("column 10: parameter 1 %(p%).*struct point by value", "void (*)(struct point p)")
  refused("column 1.*struct point", "struct point (*)(void)")
  refused("column 1.*long double", "long double (*)(void)")
  refused("column 1.*char %*", "char *(*)(int)")
  refused("column 15.*void", "void (*)(int, void)")
end)

case.test("declaration_with_an_unknown_type_names_it", function()
  refused("column 10: unknown type callback_unknown", "void (*)(callback_unknown x)")
  refused("column 15: unknown type SOME_HANDLE", "void (*)(int, SOME_HANDLE x)")
  refused("column 1: unknown type callback_unknown", "callback_unknown (*)(int)")
  refused(
    "column 10: parameter 1 %(p%).*struct callback_unknown",
    "void (*)(const struct callback_unknown *p)"
  )
end)

case.test("declaration_in_every_form", function()
  local native = case.native()
  for _, text in ipairs({
    "void (*)(int)",
    "void(*)(int code);",
    "void f(int)",
    "void (int)",
    "void (*on_data)(int code)",
    "typedef void (*handler)(int);",
    "void (__stdcall *)(int)",
    "void (WINAPI *name)(int)",
    "void /* nothing */ (*)(int // code\n)",
    "extern void (*)(const int)",
    "  void\n(*)\t( int ) ; ",
  }) do
    local callback, got = case.recorded(text)
    native.call("void (int)", callback.pointer, -9)
    case.drain()
    case.arrived(got, { -9 })
  end
end)

case.test("declaration_with_nothing_to_say", function()
  for _, text in ipairs({ "void (*)(void)", "void (*)()", "void f()" }) do
    local callback, got = case.recorded(text)
    case.here("void (void)", callback.pointer)
    case.drain()
    case.arrived(got, {})
  end
end)

case.test("declaration_with_opaque_parameters", function()
  local native = case.native()
  local callback, got = case.recorded(
    "void (*)(int (*compare)(const void *, const void *), int, struct unknown *p @opaque)"
  )
  native.call(
    "void (void *, int, void *)",
    callback.pointer,
    callback.pointer,
    3,
    native.pointer(4096)
  )
  case.drain()
  case.equal(#got, 1)
  case.gives(
    { native.address(callback.pointer), 3, native.pointer(4096) },
    native.address(got[1][1]),
    got[1][2],
    got[1][3]
  )
end)

case.test("declaration_options_are_checked", function()
  refused('unknown option "speed"', "void (*)(void)", { speed = 1 })
  refused("timeout", "void (*)(void)", { timeout = -1 })
  refused("timeout", "void (*)(void)", { timeout = "5" })
  refused("capacity", "void (*)(void)", { capacity = 0.5 })
  refused("overflow", "void (*)(void)", { overflow = "burst" })
  refused("max_string", "void (*)(void)", { max_string = "long" })
  refused("wait", "void (*)(void)", { wait = 1 })
  refused("ref", "void (*)(void)", { ref = "yes" })
  refused("mode", "void (*)(void)", { mode = "fast" })
  refused("name", "void (*)(void)", { name = {} })
  refused("default", "int (*)(int)")
  refused("default", "int (*)(int)", { timeout = 1 })
  case.equal(#require("moonport").report(), 0)
end)

case.test("declaration_defaults_must_fit", function()
  refused("default.*uint8_t.*300", "uint8_t (*)(void)", { default = 300 })
  refused("default.*int32_t", "int (*)(void)", { default = 0.5 })
  refused("default.*string", "int (*)(void)", { default = "x" })
  refused("default.*boolean", "_Bool (*)(void)", { default = 1 })
  refused("default.*string", "const char *(*)(void)", { default = 1 })
  refused("default.*pointer", "void *(*)(void)", { default = "x" })
  refused("default.*number", "double (*)(void)", { default = "1" })
end)

case.test("declaration_pointer_is_light_userdata_without_an_ffi_library", function()
  local callback = require("moonport").callback("void (*)(int)", print)
  local wanted = rawget(_G, "jit") and "cdata" or "userdata"
  case.gives({ wanted, wanted }, type(callback.pointer), type(callback.destroyer))
  case.equal(callback.pointer, callback.pointer)
  case.equal(callback.nothing, nil)
end)

case.ffi("declaration_pointer_has_the_declared_type", function()
  local ffi = require("ffi")
  local moonport = require("moonport")
  ffi.cdef([[
    typedef struct callback_point { double x, y; } callback_point;
    typedef int (*callback_visitor)(const callback_point *p, void *user);
    typedef unsigned short callback_code;
  ]])
  local visitor = moonport.callback(
    "int (*)(const callback_point *p, void *user)",
    function(p, user)
      return p.x + p.y + (user == case.native().pointer(64) and 0 or 1000)
    end,
    { default = -1 }
  )
  -- No cast: it can be called, stored in a field and passed as what it was declared.
  case.equal(visitor.pointer(ffi.new("callback_point", 1, 2), ffi.cast("void *", 64)), 3)
  local place = ffi.new("callback_visitor[1]")
  place[0] = visitor.pointer
  case.equal(place[0](ffi.new("callback_point", 3, 4), ffi.cast("void *", 64)), 7)
  local got
  local code = moonport.callback("void (*)(callback_code code, long long big)", function(...)
    got = case.pack(...)
  end)
  code.pointer(65535, 5)
  case.drain()
  case.gives({ 65535, 5 }, got[1], got[2])
  code.destroyer(nil)
  code.pointer(1, 1)
  case.counts(code, { calls = 2, delivered = 1, after_close = 1 })
end)

case.ffi("declaration_with_incomplete_types_of_the_ffi_library", function()
  local ffi = require("ffi")
  ffi.cdef(
    "typedef struct callback_secret callback_secret; typedef callback_secret *callback_secret_handle;"
  )
  refused("column 10: parameter 1 %(p%).*callback_secret", "void (*)(const callback_secret *p)")
  refused("column 10: parameter 1 %(h%).*@opaque", "void (*)(callback_secret_handle h)")
  ffi.cdef("typedef struct callback_pair { int a, b; } callback_pair;")
  refused("column 10: parameter 1 %(p%).*by value", "void (*)(callback_pair p)")
  refused("column 1", "callback_pair (*)(int)")
  refused("column 10: parameter 1 %(p%)", "void (*)(callback_pair *p)")
end)

case.ffi("declaration_does_not_need_names_to_be_defined_at_load", function()
  local ffi = require("ffi")
  refused("unknown type callback_later", "void (*)(callback_later x)")
  ffi.cdef("typedef int callback_later;")
  local callback, got = case.recorded("void (*)(callback_later x)")
  callback.pointer(5)
  case.drain()
  case.arrived(got, { 5 })
end)

case.main()
