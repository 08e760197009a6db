#pragma once
#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
/* What drives libmosquitto's sockets; Swift's Glibc module leaves these two out. */
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* One mosquitto_loop_read. `errno` is a macro and tells what the return code does not: the socket had nothing (more) to give. */
static inline int martlet_mosquitto_read(struct mosquitto *client, bool *would_block) {
    errno = 0;
    int code = mosquitto_loop_read(client, 1);
    *would_block = errno == EAGAIN || errno == EWOULDBLOCK;
    return code;
}
