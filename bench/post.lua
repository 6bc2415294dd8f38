-- SPDX-License-Identifier: MIT OR Apache-2.0
-- For wrk: a POST of 200 bytes of JSON with strings, numbers, booleans, null, an array and an object in it.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"id":184467,"kind":"measurement","source":"sensor-17/north","values":[1.5,2.25,-3,40000,0.125],'
  .. '"valid":true,"note":null,"position":{"x":12.5,"y":-7.75,"z":100.5},"text":"the quick brown fox, \\"it\\""}'
assert(#wrk.body == 200, "the body has " .. #wrk.body .. " bytes")
