/* Answers HTTP requests. At the first one it takes GROWTH_MIB of memory, of the KIND heap, mapped, shared or arena. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const size_t MIB = 1 << 20;

static void add_small(size_t mebibytes) {
    for (size_t at = 0; at < mebibytes * 1024; at += 1) memset(malloc(1000), 1, 1000);
}

static void add_mapped(size_t mebibytes) {
    for (size_t at = 0; at < mebibytes; at += 1) memset(malloc(MIB), 1, MIB);
}

static void add_shared(size_t mebibytes) {
    int file = memfd_create("catalog-cache", 0);
    if (ftruncate(file, (off_t)(mebibytes * MIB)) != 0) exit(1);
    memset(mmap(NULL, mebibytes * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), 1, mebibytes * MIB);
}

static void *in_arena(void *mebibytes) {
    add_small((size_t)mebibytes);
    pause();
    return NULL;
}

static void build_index(const char *kind, size_t mebibytes) {
    pthread_t thread;
    if (mebibytes == 0) return;
    if (strcmp(kind, "mapped") == 0) add_mapped(mebibytes);
    else if (strcmp(kind, "shared") == 0) add_shared(mebibytes);
    else if (strcmp(kind, "arena") == 0) pthread_create(&thread, NULL, in_arena, (void *)mebibytes);
    else add_small(mebibytes);
}

int main(void) {
    const char *kind = getenv("KIND") ? getenv("KIND") : "heap";
    size_t mebibytes = getenv("GROWTH_MIB") ? (size_t)atoi(getenv("GROWTH_MIB")) : 0;
    const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1, requests = 0;
    char asked[4096];
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 100) != 0) return 1;
    for (;;) {
        int connection = accept(server, NULL, NULL);
        if (connection < 0) continue;
        if (read(connection, asked, sizeof asked) > 0) {
            if (requests++ == 0) build_index(kind, mebibytes);
            if (write(connection, answer, sizeof answer - 1) < 0) perror("answer");
        }
        close(connection);
    }
}
