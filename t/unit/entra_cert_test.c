
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "entra_cert.h"
#include "entra_enc.h"
#include "tap.h"


typedef struct {
    int          type;
    size_t       len;
    const char  *data;
} san_t;

#define uri(text)  { GEN_URI, sizeof(text) - 1, text }
#define dns(text)  { GEN_DNS, sizeof(text) - 1, text }


static const char *const  truth[] = { "false", "unknown", "true" };


static X509 *
make(const san_t *sans, size_t n, int copies)
{
    int              k;
    size_t           i;
    X509            *x509;
    EVP_PKEY        *key;
    GENERAL_NAME    *name;
    GENERAL_NAMES   *names;
    ASN1_IA5STRING  *text;

    x509 = X509_new();
    key = EVP_EC_gen("P-256");

    X509_set_pubkey(x509, key);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
                               MBSTRING_ASC,
                               (const unsigned char *) "x/CN=admin,O=Corp",
                               -1, -1, 0);

    names = sk_GENERAL_NAME_new_null();

    for (i = 0; i < n; i++) {
        name = GENERAL_NAME_new();
        text = ASN1_IA5STRING_new();
        ASN1_STRING_set(text, sans[i].data, (int) sans[i].len);
        GENERAL_NAME_set0_value(name, sans[i].type, text);
        sk_GENERAL_NAME_push(names, name);
    }

    for (k = 0; k < copies; k++) {
        X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0,
                          X509V3_ADD_APPEND);
    }

    X509_sign(x509, key, EVP_sha256());

    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    EVP_PKEY_free(key);

    return x509;
}


static void
is_test(const entra_cert_t *cert, const char *word, unsigned want)
{
    unsigned            got;
    entra_err_t         err;
    entra_cert_match_t   test;

    entra_err_clear(&err);

    if (entra_cert_match_parse(&test, entra_str_c(word), &err) != 0) {
        ok(0, "reads %s: %s", word, err.text);
        return;
    }

    got = entra_cert_match(&test, cert);
    ok(got == want, "%s is %s", word, truth[got]);

    entra_cert_match_free(&test);
}


static void
refuses(const char *word, int want)
{
    entra_err_t        err;
    entra_cert_match_t  test;

    entra_err_clear(&err);
    ok(entra_cert_match_parse(&test, entra_str_c(word), &err) == want,
       "%s: %s", word, want == 1 ? "not about certificates" : err.text);
    entra_cert_match_free(&test);
}


static void
digests(X509 *x509, const entra_cert_t *cert)
{
    char           word[128];
    unsigned       i;
    entra_buf_t    b;
    unsigned char  other[32];

    entra_buf_init(&b, 1024);
    entra_buf_add_c(&b, "cert_sha256=");
    entra_enc_hex(&b, cert->sha256, 32);
    is_test(cert, entra_buf_str(&b).data, ENTRA_TRUE);

    entra_buf_reset(&b);
    entra_buf_add_c(&b, "spki_sha256=");
    entra_enc_base64(&b, cert->spki_sha256, 32);
    is_test(cert, entra_buf_str(&b).data, ENTRA_TRUE);

    entra_buf_reset(&b);
    entra_buf_add_c(&b, "spki_sha256=");

    for (i = 0; i < 32; i++) {
        entra_buf_addf(&b, "%s%02X", i ? ":" : "", cert->spki_sha256[i]);
    }

    is_test(cert, entra_buf_str(&b).data, ENTRA_TRUE);

    memcpy(other, cert->sha256, 32);
    other[31] ^= 1;
    entra_buf_reset(&b);
    entra_buf_add_c(&b, "cert_sha256=");
    entra_enc_hex(&b, other, 32);
    is_test(cert, entra_buf_str(&b).data, ENTRA_FALSE);

    entra_buf_reset(&b);
    entra_buf_add_c(&b, "spki_sha256=");
    entra_enc_hex(&b, cert->sha256, 32);
    is_test(cert, entra_buf_str(&b).data, ENTRA_FALSE);
    entra_buf_free(&b);

    snprintf(word, sizeof(word), "cert_sha256=%064d", 0);
    is_test(cert, word, ENTRA_FALSE);

    X509_pubkey_digest(x509, EVP_sha256(), other, NULL);
    ok(memcmp(other, cert->spki_sha256, 32) != 0,
       "SPKI is the whole SubjectPublicKeyInfo, not the key's bits alone");
}


static void
bad(const char *name, int type, size_t len, const char *data)
{
    X509          *x509;
    san_t          san;
    entra_err_t    err;
    entra_cert_t   cert;

    san.type = type;
    san.len = len;
    san.data = data;

    x509 = make(&san, 1, 1);
    memset(&cert, 0, sizeof(cert));
    entra_err_clear(&err);

    ok(entra_cert_read(&cert, x509, &err) == -1, "%s: %s", name, err.text);

    entra_cert_free(&cert);
    X509_free(x509);
}


static void
overflow(void)
{
    X509          *x509;
    char           names[300][16];
    san_t          sans[300];
    size_t         i;
    entra_err_t    err;
    entra_cert_t   cert;

    for (i = 0; i < 300; i++) {
        snprintf(names[i], sizeof(names[i]), "h%zu.example", i);
        sans[i].type = GEN_DNS;
        sans[i].data = names[i];
        sans[i].len = strlen(names[i]);
    }

    x509 = make(sans, 300, 1);
    memset(&cert, 0, sizeof(cert));

    ok(entra_cert_read(&cert, x509, &err) == 0 && cert.overflow,
       "300 names are more than are kept");
    is_test(&cert, "san_dns=h5.example", ENTRA_TRUE);
    is_test(&cert, "san_dns=other.example", ENTRA_UNKNOWN);

    entra_cert_free(&cert);
    X509_free(x509);
}


int
main(void)
{
    char           longest[ENTRA_CERT_NAME_MAX + 2];
    X509          *x509;
    entra_err_t    err;
    entra_cert_t   cert;

    static const san_t  sans[] = {
        uri("spiffe://corp.example/ns/scoring/sa/job-1"),
        uri("urn:corp:app"),
        dns("Client.Scoring.Example.COM"),
        dns("*.wild.example.com"),
        { GEN_EMAIL, 11, "admin@a.com" }
    };

    x509 = make(sans, 5, 1);
    memset(&cert, 0, sizeof(cert));
    entra_err_clear(&err);

    ok(entra_cert_read(&cert, x509, &err) == 0, "reads a certificate");
    ok(cert.uris.n == 2 && cert.dns.n == 2, "its names");

    is_test(&cert, "san_uri=spiffe://corp.example/ns/scoring/sa/job-1",
            ENTRA_TRUE);
    is_test(&cert, "san_uri=spiffe://corp.example/ns/scoring/sa/job-",
            ENTRA_FALSE);
    is_test(&cert, "san_uri=spiffe://corp.example/ns/scoring/sa/job-11",
            ENTRA_FALSE);
    is_test(&cert, "san_uri=spiffe://corp.example/ns/scoring/sa/*",
            ENTRA_TRUE);
    is_test(&cert, "san_uri=spiffe://corp.example/ns/*/sa/*", ENTRA_TRUE);
    is_test(&cert, "san_uri=spiffe://corp.example/ns/*", ENTRA_FALSE);
    is_test(&cert, "san_uri=spiffe://corp.example/*/*/*/*/*", ENTRA_FALSE);
    is_test(&cert, "san_uri=SPIFFE://corp.example/ns/scoring/sa/job-1",
            ENTRA_FALSE);
    is_test(&cert, "san_uri=urn:corp:app", ENTRA_TRUE);

    is_test(&cert, "san_dns=client.scoring.example.com", ENTRA_TRUE);
    is_test(&cert, "san_dns=CLIENT.scoring.example.com", ENTRA_TRUE);
    is_test(&cert, "san_dns=*.scoring.example.com", ENTRA_TRUE);
    is_test(&cert, "san_dns=*.example.com", ENTRA_FALSE);
    is_test(&cert, "san_dns=scoring.example.com", ENTRA_FALSE);

    /* a wildcard in the certificate is no wildcard for us (T60) */

    is_test(&cert, "san_dns=a.wild.example.com", ENTRA_FALSE);
    is_test(&cert, "san_dns=*.wild.example.com", ENTRA_FALSE);
    is_test(&cert, "san_dns=admin@a.com", ENTRA_FALSE);

    digests(x509, &cert);
    entra_cert_free(&cert);
    X509_free(x509);

    x509 = make(sans, 0, 0);
    memset(&cert, 0, sizeof(cert));
    ok(entra_cert_read(&cert, x509, &err) == 0 && cert.uris.n == 0
       && cert.dns.n == 0, "without alternative names; the subject's"
       " \"x/CN=admin\" is never looked at (T60)");
    is_test(&cert, "san_dns=admin", ENTRA_FALSE);
    entra_cert_free(&cert);
    X509_free(x509);

    x509 = make(sans, 1, 2);
    memset(&cert, 0, sizeof(cert));
    ok(entra_cert_read(&cert, x509, &err) == -1, "the extension twice: %s",
       err.text);
    entra_cert_free(&cert);
    X509_free(x509);

    bad("a NUL in a DNS name (T60)", GEN_DNS, 20, "admin.example\0.evil.x");
    bad("a NUL in a URI", GEN_URI, 8, "urn:a\0bc");
    bad("a control character", GEN_URI, 7, "urn:a\nb");
    bad("UTF-8", GEN_DNS, 8, "caf\xc3\xa9.fr");
    bad("a space", GEN_DNS, 3, "a b");
    bad("an empty name", GEN_DNS, 0, "");

    memset(longest, 'a', sizeof(longest));
    bad("a name over the bound", GEN_DNS, ENTRA_CERT_NAME_MAX + 1, longest);

    overflow();

    refuses("san_uri=", -1);
    refuses("san_uri=corp", -1);
    refuses("san_uri=spiffe://*", -1);
    refuses("san_uri=spiffe://*/a", -1);
    refuses("san_uri=spiffe://corp/a*", -1);
    refuses("san_uri=spiffe://corp/*a", -1);
    refuses("san_uri=spiffe://corp/a b", -1);
    refuses("san_dns=", -1);
    refuses("san_dns=*", -1);
    refuses("san_dns=*.com", -1);
    refuses("san_dns=a.*.com", -1);
    refuses("san_dns=a*.example.com", -1);
    refuses("san_dns=**.example.com", -1);
    refuses("cert_sha256=", -1);
    refuses("cert_sha256=00", -1);
    refuses("cert_sha256=zz00000000000000000000000000000000000000000000000000"
            "0000000000000", -1);
    refuses("spki_sha256=AAAA", -1);
    refuses("subject=CN=admin", 1);
    refuses("fingerprint=00", 1);
    refuses("san_uri", 1);

    return done();
}
