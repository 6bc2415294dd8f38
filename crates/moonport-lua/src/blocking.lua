-- SPDX-License-Identifier: MIT OR Apache-2.0
-- moonport.blocking(cfunction, ...): arguments and the result as the FFI library converts them; the call itself is made by
-- invoke(types, words) on a helper thread, while this one serves callbacks.
local invoke = ...
local error, pcall, select, type = error, pcall, select, type

if type(jit) ~= "table" then
  return function()
    error("moonport.blocking: C functions are called through LuaJIT's FFI library, which this Lua does not have", 2)
  end
end

-- Kinds and flags of LuaJIT's ctype table (lj_ctype.h), as ffi.typeinfo gives them.
local NUMBER, POINTER, VOID, ENUM, FUNCTION, TYPEDEF, ATTRIBUTE = 0, 2, 4, 5, 6, 7, 8
local BOOLEAN, FLOATING, CONSTANT, UNSIGNED, VARIADIC = 0x08000000, 0x04000000, 0x02000000, 0x00800000, 0x00800000
local REFERENCE = 0x00800000

local ffi, bit

local function kind_of(info)
  return bit.rshift(info.info, 28)
end

local function has(info, flag)
  return bit.band(info.info, flag) ~= 0
end

local function target_of(info)
  return bit.band(info.info, 0xffff)
end

local function strip(id)
  local info = ffi.typeinfo(id)
  while kind_of(info) == TYPEDEF or kind_of(info) == ATTRIBUTE or kind_of(info) == ENUM do
    info = ffi.typeinfo(target_of(info))
  end
  return info
end

local function number(info)
  if has(info, BOOLEAN) then
    return { code = "b1", name = "_Bool" }
  elseif has(info, FLOATING) then
    return info.size == 4 and { code = "f4", name = "float" } or info.size == 8 and { code = "f8", name = "double" } or nil
  end
  local code = (has(info, UNSIGNED) and "u" or "i") .. info.size
  return { code = code, name = (has(info, UNSIGNED) and "uint" or "int") .. info.size * 8 .. "_t" }
end

-- How a value of this type travels; nothing for what cannot.
local function carrier(id)
  local info = strip(id)
  if kind_of(info) == NUMBER then
    return number(info)
  elseif kind_of(info) == POINTER and not has(info, REFERENCE) then
    local target = strip(target_of(info))
    local name = kind_of(target) == VOID and "void *"
      or kind_of(target) == NUMBER and target.size == 1 and "const char *"
      or target.name and pcall(ffi.typeof, "struct " .. target.name) and "struct " .. target.name .. " *"
      or "void *"
    local constant = has(ffi.typeinfo(target_of(info)), CONSTANT) or has(target, CONSTANT)
    return { code = "u8", name = name, is_pointer = true, takes_strings = constant }
  end
  return kind_of(info) == VOID and { code = "v0" } or nil
end

local function refuse(message)
  error("moonport.blocking: " .. message, 0)
end

local function read_signature(fn)
  local info = strip(tonumber(ffi.typeof(fn)))
  if kind_of(info) == POINTER then
    info = strip(target_of(info))
  end
  if kind_of(info) ~= FUNCTION then
    refuse("expected a C function, got " .. tostring(ffi.typeof(fn)))
  elseif has(info, VARIADIC) then
    refuse("a function with '...' has no fixed arguments; cast it to a type that has")
  end
  local result = carrier(target_of(info)) or refuse("a result of this type cannot be carried over")
  local signature, codes = { result = result }, { result.code }
  local id = info.sib
  while id do
    local parameter = ffi.typeinfo(id)
    local at = #signature + 1
    signature[at] = carrier(target_of(parameter)) or refuse(("parameter %d: its type cannot be carried over"):format(at))
    codes[at + 1] = signature[at].code
    id = parameter.sib
  end
  signature.codes = table.concat(codes)
  return signature
end

local function put(words, at, parameter, value)
  if not parameter.is_pointer then
    ffi.cast(parameter.name .. " *", words + at)[0] = value
  elseif type(value) == "string" and parameter.takes_strings then
    ffi.cast("const char **", words + at)[0] = value
  elseif type(value) == "cdata" then
    words[at] = ffi.cast("uintptr_t", ffi.cast("void *", value))
  else
    ffi.cast("void **", words + at)[0] = value
  end
end

local function take(words, result)
  if result.is_pointer then
    return ffi.cast(result.name, ffi.cast("void **", words)[0])
  end
  return ffi.cast(result.name .. " *", words)[0]
end

local signatures = {}

local function prepare(fn, count)
  ffi, bit = ffi or require("ffi"), bit or require("bit")
  if type(fn) ~= "cdata" then
    refuse("expected a C function of the FFI library, got " .. type(fn))
  elseif not ffi.typeinfo then
    refuse("this LuaJIT cannot tell the type of a C function")
  end
  local id = tonumber(ffi.typeof(fn))
  local signature = signatures[id] or read_signature(fn)
  signatures[id] = signature
  if count ~= #signature then
    refuse(("expected %d arguments, got %d"):format(#signature, count))
  end
  return signature
end

return function(fn, ...)
  local count = select("#", ...)
  local fine, signature = pcall(prepare, fn, count)
  if not fine then
    error(signature, 2)
  end
  local words = ffi.new("uint64_t[?]", count + 1)
  words[0] = ffi.cast("uintptr_t", ffi.cast("void *", fn))
  for at = 1, count do
    local converted, message = pcall(put, words, at, signature[at], (select(at, ...)))
    if not converted then
      -- Not the line in here that the FFI library names.
      message = message:gsub("^moonport%.blocking:%d+: ", "")
      error(("moonport.blocking: argument %d: %s"):format(at, message), 2)
    end
  end
  -- The strings among the arguments live as long as this call: they are its own.
  ffi.errno(invoke(signature.codes, words))
  if signature.result.name then
    return take(words, signature.result)
  end
end
