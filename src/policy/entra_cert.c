
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "entra_ascii.h"
#include "entra_cert.h"
#include "entra_enc.h"


void
entra_cert_free(entra_cert_t *cert)
{
    entra_claims_t  lists;

    memset(&lists, 0, sizeof(entra_claims_t));

    lists.roles = cert->uris;
    lists.groups = cert->dns;

    entra_claims_free(&lists);
    memset(cert, 0, sizeof(entra_cert_t));
}


static int
entra_cert_name(entra_cert_t *cert, entra_claims_list_t *list, int lower,
    const ASN1_IA5STRING *value, entra_err_t *err)
{
    int                   i, len;
    char                  name[ENTRA_CERT_NAME_MAX];
    const unsigned char  *data;

    len = ASN1_STRING_length(value);
    data = ASN1_STRING_get0_data(value);

    if (len < 1 || len > ENTRA_CERT_NAME_MAX) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the certificate has an alternative name of %d"
                             " bytes", len);
    }

    for (i = 0; i < len; i++) {

        /* after a NUL others would see the end of the name */

        if (!entra_is_visible(data[i])) {
            return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                                 "the certificate has an alternative name with"
                                 " a byte that is not visible ASCII");
        }

        name[i] = (char) (lower ? entra_lower(data[i]) : data[i]);
    }

    if (list->n == ENTRA_CLAIMS_LIST_MAX) {
        cert->overflow = 1;
        return 0;
    }

    if (entra_claims_add(list, (entra_str_t) { (size_t) len, name }) != 0) {
        return entra_err_no_memory(err);
    }

    return 0;
}


static int
entra_cert_names(entra_cert_t *cert, const GENERAL_NAMES *names,
    entra_err_t *err)
{
    int                  i, rc;
    const GENERAL_NAME  *name;

    for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        name = sk_GENERAL_NAME_value(names, i);
        rc = 0;

        if (name->type == GEN_URI) {
            rc = entra_cert_name(cert, &cert->uris, 0,
                                 name->d.uniformResourceIdentifier, err);

        } else if (name->type == GEN_DNS) {
            rc = entra_cert_name(cert, &cert->dns, 1, name->d.dNSName, err);
        }

        if (rc != 0) {
            return -1;
        }
    }

    return 0;
}


static int
entra_cert_digests(entra_cert_t *cert, X509 *x509)
{
    int             len, rc;
    unsigned char  *der = NULL;

    if (X509_digest(x509, EVP_sha256(), cert->sha256, NULL) != 1) {
        return -1;
    }

    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
    if (len <= 0) {
        return -1;
    }

    rc = entra_sha256((entra_str_t) { (size_t) len, (const char *) der },
                      cert->spki_sha256);
    OPENSSL_free(der);

    return rc;
}


int
entra_cert_read(entra_cert_t *cert, X509 *x509, entra_err_t *err)
{
    int             rc, critical;
    GENERAL_NAMES  *names;

    if (entra_cert_digests(cert, x509) != 0) {
        return entra_err_set(err, ENTRA_ERR_TRANSIENT,
                             "cannot compute the certificate's digests");
    }

    names = X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, NULL);

    if (names == NULL) {

        /* -1: there is none; else it is a duplicate, or broken */

        if (critical == -1) {
            return 0;
        }

        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "the certificate's alternative names cannot be"
                             " read");
    }

    rc = entra_cert_names(cert, names, err);

    GENERAL_NAMES_free(names);

    return rc;
}


/* 64 digits, a colon between each two of them is allowed */

static int
entra_cert_digest_hex(unsigned char digest[32], entra_str_t text)
{
    int     byte;
    size_t  i, step;

    step = text.len == 95 ? 3 : 2;

    if (text.len != 64 && text.len != 95) {
        return -1;
    }

    for (i = 0; i < 32; i++) {
        byte = entra_hex_byte(text.data + i * step);

        if (byte < 0
            || (step == 3 && i < 31 && text.data[i * step + 2] != ':'))
        {
            return -1;
        }

        digest[i] = (unsigned char) byte;
    }

    return 0;
}


static int
entra_cert_digest(unsigned char digest[32], entra_str_t text)
{
    int          rc;
    entra_buf_t  bytes;

    if (entra_cert_digest_hex(digest, text) == 0) {
        return 0;
    }

    entra_buf_init(&bytes, 64);

    rc = text.len <= 44 && entra_dec_base64_lenient(&bytes, text) == 0
         && bytes.len == 32 ? 0 : -1;

    if (rc == 0) {
        memcpy(digest, bytes.data, 32);
    }

    entra_buf_free(&bytes);

    return rc;
}


/* where "*" may stand in a pattern; -1: not there */

static int
entra_cert_wildcard(entra_cert_key_e key, entra_str_t value)
{
    char    separator;
    size_t  i, stars;

    separator = key == ENTRA_CERT_SAN_DNS ? '.' : '/';
    stars = 0;

    for (i = 0; i < value.len; i++) {

        if (value.data[i] != '*') {
            continue;
        }

        if (++stars > 8 || (i + 1 < value.len
                            && value.data[i + 1] != separator))
        {
            return -1;
        }

        if (key == ENTRA_CERT_SAN_DNS) {

            /* of the left-most label only, and not of a top-level domain */

            if (i != 0 || value.len < 3
                || memchr(value.data + 2, '.', value.len - 2) == NULL)
            {
                return -1;
            }

        } else if (i < 3 || value.data[i - 1] != '/'
                   || value.data[i - 2] == '/')
        {
            return -1;
        }
    }

    return stars > 0;
}


static int
entra_cert_match_name(entra_cert_match_t *match, entra_str_t value,
    entra_err_t *err)
{
    int  wildcard;

    if (value.len == 0 || value.len > ENTRA_CERT_NAME_MAX
        || !entra_str_is_visible(value))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a name of a certificate has 1 to %u visible"
                             " ASCII characters", ENTRA_CERT_NAME_MAX);
    }

    if (match->key == ENTRA_CERT_SAN_URI
        && memchr(value.data, ':', value.len) == NULL)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"san_uri=%.*s\": write the whole URI, as in"
                             " spiffe://corp.example/ns/scoring",
                             (int) value.len, value.data);
    }

    wildcard = entra_cert_wildcard(match->key, value);

    if (wildcard < 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\": \"*\" stands for a whole segment of a"
                             " URI's path, or for the first label of a name,"
                             " as in *.scoring.example.com",
                             (int) value.len, value.data);
    }

    match->wildcard = (unsigned) wildcard & 1;

    match->value = match->key == ENTRA_CERT_SAN_DNS
                   ? entra_str_dup_lower(value) : entra_str_dup(value);

    return match->value ? 0 : entra_err_no_memory(err);
}


int
entra_cert_match_parse(entra_cert_match_t *match, entra_str_t word,
    entra_err_t *err)
{
    size_t       n;
    unsigned     i;
    entra_str_t  value;

    static const char *const  keys[] = {
        "san_uri=", "san_dns=", "spki_sha256=", "cert_sha256="
    };

    memset(match, 0, sizeof(entra_cert_match_t));

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (entra_str_starts(word, keys[i])) {
            break;
        }
    }

    if (i == sizeof(keys) / sizeof(keys[0])) {
        return 1;
    }

    n = strlen(keys[i]);
    value.data = word.data + n;
    value.len = word.len - n;

    match->key = (entra_cert_key_e) i;

    if (i <= ENTRA_CERT_SAN_DNS) {
        return entra_cert_match_name(match, value, err);
    }

    if (entra_cert_digest(match->digest, value) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" is not a SHA-256 digest: write its 64"
                             " hexadecimal digits, or base64",
                             (int) word.len, word.data);
    }

    return 0;
}


void
entra_cert_match_free(entra_cert_match_t *match)
{
    free(match->value);
    memset(match, 0, sizeof(entra_cert_match_t));
}


/*
 * "*" in the pattern is one label or segment, not empty.  A "*" in the name
 * is no wildcard, and matches nothing but itself in a pattern without any.
 */

static int
entra_cert_pattern(const char *pattern, const char *name, char separator)
{
    if (strchr(name, '*')) {
        return 0;
    }

    while (*pattern) {

        if (*pattern != '*') {
            if (*pattern++ != *name++) {
                return 0;
            }

            continue;
        }

        if (*name == separator || *name == '\0') {
            return 0;
        }

        while (*name && *name != separator) {
            name++;
        }

        pattern++;
    }

    return *name == '\0';
}


static unsigned
entra_cert_match_list(const entra_cert_match_t *match,
    const entra_cert_t *cert, const entra_claims_list_t *list, char separator)
{
    unsigned  i, found;

    for (i = 0; i < list->n; i++) {
        found = match->wildcard
                ? (unsigned) entra_cert_pattern(match->value, list->items[i],
                                                separator)
                : strcmp(match->value, list->items[i]) == 0;

        if (found) {
            return ENTRA_TRUE;
        }
    }

    return cert->overflow ? ENTRA_UNKNOWN : ENTRA_FALSE;
}


unsigned
entra_cert_match(const entra_cert_match_t *match, const entra_cert_t *cert)
{
    switch (match->key) {

    case ENTRA_CERT_SAN_URI:
        return entra_cert_match_list(match, cert, &cert->uris, '/');

    case ENTRA_CERT_SAN_DNS:
        return entra_cert_match_list(match, cert, &cert->dns, '.');

    case ENTRA_CERT_SPKI_SHA256:
        return memcmp(match->digest, cert->spki_sha256, 32) ? ENTRA_FALSE
                                                           : ENTRA_TRUE;

    case ENTRA_CERT_SHA256:
        return memcmp(match->digest, cert->sha256, 32) ? ENTRA_FALSE
                                                      : ENTRA_TRUE;
    }

    return ENTRA_UNKNOWN;
}
