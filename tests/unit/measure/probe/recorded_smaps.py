"""A memory map as the kernel writes it, shortened."""

SMAPS = b"""\
55d0c8000000-55d0c8400000 rw-p 00000000 00:00 0                          [heap]
Size:               4096 kB
Rss:                4000 kB
Pss:                3000 kB
Shared_Clean:          0 kB
Shared_Dirty:       1000 kB
Private_Clean:         0 kB
Private_Dirty:      3000 kB
Anonymous:          4000 kB
VmFlags: rd wr mr mw me ac sd
7f0000000000-7f0000200000 r-xp 00000000 08:01 42                         /usr/lib/lib with\\012newline.so (deleted)
Rss:                2000 kB
Pss:                 500 kB
Shared_Clean:       2000 kB
Private_Clean:         0 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
7f0000300000-7f0000400000 rw-p 00000000 08:01 43                         /usr/lib/libdata.so
Rss:                 100 kB
Pss:                 100 kB
Private_Clean:        20 kB
Private_Dirty:        80 kB
Anonymous:            60 kB
7f0000500000-7f0000600000 rw-s 00000000 00:01 44                         /dev/shm/segment
Rss:                  64 kB
Pss:                  32 kB
Shared_Dirty:         64 kB
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                  12 kB
Pss:                  12 kB
Private_Dirty:        12 kB
Anonymous:            12 kB
7ffd00100000-7ffd00102000 r-xp 00000000 00:00 0                          [vdso]
Rss:                   4 kB
Pss:                   0 kB
"""
