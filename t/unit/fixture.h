
/*
 * Copyright (C) nginx-entra authors
 *
 * For unit tests: files in a directory of their own, environments, and
 * certificates.
 */

#ifndef FIXTURE_H
#define FIXTURE_H


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "entra_env.h"


#define FIXTURE_FILES  64


static char   fixture_dir[256];
static char  *fixture_files[FIXTURE_FILES];
static int    fixture_nfiles;


static void
fixture_cleanup(void)
{
    char  command[300];

    snprintf(command, sizeof(command), "rm -rf %s", fixture_dir);

    if (system(command) != 0) {
        fprintf(stderr, "cannot remove %s\n", fixture_dir);
    }

    while (fixture_nfiles) {
        free(fixture_files[--fixture_nfiles]);
    }
}


/* the directory, which is removed at exit */

static const char *
fixture_top(void)
{
    if (fixture_dir[0] == '\0') {
        snprintf(fixture_dir, sizeof(fixture_dir), "%s/entra-XXXXXX",
                 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");

        if (mkdtemp(fixture_dir) == NULL) {
            perror("mkdtemp");
            exit(2);
        }

        atexit(fixture_cleanup);
    }

    return fixture_dir;
}


/* the path of a file there */

__attribute__((unused))
static const char *
fixture_path(const char *name)
{
    int   i;
    char  path[512];

    snprintf(path, sizeof(path), "%s/%s", fixture_top(), name);

    for (i = 0; i < fixture_nfiles; i++) {
        if (strcmp(fixture_files[i], path) == 0) {
            return fixture_files[i];
        }
    }

    if (fixture_nfiles == FIXTURE_FILES) {
        abort();
    }

    fixture_files[fixture_nfiles] = strdup(path);

    return fixture_files[fixture_nfiles++];
}


/* as if it had been written that many seconds ago */

__attribute__((unused))
static int
fixture_written(const char *path, time_t ago)
{
    struct timeval  times[2] = { { 0, 0 }, { 0, 0 } };

    times[0].tv_sec = times[1].tv_sec = time(NULL) - ago;

    return utimes(path, times);
}


/* writes another file and moves it there, as careful programs do */

__attribute__((unused))
static const char *
fixture_bytes(const char *name, const void *data, size_t len)
{
    FILE        *f;
    char         tmp[600];
    const char  *path = fixture_path(name);

    snprintf(tmp, sizeof(tmp), "%s.new", path);

    f = fopen(tmp, "w");
    if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0
        || fixture_written(tmp, 60) != 0 || rename(tmp, path) != 0)
    {
        perror(path);
        exit(2);
    }

    return path;
}


__attribute__((unused))
static const char *
fixture_write(const char *name, const char *text)
{
    return fixture_bytes(name, text, strlen(text));
}


/* "NAME=value\nNAME2=value\n" */

__attribute__((unused))
static entra_env_t *
fixture_env(const char *text)
{
    entra_err_t   err;
    entra_env_t  *env;

    entra_err_clear(&err);
    env = entra_env_create(NULL, 0);

    if (entra_env_parse(env, entra_str_c(text), NULL, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }

    return env;
}


__attribute__((unused))
static EVP_PKEY *
fixture_key(unsigned bits)
{
    return bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(bits);
}


/* valid from and until seconds from now; by itself without an issuer */

__attribute__((unused))
static X509 *
fixture_issued(EVP_PKEY *key, const char *name, long from, long until,
    X509 *issuer, EVP_PKEY *issuer_key)
{
    X509       *x;
    X509_NAME  *subject;

    x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), until);
    X509_set_pubkey(x, key);

    subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *) name, -1, -1, 0);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject);
    X509_sign(x, issuer ? issuer_key : key, EVP_sha256());

    return x;
}


__attribute__((unused))
static X509 *
fixture_cert(EVP_PKEY *key, const char *name, long from, long until)
{
    return fixture_issued(key, name, from, until, NULL, NULL);
}


/* PEM text of what is not NULL, in this order; the key perhaps encrypted */

__attribute__((unused))
static char *
fixture_pem(X509 *first, EVP_PKEY *key, const char *password, X509 *last)
{
    BIO    *bio;
    char   *data, *text;
    long    n;

    bio = BIO_new(BIO_s_mem());

    if (first) {
        PEM_write_bio_X509(bio, first);
    }

    if (key) {
        PEM_write_bio_PKCS8PrivateKey(bio, key,
                                      password ? EVP_aes_256_cbc() : NULL,
                                      password,
                                      password ? (int) strlen(password) : 0,
                                      NULL, NULL);
    }

    if (last) {
        PEM_write_bio_X509(bio, last);
    }

    n = BIO_get_mem_data(bio, &data);
    text = calloc(1, (size_t) n + 1);
    memcpy(text, data, (size_t) n);
    BIO_free(bio);

    return text;
}


__attribute__((unused))
static unsigned char *
fixture_p12(X509 *cert, EVP_PKEY *key, const char *password, int *len)
{
    PKCS12         *p12;
    unsigned char  *der = NULL;

    p12 = PKCS12_create(password, "name", key, cert, NULL, 0, 0, 0, 0, 0);
    *len = i2d_PKCS12(p12, &der);
    PKCS12_free(p12);

    return der;
}


#endif /* FIXTURE_H */
