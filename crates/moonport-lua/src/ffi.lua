-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What LuaJIT's FFI library knows of C types, and makes for callbacks.
local ffi, bit = require("ffi"), require("bit")
local band, rshift = bit.band, bit.rshift
local select, tonumber, tostring, pcall = select, tonumber, tostring, pcall
local typeinfo = ffi.typeinfo

-- Kinds and flags of LuaJIT's ctype table (lj_ctype.h), as ffi.typeinfo gives them.
local NUMBER, STRUCT, POINTER, TYPEDEF, ATTRIBUTE, FIELD = 0, 1, 2, 7, 8, 9
local BOOLEAN, FLOATING, CONSTANT, UNSIGNED, UNION = 0x08000000, 0x04000000, 0x02000000, 0x00800000, 0x00800000

local function kind_of(info)
  return rshift(info.info, 28)
end

-- What tells char from other types of one byte. The library keeps no more: int8_t looks like char where char is signed
-- (x86), and uint8_t where it is not (AArch64).
local OTHER = BOOLEAN + FLOATING + UNSIGNED
local CHAR = typeinfo and band(typeinfo(tonumber(ffi.typeof("char"))).info, OTHER)

-- What a type is behind its typedefs and attributes, and whether one of them makes it const.
local function strip(id)
  local info = typeinfo(id)
  local constant = band(info.info, CONSTANT) ~= 0
  while kind_of(info) == TYPEDEF or kind_of(info) == ATTRIBUTE do
    info = typeinfo(band(info.info, 0xffff))
    constant = constant or band(info.info, CONSTANT) ~= 0
  end
  return info, constant
end

local function is_string(info)
  if kind_of(info) ~= POINTER then
    return false
  end
  local target, constant = strip(band(info.info, 0xffff))
  return constant and kind_of(target) == NUMBER and target.size == 1 and band(target.info, OTHER) == CHAR
end

-- The offsets of members of type const char *, also of structs inside, behind those in `found`.
local function add_strings(found, struct, base)
  if band(struct.info, UNION) ~= 0 then
    return found
  end
  local id = struct.sib
  while id do
    local member = typeinfo(id)
    if kind_of(member) == FIELD or kind_of(member) == ATTRIBUTE then
      local target = strip(band(member.info, 0xffff))
      if kind_of(target) == STRUCT then
        add_strings(found, target, base + member.size)
      elseif is_string(target) then
        found[#found + 1] = base + member.size
      end
    end
    id = member.sib
  end
  return found
end

-- cast(type, address)
local function cast(name, address)
  return ffi.cast(name, address)
end

-- describe(name): how the library spells a type, its size if it is complete, and where a struct has strings: "8 24".
local function describe(name)
  local known, kind = pcall(ffi.typeof, name)
  if not known then
    return nil
  end
  local info = typeinfo and strip(tonumber(kind))
  local strings = info and kind_of(info) == STRUCT and table.concat(add_strings({}, info, 0), " ") or ""
  return tostring(kind):match("^ctype<(.*)>$"), ffi.sizeof(kind), strings
end

local function make(name)
  return ffi.new(name)
end

-- The strings that structs point to live as long as these.
local kept = setmetatable({}, { __mode = "k" })

-- attach(struct, offset, text, offset, text ...): the members there point to these strings.
local function attach(struct, ...)
  local strings = {}
  for i = 1, select("#", ...), 2 do
    local offset, text = select(i, ...)
    ffi.cast("const char **", ffi.cast("char *", struct) + offset)[0] = text
    strings[#strings + 1] = text
  end
  kept[struct] = strings
end

-- address(cdata): the address that a pointer holds; nothing for what is no pointer.
local function address(value)
  local is_pointer, pointer = pcall(ffi.cast, "void *", value)
  return is_pointer and tonumber(ffi.cast("uintptr_t", pointer)) or nil
end

return cast, describe, make, attach, address
