/* What makes measuring hard. Static, as truth.c is.
 *
 *   trouble many COUNT MS      COUNT children, as many as it may have, that sleep for MS ms
 *   trouble named MIB MS       holds MIB MiB for MS ms, and calls itself what breaks lines, terminals and tables
 *   trouble orphan MIB MS      PID 1 forks and ends after MS ms; its child, which takes MIB MiB, is ended with it
 *   trouble reread MIB MS      reads a file of MIB MiB again and again, for MS ms
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left)) {}
}

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(const char *what) {
    perror(what);
    return 2;
}

static void hold(size_t mib) {
    char *memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(fail("mmap"));
    madvise(memory, mib << 20, MADV_NOHUGEPAGE);
    for (size_t page = 0; page < mib << 20; page += 4096) memory[page] = 1;
}

static int many(long count, long ms) {
    long end = now_ms() + ms, made = 0;
    for (; made < count; made++) {
        pid_t child = fork();
        if (child == 0) { sleep_ms(end - now_ms()); _exit(0); }
        if (child < 0) { printf("no more than %ld children: %s\n", made, strerror(errno)); break; }
    }
    while (wait(NULL) > 0) {}
    return made == count ? 0 : 3;
}

static int named(size_t mib, long ms) {
    prctl(PR_SET_NAME, "a\nb\t|`\033[31m\"\\\377", 0, 0, 0);
    hold(mib);
    sleep_ms(ms);
    return 0;
}

static int orphan(size_t mib, long ms) {
    if (fork()) { sleep_ms(ms); return 0; }
    setsid();
    hold(mib);
    sleep_ms(60000);
    return 0;
}

static int reread(size_t mib, long ms) {
    static char buffer[1 << 20];
    /* Its blocks are holes: reading them takes page cache and no disk. */
    int file = open("/file", O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, mib << 20)) return fail("/file");
    for (long end = now_ms() + ms; now_ms() < end;) {
        for (off_t at = 0; at < (off_t)(mib << 20); at += sizeof buffer)
            if (pread(file, buffer, sizeof buffer, at) < 0) return fail("read");
    }
    return 0;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *what = argc > 2 ? argv[1] : "";
    long first = argc > 2 ? atol(argv[2]) : 0, second = argc > 3 ? atol(argv[3]) : 0;
    if (!strcmp(what, "many")) return many(first, second);
    if (!strcmp(what, "named")) return named(first, second);
    if (!strcmp(what, "orphan")) return orphan(first, second);
    if (!strcmp(what, "reread")) return reread(first, second);
    fputs("usage: trouble many COUNT MS | named MIB MS | orphan MIB MS | reread MIB MS\n", stderr);
    return 2;
}
