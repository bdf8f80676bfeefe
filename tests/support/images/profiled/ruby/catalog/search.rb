# The index of the catalog.
class Search
  Entry = Struct.new(:number, :price, :stock, :title, :rank)

  def initialize
    @kept = []
  end

  def add_entries(mebibytes)
    (mebibytes * 8192).times do |number|
      @kept << Entry.new(number, number * 1.5, 7, nil, nil)
    end
  end

  def add_titles(mebibytes)
    (mebibytes * 1024).times do |number|
      @kept << number.to_s.ljust(983, "x")
    end
  end

  def build_index(kind, mebibytes)
    kind == "strings" ? add_titles(mebibytes) : add_entries(mebibytes)
  end
end
