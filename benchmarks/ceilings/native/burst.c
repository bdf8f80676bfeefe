/* Each request allocates BURST_MIB in blocks of 1 to 24 KiB, and frees them. KEPT_MIB are never freed. What the process
 * holds at rest beyond KEPT_MIB is memory that its allocator keeps. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 8080, SMALLEST = 1024, SIZES = 24 };

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

static size_t mib(const char *name)
{
    const char *value = getenv(name);
    return value ? (size_t)atol(value) << 20 : 0;
}

static char **allocate(size_t total, size_t *count)
{
    char **blocks = calloc(total / SMALLEST + 1, sizeof *blocks);
    size_t used = 0;
    for (*count = 0; used < total; ++*count) {
        size_t size = SMALLEST * (1 + *count % SIZES);
        blocks[*count] = malloc(size);
        memset(blocks[*count], 1, size);
        used += size;
    }
    return blocks;
}

int main(void)
{
    size_t count;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listening = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    allocate(mib("KEPT_MIB"), &count);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 128))
        return 1;
    for (;;) {
        char request[4096];
        int connection = accept(listening, NULL, NULL);
        if (connection < 0)
            return 1;
        if (read(connection, request, sizeof request) > 0) {
            char **blocks = allocate(mib("BURST_MIB"), &count);
            for (size_t number = 0; number < count; number++)
                free(blocks[number]);
            free(blocks);
            if (write(connection, ANSWER, sizeof ANSWER - 1) < 0)
                return 1;
        }
        close(connection);
    }
}
