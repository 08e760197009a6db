// librdkafka's mock cluster listens on a port of the kernel's choice and has no option for another. Its call of bind() finds this
// function first, because the executable's symbols come before those of shared libraries.
#define _GNU_SOURCE
#include "fixed_port.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static _Atomic unsigned short wanted_port;

void fixed_port_want(unsigned short port) { atomic_store(&wanted_port, port); }

// A restart must not wait for the old connections' TIME_WAIT.
static void allow_reuse(int descriptor) {
    int one = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
}

int fixed_port_check(unsigned short port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0) return errno;
    allow_reuse(descriptor);
    // Listening too: with SO_REUSEADDR two sockets may be bound, but only one may listen.
    int failed = bind(descriptor, (const struct sockaddr *)&address, sizeof address) != 0 || listen(descriptor, 1) != 0;
    int code = failed ? errno : 0;
    close(descriptor);
    return code;
}

static unsigned short *port_of(struct sockaddr_storage *address, socklen_t length) {
    if (address->ss_family == AF_INET && length >= sizeof(struct sockaddr_in)) return &((struct sockaddr_in *)address)->sin_port;
    if (address->ss_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) return &((struct sockaddr_in6 *)address)->sin6_port;
    return NULL;
}

int bind(int descriptor, const struct sockaddr *address, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    struct sockaddr_storage copy;
    if (address == NULL || length > sizeof copy) return real(descriptor, address, length);
    memset(&copy, 0, sizeof copy);
    memcpy(&copy, address, length);
    unsigned short *port = port_of(&copy, length);
    unsigned short wanted = port != NULL && *port == 0 ? atomic_exchange(&wanted_port, 0) : 0;
    if (wanted == 0) return real(descriptor, address, length);
    *port = htons(wanted);
    allow_reuse(descriptor);
    return real(descriptor, (const struct sockaddr *)&copy, length);
}
