#pragma once
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

// gnutls_free is a variable that holds a function: Swift 6 does not let a global variable of C be read.
static inline void martlet_gnutls_free(void *memory) { gnutls_free(memory); }
