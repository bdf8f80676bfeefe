# Remembers some of what it answers, and leaves garbage behind.
require "json"
require_relative "catalog/search"

SEARCH = Search.new
SEEN = {}
LOCK = Mutex.new
WORKERS = (ENV["WORKERS"] || "0").to_i

def grow
  SEARCH.build_index(ENV["KIND"] || "strings", (ENV["GROWTH_MIB"] || "0").to_i)
end

# Ruby moves what is kept to where the garbage was.
def grow_and_compact
  GC.disable
  100.times { records(200) }
  grow
  GC.enable
  GC.compact
end

def records(count)
  Array.new(count) { |number| { "number" => number, "price" => number * 1.5, "tags" => ["new", number.to_s] } }
end

# The kernel decides which worker gets a request, and a worker may get none. So all workers grow before one is ready.
if WORKERS.positive?
  grow
  File.write("/tmp/grown-#{Process.pid}", "")
  sleep(0.01) until (grown = Dir["/tmp/grown-*"]).size >= WORKERS
  trap(62, "SYSTEM_DEFAULT") if ENV["SILENT"] && grown.min.end_with?("-#{Process.pid}") # it cannot be profiled
end

run(lambda do |_env|
  LOCK.synchronize do
    (ENV["COMPACT"] ? grow_and_compact : grow) if SEEN.empty? && WORKERS.zero?
    parsed = JSON.parse(JSON.generate(records(200)))
    SEEN[SEEN.size % 300] = parsed.first(50)
    [200, { "Content-Type" => "application/json" }, [JSON.generate(parsed)]]
  end
end)
