-- wrk: posts one file of lines, and counts answers by status and those 429 that do not say when to
-- come back. Usage: wrk -s post.lua URL -- BODY_FILE RESULT_FILE
local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   -- Globals, because done() reads them from the threads.
   hasty = 0
   counts = {}
   wrk.method = "POST"
   wrk.body = file:read("*a")
   wrk.headers["Content-Type"] = "application/x-ndjson"
   file:close()
   result_file = args[2]
end

function response(status, headers)
   counts[status] = (counts[status] or 0) + 1
   if status == 429 then
      local told = false
      for name, value in pairs(headers) do
         if name:lower() == "retry-after" and tonumber(value) then told = true end
      end
      if not told then hasty = hasty + 1 end
   end
end

function done(summary, latency)
   local counts, hasty, path = {}, 0, nil
   for _, thread in ipairs(threads) do
      for status, count in pairs(thread:get("counts")) do
         counts[status] = (counts[status] or 0) + count
      end
      hasty = hasty + thread:get("hasty")
      path = thread:get("result_file")
   end
   local file = assert(io.open(path, "w"))
   for status, count in pairs(counts) do file:write("status_", status, " ", count, "\n") end
   file:write("hasty ", hasty, "\n")
   file:write("seconds ", summary.duration / 1e6, "\n")
   file:write("p99_ms ", latency:percentile(99) / 1e3, "\n")
   for kind, count in pairs(summary.errors) do file:write("error_", kind, " ", count, "\n") end
   file:close()
end
