#pragma once
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>

// Swift cannot call variadic functions: one inline function for each shape in use.
static inline const union MHD_ConnectionInfo *
martlet_mhd_connection_info(struct MHD_Connection *connection, enum MHD_ConnectionInfoType kind) {
    return MHD_get_connection_info(connection, kind);
}

static inline const union MHD_DaemonInfo *martlet_mhd_daemon_info(struct MHD_Daemon *daemon, enum MHD_DaemonInfoType kind) {
    return MHD_get_daemon_info(daemon, kind);
}

static inline struct MHD_Daemon *martlet_mhd_start(
    unsigned int flags, uint16_t port, MHD_AccessHandlerCallback handler, void *context, struct MHD_OptionItem *options) {
    return MHD_start_daemon(flags, port, NULL, NULL, handler, context, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static inline int martlet_mhd_format(char *text, size_t size, const char *format, va_list arguments) {
    return vsnprintf(text, size, format, arguments);
}
