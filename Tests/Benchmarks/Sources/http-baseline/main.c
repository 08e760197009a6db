// Bare libmicrohttpd with the suspend and resume of HTTPServer: one epoll thread takes a request and suspends its connection, a
// worker thread makes the JSON and resumes it, the epoll thread queues the answer. Prints "listening PORT".
#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    struct MHD_Connection *connection;
    struct request *next;
    int suspended;
    int length;
    char device[129];
    char body[512];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct request *first, *last;

static void push(struct request *request) {
    pthread_mutex_lock(&lock);
    request->next = NULL;
    if (last) last->next = request; else first = request;
    last = request;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&lock);
}

static void *work(void *unused) {
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!first) pthread_cond_wait(&filled, &lock);
        struct request *request = first;
        first = request->next;
        if (!first) last = NULL;
        pthread_mutex_unlock(&lock);
        request->length = snprintf(
            request->body, sizeof request->body,
            "{\"device\":\"%s\",\"metric\":\"temperature\",\"unit\":\"C\",\"time\":1767225600123456,\"value\":%g,\"quality\":0}",
            request->device, 21.5);
        MHD_resume_connection(request->connection);
    }
    return NULL;
}

static enum MHD_Result answer(
    void *unused, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *upload,
    size_t *size, void **slot) {
    (void)unused, (void)version, (void)upload, (void)size;
    static const char prefix[] = "/v1/devices/", suffix[] = "/latest";
    struct request *request = *slot;
    if (!request) {
        if (strcmp(method, "GET") != 0 || strncmp(url, prefix, sizeof prefix - 1) != 0) return MHD_NO;
        request = malloc(sizeof *request);
        if (!request) return MHD_NO;
        request->connection = connection;
        request->suspended = 0;
        const char *device = url + sizeof prefix - 1;
        const char *end = strstr(device, suffix);
        size_t length = end ? (size_t)(end - device) : 0;
        if (length == 0 || length >= sizeof request->device) {
            free(request);
            return MHD_NO;
        }
        memcpy(request->device, device, length);
        request->device[length] = 0;
        *slot = request;
        return MHD_YES;
    }
    if (!request->suspended) {
        request->suspended = 1;
        MHD_suspend_connection(connection);
        push(request);
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer((size_t)request->length, request->body, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static void completed(void *unused, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode reason) {
    (void)unused, (void)connection, (void)reason;
    free(*slot);
    *slot = NULL;
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_t worker;
    if (pthread_create(&worker, NULL, work, NULL) != 0) return 1;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_LIMIT, 2048u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)32768, MHD_OPTION_CONNECTION_TIMEOUT, 60u, MHD_OPTION_END);
    if (!daemon) return 1;
    printf("listening %d\n", (int)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    pause();
    return 0;
}
