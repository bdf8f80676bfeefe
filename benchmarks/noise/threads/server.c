/* A thread for each request. glibc gives threads arenas, as many as collide; one block that outlives its request keeps
 * its arena from shrinking. How much that comes to depends on which requests met: it is another figure each time. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 8080, BLOCK = 2048, SMALLEST = 64, DOUBLINGS = 8, REMEMBERED = 64 };

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *remembered[REMEMBERED];

/* One block of the request goes into a cache of results, and the one that was in its place is freed. */
static void remember(char *block, int place)
{
    pthread_mutex_lock(&lock);
    char *earlier = remembered[place];
    remembered[place] = block;
    pthread_mutex_unlock(&lock);
    free(earlier);
}

/* From 128 KiB to 16 MiB in small blocks: most requests are small, few are large. */
static void work(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned seed = (unsigned)now.tv_nsec;
    int count = SMALLEST << rand_r(&seed) % DOUBLINGS;
    char **blocks = malloc(count * sizeof *blocks);
    for (int number = 0; number < count; number++) {
        blocks[number] = malloc(BLOCK);
        memset(blocks[number], number, BLOCK);
    }
    int kept = rand_r(&seed) % count;
    for (int number = 0; number < count; number++)
        if (number != kept)
            free(blocks[number]);
    remember(blocks[kept], rand_r(&seed) % REMEMBERED);
    free(blocks);
}

static void *serve(void *argument)
{
    int connection = (int)(intptr_t)argument;
    char request[4096];
    if (read(connection, request, sizeof request) > 0) {
        work();
        if (write(connection, ANSWER, sizeof ANSWER - 1) < 0)
            abort();
    }
    close(connection);
    return NULL;
}

int main(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 128))
        return 1;
    for (;;) {
        int connection = accept(listening, NULL, NULL);
        pthread_t thread;
        if (connection < 0 || pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection))
            return 1;
        pthread_detach(thread);
    }
}
