/* Ground truth: holds BASE MiB, then COUNT times for HOLD ms SPIKE MiB more, PAUSE ms apart. Static, one thread,
 * no allocator of its own: what the kernel charges is what is said here, and about 100 KiB of program.
 *
 *   truth BASE SPIKE HOLD COUNT PAUSE [child]     with "child" a forked process does it, and PID 1 ends with 0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left)) {}
}

static char *hold(size_t mib) {
    if (!mib) return NULL;
    char *memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) { perror("mmap"); exit(2); }
    madvise(memory, mib << 20, MADV_NOHUGEPAGE);
    for (size_t page = 0; page < mib << 20; page += 4096) memory[page] = 1;
    return memory;
}

int main(int argc, char **argv) {
    if (argc < 6) { fputs("usage: truth BASE SPIKE HOLD COUNT PAUSE [child]\n", stderr); return 2; }
    size_t base = atol(argv[1]), spike = atol(argv[2]);
    long held = atol(argv[3]), count = atol(argv[4]), pause = atol(argv[5]);
    if (argc > 6 && fork()) { wait(NULL); puts("the child is gone"); return 0; }
    hold(base);
    for (long done = 0; done < count; done++) {
        sleep_ms(pause);
        char *memory = hold(spike);
        sleep_ms(held);
        if (memory) munmap(memory, spike << 20);
    }
    sleep_ms(pause);
    return 0;
}
