#pragma once

/// The next bind() of this process to port 0 of an IPv4 or IPv6 address binds to `port` instead. 0 switches this off.
void fixed_port_want(unsigned short port);

/// Whether `port` of 127.0.0.1 can be bound: 0, or errno. librdkafka's mock cluster aborts the process when its own bind() fails.
int fixed_port_check(unsigned short port);
