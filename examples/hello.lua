-- A server that answers one question: curl http://127.0.0.1:8080/hello/moon
local moonport = require("moonport")

local server = moonport.http({ address = "127.0.0.1:8080", token = false })
server:get("/hello/{name}", function(request)
  return { hello = request.params.name }
end)

print(assert(server:start()))
moonport.run()
