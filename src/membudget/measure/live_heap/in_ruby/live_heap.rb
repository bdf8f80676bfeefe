# Lets a Ruby process say what it keeps, when it gets SIGRTMAX - 1.
#
# membudget lets Ruby load this file (RUBYOPT=-r) in a trial's container, if a budget concerns live_heap. It runs in the
# service's own Ruby, and loads nothing before it is asked. The answer is the content of a file that stays open and has
# no name: memfd_create(2), else one in /dev/shm or /tmp.

module MembudgetLiveHeap
  class << self
    def answer
      Thread.current.report_on_exception = false
      require "objspace"
      require "rbconfig"
      3.times { GC.start }
      write("bytes=#{ObjectSpace.memsize_of_all}\n")
    rescue StandardError, LoadError, NoMemoryError => error
      write("error=#{error.class}: #{error.message}".tr("\n", " ")[0, 400] + "\n")
    end

    private

    def write(text)
      @kept = file
      @kept.write(text)
      @kept.flush
    end

    def file
      number = { "x86_64" => 319, "aarch64" => 279 }[RbConfig::CONFIG["host_cpu"]]
      return without_name if number.nil?

      verbose, $VERBOSE = $VERBOSE, nil # with -w, Ruby warns of syscall
      begin
        IO.for_fd(syscall(number, +"membudget-live-heap", 1), "r+") # 1: MFD_CLOEXEC
      rescue SystemCallError, NotImplementedError
        without_name
      ensure
        $VERBOSE = verbose
      end
    end

    def without_name(folders = %w[/dev/shm /tmp])
      path = File.join(folders.first, "membudget-live-heap")
      file = File.open(path, File::RDWR | File::CREAT | File::EXCL | File::NOFOLLOW, 0o600)
      File.unlink(path)
      file
    rescue SystemCallError
      raise if folders.size == 1

      without_name(folders.drop(1))
    end
  end
end

begin
  # A handler may take no lock, so a thread answers. It begins only now, because fork(2) copies no threads.
  trap(63) { Thread.new { MembudgetLiveHeap.answer } }
rescue ArgumentError
  nil # this Ruby cannot be asked
end
