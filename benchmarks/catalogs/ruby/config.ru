# A cache of 400 entries: each request replaces one, and leaves garbage behind. KEPT_BYTES is the size of an entry.
require "json"

ENTRIES = 400
LINES = 100
LINE_BYTES = Integer(ENV.fetch("KEPT_BYTES", "100000")) / LINES
CACHE = {}
LOCK = Mutex.new
requests = 0

run(lambda do |_env|
  LOCK.synchronize do
    CACHE[requests % ENTRIES] = Array.new(LINES) { "a" * LINE_BYTES }
    requests += 1
  end
  garbage = Array.new(rand(2000)) { |number| { number: number, price: rand } }
  [200, { "Content-Type" => "application/json" }, [JSON.generate(garbage)]]
end)
