
/*
 * Copyright (C) nginx-entra authors
 *
 * Bundles: certificates in any order, as PEM and as PKCS#12.
 */

#include "entra_certificate.h"
#include "entra_enc.h"
#include "fixture.h"
#include "tap.h"


#define DAY    86400
#define PARTS  5


static EVP_PKEY  *key;
static X509      *root, *inter, *leaf, *stranger, *expired, *coming;


static void
add_der(entra_buf_t *b, X509 *x)
{
    int             n;
    unsigned char  *der = NULL;

    n = i2d_X509(x, &der);
    entra_buf_add_char(b, '"');
    entra_enc_base64(b, der, (size_t) n);
    entra_buf_add_char(b, '"');
    OPENSSL_free(der);
}


/* the leaf, then its issuers; NULL ends */

static char *
x5c(X509 **chain)
{
    int          i;
    entra_buf_t  b;

    entra_buf_init(&b, 64 * 1024);
    entra_buf_add_char(&b, '[');

    for (i = 0; chain[i]; i++) {
        if (i) {
            entra_buf_add_char(&b, ',');
        }

        add_der(&b, chain[i]);
    }

    entra_buf_add_char(&b, ']');

    return entra_buf_steal(&b);
}


/* 1: the content gives this x5c */

static int
gives(entra_str_t content, const char *password, X509 **chain)
{
    int                   rc;
    char                 *want;
    entra_err_t           err;
    entra_buf_t           got;
    entra_certificate_t  *cert;

    entra_err_clear(&err);
    cert = entra_certificate_parse(content, password, &err);

    if (cert == NULL) {
        printf("# %s\n", err.text);
        return 0;
    }

    entra_buf_init(&got, 64 * 1024);
    entra_certificate_x5c(cert, &got);
    want = x5c(chain);
    rc = strcmp(want, entra_buf_str(&got).data) == 0;

    free(want);
    entra_buf_free(&got);
    entra_certificate_free(cert);

    return rc;
}


static void
add_pem(entra_buf_t *b, X509 *x)
{
    char  *text;

    text = fixture_pem(x, x ? NULL : key, NULL, NULL);
    entra_buf_add_c(b, text);
    free(text);
}


/* parts[order[0]], ...: NULL is the key */

static int
pem_gives(X509 **parts, const int *order, int n, X509 **chain)
{
    int          i, rc;
    entra_buf_t  b;

    entra_buf_init(&b, 64 * 1024);

    for (i = 0; i < n; i++) {
        add_pem(&b, parts[order[i]]);
    }

    rc = gives(entra_buf_str(&b), NULL, chain);
    entra_buf_free(&b);

    return rc;
}


/* all orders: those of which it does not hold are counted */

static int
wrong_orders(X509 **parts, int *order, int from, X509 **chain, int *tried)
{
    int  i, swap, bad = 0;

    if (from == PARTS) {
        (*tried)++;
        return !pem_gives(parts, order, PARTS, chain);
    }

    for (i = from; i < PARTS; i++) {
        swap = order[from];
        order[from] = order[i];
        order[i] = swap;

        bad += wrong_orders(parts, order, from + 1, chain, tried);

        swap = order[from];
        order[from] = order[i];
        order[i] = swap;
    }

    return bad;
}


static void
test_pem(void)
{
    int    tried = 0, order[PARTS] = { 0, 1, 2, 3, 4 };
    X509  *full[] = { leaf, inter, root, NULL };
    X509  *parts[] = { NULL, root, inter, leaf, stranger };
    X509  *renewed[] = { NULL, expired, leaf, coming, inter };
    X509  *two[] = { leaf, inter, NULL };
    X509  *lone[] = { leaf, NULL };
    X509  *gap[] = { NULL, root, leaf };
    X509  *old[] = { NULL, expired, inter };
    X509  *last[] = { expired, inter, NULL };

    ok(wrong_orders(parts, order, 0, full, &tried) == 0, "any order");
    ok(tried == 120, "all of them");
    ok(wrong_orders(renewed, order, 0, two, &tried) == 0,
       "several of one key: the valid one");
    ok(pem_gives(gap, order, 3, lone), "what does not certify it is left out");
    ok(pem_gives(old, order, 3, last), "none valid: there is no other");
}


static int
p12_gives(X509 *main_cert, X509 **others, X509 **chain)
{
    int             i, n, rc;
    PKCS12         *p12;
    unsigned char  *der = NULL;
    STACK_OF(X509)  *ca;

    ca = sk_X509_new_null();

    for (i = 0; others[i]; i++) {
        sk_X509_push(ca, others[i]);
    }

    p12 = PKCS12_create("pw", "name", key, main_cert, ca, 0, 0, 0, 0, 0);
    n = i2d_PKCS12(p12, &der);

    rc = gives((entra_str_t) { (size_t) n, (char *) der }, "pw", chain);

    OPENSSL_free(der);
    PKCS12_free(p12);
    sk_X509_free(ca);

    return rc;
}


static void
test_pkcs12(void)
{
    X509  *full[] = { leaf, inter, root, NULL };
    X509  *one[] = { root, inter, NULL };
    X509  *other[] = { inter, stranger, root, NULL };
    X509  *renewed[] = { root, leaf, inter, NULL };
    X509  *none[] = { NULL };
    X509  *lone[] = { leaf, NULL };

    ok(p12_gives(leaf, one, full), "PKCS#12: root first");
    ok(p12_gives(leaf, other, full), "intermediate first, and a stranger");
    ok(p12_gives(expired, renewed, full), "the valid one of two");
    ok(p12_gives(leaf, none, lone), "a leaf alone");
}


static void
refuses(entra_str_t content, const char *part)
{
    entra_err_t           err;
    entra_certificate_t  *cert;

    entra_err_clear(&err);
    cert = entra_certificate_parse(content, NULL, &err);

    ok(cert == NULL && strstr(err.text, part), "%s", part);
    entra_certificate_free(cert);
}


/* each has one of what is needed, or a relative of it */

static void
test_halves(void)
{
    int             n;
    unsigned char  *der = NULL;

    n = i2d_X509(leaf, &der);
    refuses((entra_str_t) { (size_t) n, (char *) der },
            "certificate (DER) without its private key");
    OPENSSL_free(der);

    der = NULL;
    n = i2d_PrivateKey(key, &der);
    refuses((entra_str_t) { (size_t) n, (char *) der },
            "private key (DER) without its certificate");
    OPENSSL_free(der);

    refuses(entra_str("-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----\n"),
            "PKCS#7");
    refuses(entra_str("-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n"
                      "-----END CERTIFICATE REQUEST-----\n"),
            "signing request");
    refuses(entra_str("-----BEGIN PUBLIC KEY-----\nMIIB\n"
                      "-----END PUBLIC KEY-----\n"), "public key");
    refuses(entra_str("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n"
                      "-----END OPENSSH PRIVATE KEY-----\n"), "ssh-keygen");
    refuses(entra_str("0\x82\x01\x01hello"), "neither PEM nor PKCS#12");
}


int
main(void)
{
    EVP_PKEY  *root_key, *inter_key, *other_key;

    key = fixture_key(2048);
    root_key = fixture_key(2048);
    inter_key = fixture_key(2048);
    other_key = fixture_key(2048);

    root = fixture_cert(root_key, "root", -DAY, 99 * DAY);
    inter = fixture_issued(inter_key, "inter", -DAY, 99 * DAY, root,
                           root_key);
    leaf = fixture_issued(key, "leaf", -DAY, 99 * DAY, inter, inter_key);
    expired = fixture_issued(key, "leaf", -9 * DAY, -DAY, inter, inter_key);
    coming = fixture_issued(key, "leaf", DAY, 999 * DAY, inter, inter_key);

    /* of the issuer's name, and not it */
    stranger = fixture_cert(other_key, "inter", -DAY, 99 * DAY);

    test_pem();
    test_pkcs12();
    test_halves();

    X509_free(root);
    X509_free(inter);
    X509_free(leaf);
    X509_free(expired);
    X509_free(coming);
    X509_free(stranger);
    EVP_PKEY_free(key);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(inter_key);
    EVP_PKEY_free(other_key);

    return done();
}
