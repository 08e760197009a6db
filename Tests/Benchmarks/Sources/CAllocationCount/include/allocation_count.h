#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

/// Calls of malloc, calloc, realloc and the aligned ones by the calling thread so far.
unsigned long allocation_count(void);

#endif
