# Lets a Ruby process say which lines made the objects that it holds, when it gets SIGRTMAX - 2.
#
# membudget puts this file first in what Ruby loads (RUBYOPT=-r) in a trial that is never judged. It runs in the service's
# own Ruby, from 2.7 on. The answer is text, as profiling/summary.py reads it, in a file that stays open and has no name:
# memfd_create(2), else a file in /dev/shm or /tmp.

module MembudgetHeapProfile
  SIGNAL = 62
  NAME = "membudget-profile".freeze
  MEMFD_CREATE = { "x86_64" => 319, "aarch64" => 279 }.freeze
  MOST_SITES = 400
  LONGEST_NAME = 200
  MOST_LOOKED_UP = 20_000
  LARGE_BYTES = 8192
  CLASS_OF = Kernel.instance_method(:class)
  NAME_OF = Module.instance_method(:name)
  METHODS_OF = %i[instance_methods private_instance_methods].map { |name| Module.instance_method(name) }.freeze
  METHOD_OF = Module.instance_method(:instance_method)

  # Ruby loses lines when it moves objects, and would give them those of objects that are gone. So none is moved.
  module NothingMoves
    def compact
      start
      latest_compact_info if respond_to?(:latest_compact_info)
    end

    def auto_compact=(_wanted); end
  end

  # The part of Ruby 3.3's preparation for fork(2) that moves nothing.
  module WarmUp
    def warmup
      GC.start
      true
    end
  end

  class << self
    def start
      @answers = 0
      GC.singleton_class.prepend(NothingMoves) if GC.respond_to?(:compact)
      Process.singleton_class.prepend(WarmUp) if Process.respond_to?(:warmup)
      others = ObjectSpace.each_object(TracePoint).to_a
      ObjectSpace.trace_object_allocations_start
      @frees = of_frees(ObjectSpace.each_object(TracePoint).to_a - others)
      @frees&.disable
      # A handler may take no lock, so a thread answers. It begins only now, because fork(2) copies no threads.
      trap(SIGNAL) { Thread.new { answer } }
    end

    private

    # Of Ruby's two hooks, the one that forgets the line of each object that is freed. It takes time, and nobody needs
    # it: the next object at the same address brings a line of its own. None if this Ruby has other hooks.
    def of_frees(hooks)
      return unless hooks.size == 2

      hooks.find do |hook|
        hook.disable
        !ObjectSpace.allocation_sourcefile(Object.new).nil?
      ensure
        hook.enable
      end
    end

    def answer
      Thread.current.report_on_exception = false
      Thread.current.priority = 3 # its turn is eight times as long, so that the service waits once
      text =
        begin
          summary
        rescue StandardError, NoMemoryError => error
          "error #{plain("#{error.class}: #{error.message}")}\n"
        end
      @kept&.close
      @kept = place("#{NAME}-#{@answers += 1}")
      @kept.binmode
      @kept.write(text)
      @kept.flush
    end

    def place(name)
      number = MEMFD_CREATE[RbConfig::CONFIG["host_cpu"]]
      raise NotImplementedError if number.nil?

      verbose, $VERBOSE = $VERBOSE, nil # with -w, Ruby warns of syscall
      IO.for_fd(syscall(number, name, 1), "r+") # 1: MFD_CLOEXEC
    rescue SystemCallError, NotImplementedError
      without_name(name, %w[/dev/shm /tmp])
    ensure
      $VERBOSE = verbose unless number.nil?
    end

    def without_name(name, folders)
      folder, *others = folders
      path = File.join(folder, name)
      file = File.open(path, File::RDWR | File::CREAT | File::EXCL | File::NOFOLLOW, 0o600)
      File.unlink(path)
      file
    rescue SystemCallError
      raise if others.nil? || others.empty?

      without_name(name, others)
    end

    def summary
      GC.start # how much garbage is there differs from run to run
      undisturbed { lines_of(*sums(*sample)) }
    end

    # What this module makes itself need not be traced: that takes three times as long. Meanwhile, nothing may be freed:
    # another object at the same address would pass for the one that is gone.
    def undisturbed
      was_disabled = GC.disable
      ObjectSpace.trace_object_allocations_stop
      yield
    ensure
      ObjectSpace.trace_object_allocations_start
      @frees&.disable
      GC.enable unless was_disabled
    end

    def lines_of(traced, untraced)
      sites = traced.flat_map { |file, lines| lines.map { |line, bytes| [bytes, file, line] } }
      sites.sort_by! { |site| -site[0] }
      rest = (sites[MOST_SITES..-1] || []).sum { |site| site[0] }
      sites = sites.first(MOST_SITES)
      methods = methods_in(sites.map { |site| site[1] }.uniq)
      named = sites.map { |bytes, file, line| [bytes, enclosing(methods[file], file, line), file, line] }
      untraced.each { |name, bytes| named << [bytes, name, "", 0] }
      lines = ["membudget-profile 1"]
      named.each_with_index do |(bytes, name, file, line), number|
        lines << "f #{plain(name)[0, LONGEST_NAME]}\t#{plain(file).chars.last(LONGEST_NAME).join}\t#{line}"
        lines << "s #{bytes} #{number}"
      end
      (lines << "r #{rest}" << "").join("\n")
    end

    # Some objects, by chance, and the bytes that each stands for. Of small ones, a byte is drawn about every `each`
    # bytes, so a line that holds much has many samples. All large ones are taken. Only they are looked up later, so
    # that what the look-up makes is not counted.
    def sample
      objects, weights = [], []
      each = ObjectSpace.memsize_of_all / MOST_LOOKED_UP + 1
      left = rand(each)
      ObjectSpace.each_object do |object|
        bytes = ObjectSpace.memsize_of(object)
        if bytes < LARGE_BYTES
          next if (left -= bytes).positive?

          bytes = 0
          until left.positive?
            bytes += each
            left += 1 + rand(2 * each - 1)
          end
        end
        objects << object
        weights << bytes
      end
      [objects, weights]
    end

    # The bytes by file and line, and by class for objects that are older than this module.
    def sums(objects, weights)
      traced = {}
      untraced = Hash.new(0)
      objects.each_with_index do |object, number|
        file = ObjectSpace.allocation_sourcefile(object)
        if file.nil?
          type = CLASS_OF.bind_call(object)
          untraced[type] += weights[number] unless type == Object # a plain one so large keeps the tracer's own notes
        elsif file != __FILE__
          lines = (traced[file] ||= Hash.new(0))
          lines[ObjectSpace.allocation_sourceline(object)] += weights[number]
        end
      end
      largest = untraced.sort_by { |_, bytes| -bytes }.first(20)
      [traced, largest.map { |type, bytes| [NAME_OF.bind_call(type) || "Object", bytes] }]
    end

    # For each file, its methods as [first line, last line, name]. Ruby itself knows only who called `new`.
    def methods_in(files)
      found = files.to_h { |file| [file, []] }
      ObjectSpace.each_object(Module) do |type|
        owner = type.singleton_class? ? "#{type.inspect[/\A#<Class:(.*)>\z/m, 1]}." : "#{NAME_OF.bind_call(type)}#"
        METHODS_OF.flat_map { |list| list.bind_call(type, false) }.each do |name|
          file, first = (method = METHOD_OF.bind_call(type, name)).source_location
          found[file] << [first, last_line(method, first), "#{owner}#{name}"] if found.key?(file)
        end
      rescue StandardError
        next
      end
      found
    end

    def last_line(method, first)
      code = RubyVM::InstructionSequence.of(method)
      code.nil? ? first : code.trace_points.map(&:first).max || first
    rescue StandardError
      first
    end

    # The innermost method around a line, or what backtraces call the rest of a file.
    def enclosing(methods, file, line)
      around = methods.select { |first, last, _| first <= line && line <= last }
      return around.max_by(&:first).last.gsub(/:0x\h+/, "") unless around.empty?

      file == $PROGRAM_NAME ? "<main>" : "<top (required)>"
    end

    def plain(text)
      text.to_s.dup.force_encoding(Encoding::UTF_8).scrub("?").gsub(/[[:cntrl:]]/, "?")
    end
  end
end

begin
  require "objspace"
  require "rbconfig"
  MembudgetHeapProfile.start
rescue LoadError, StandardError
  nil # this Ruby cannot say what its objects hold
end
