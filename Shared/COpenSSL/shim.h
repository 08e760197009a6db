#pragma once
#define OPENSSL_NO_DEPRECATED
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// Macros and variadic functions, which Swift cannot call: one inline function for each in use.
static inline long martlet_bio_data(BIO *bio, char **data) { return BIO_get_mem_data(bio, data); }
static inline int martlet_general_name_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
static inline GENERAL_NAME *martlet_general_name(const GENERAL_NAMES *names, int index) { return sk_GENERAL_NAME_value(names, index); }
static inline EVP_PKEY *martlet_generate_p256(void) { return EVP_EC_gen("P-256"); }
static inline EVP_PKEY *martlet_generate_ed25519(void) { return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"); }

// For files that are encrypted: without a callback OpenSSL would ask for the passphrase at the terminal.
static inline int martlet_no_passphrase(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}
static inline void martlet_free(void *memory) { OPENSSL_free(memory); }

enum { martlet_utf8 = MBSTRING_UTF8 };
static inline GENERAL_NAMES *martlet_general_names_new(void) { return sk_GENERAL_NAME_new_null(); }

// One DNS name, URI or IP address more; 1 when it was added.
static inline int martlet_general_names_add(GENERAL_NAMES *names, int kind, const unsigned char *bytes, int count) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(kind == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    if (name != NULL && value != NULL && ASN1_STRING_set(value, bytes, count) == 1) {
        GENERAL_NAME_set0_value(name, kind, value);
        if (sk_GENERAL_NAME_push(names, name) > 0) return 1;
        value = NULL;
    }
    ASN1_STRING_free(value);
    GENERAL_NAME_free(name);
    return 0;
}
