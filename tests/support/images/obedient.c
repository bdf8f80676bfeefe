/* Takes as much memory as what surrounds it says. Static, as truth.c is.
 *
 *   obedient MANY FEW MS CONDITION [ARGUMENT [TEXT]]   holds FEW MiB for MS ms where the condition holds, else MANY
 *
 * Conditions: env NAME, exists PATH, absent PATH, says PATH TEXT (the file is TEXT and the end of a line), writable PATH,
 * root, one-cpu, stdin (its first byte is "1").
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int says(const char *path, const char *text) {
    char found[256];
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    size_t length = fread(found, 1, sizeof found, file), wanted = strlen(text);
    fclose(file);
    return length == wanted + 1 && !memcmp(found, text, wanted) && found[wanted] == '\n';
}

static int has_one_cpu(void) {
    cpu_set_t set;
    return !sched_getaffinity(0, sizeof set, &set) && CPU_COUNT(&set) == 1;
}

static int holds(const char *what, const char *argument, const char *text) {
    if (!strcmp(what, "env")) return getenv(argument) != NULL;
    if (!strcmp(what, "exists")) return !access(argument, F_OK);
    if (!strcmp(what, "absent")) return !!access(argument, F_OK);
    if (!strcmp(what, "says")) return says(argument, text);
    if (!strcmp(what, "writable")) return !access(argument, W_OK);
    if (!strcmp(what, "root")) return !getuid();
    if (!strcmp(what, "one-cpu")) return has_one_cpu();
    if (!strcmp(what, "stdin")) return getchar() == '1';
    fprintf(stderr, "no such condition: %s\n", what);
    exit(2);
}

int main(int argc, char **argv) {
    if (argc < 5) { fputs("usage: obedient MANY FEW MS CONDITION [ARGUMENT [TEXT]]\n", stderr); return 2; }
    int is_few = holds(argv[4], argc > 5 ? argv[5] : "", argc > 6 ? argv[6] : "");
    size_t size = (size_t)atol(argv[is_few ? 2 : 1]) << 20;
    long ms = atol(argv[3]);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) { perror("mmap"); return 2; }
    madvise(memory, size, MADV_NOHUGEPAGE);
    for (size_t page = 0; page < size; page += 4096) memory[page] = 1;
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left)) {}
    return 0;
}
