# Remembers some of what it answers, and leaves garbage behind.
require "json"
require_relative "catalog/search"

SEARCH = Search.new
SEEN = {}
LOCK = Mutex.new

def records(count)
  Array.new(count) { |number| { "number" => number, "price" => number * 1.5, "tags" => ["new", number.to_s] } }
end

run(lambda do |_env|
  LOCK.synchronize do
    SEARCH.build_index(ENV["KIND"] || "strings", (ENV["GROWTH_MIB"] || "0").to_i) if SEEN.empty?
    parsed = JSON.parse(JSON.generate(records(200)))
    SEEN[SEEN.size % 300] = parsed.first(50)
    [200, { "Content-Type" => "application/json" }, [JSON.generate(parsed)]]
  end
end)
