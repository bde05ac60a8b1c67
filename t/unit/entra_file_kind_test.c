
/*
 * Copyright (C) nginx-entra authors
 *
 * What files look like when a tool, a shell or a proxy wrote them otherwise
 * than meant.  The forms are those of public reports: UTF-16 of Windows
 * PowerShell's ">" (mspnp/microservices-reference-implementation#130), JSON
 * and quotes of az without "-o tsv" (Azure/azure-sdk-for-python#11362), base64
 * of Key Vault's PKCS#12 (secrets-store-csi-driver-provider-azure#349).
 */

#include <sys/stat.h>

#include "entra_file_kind.h"
#include "tap.h"


#define S(text)  { sizeof(text) - 1, text }

#define B64_32   "MIIKYQIBAzCCCicGCSqGSIb3DQEHAaCC"
#define B64_DER  B64_32 B64_32 B64_32 "\n" B64_32 B64_32 B64_32 B64_32 "==\n"
#define PEM_32   "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0t"
#define B64_PEM  PEM_32 PEM_32 PEM_32 PEM_32 PEM_32 PEM_32 PEM_32
#define JWT      "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl"
#define PEM      "-----BEGIN CERTIFICATE-----\nMIIB\n"                       \
                 "-----END CERTIFICATE-----\n"


typedef struct {
    entra_form_e   form;
    entra_str_t    content;
    const char    *says;                /* NULL: may be right */
} kind_t;


static const kind_t  kinds[] = {

    /* a secret or key */

    { ENTRA_FORM_VALUE, S("abc~8Q.x-Y_z0123456789"), NULL },
    { ENTRA_FORM_VALUE, S("abc\r\n"), NULL },
    { ENTRA_FORM_VALUE, S("\xef\xbb\xbf" "abc\n"), NULL },
    { ENTRA_FORM_VALUE, S("a'b\"c"), NULL },
    { ENTRA_FORM_VALUE, S("a:b=c"), NULL },
    { ENTRA_FORM_VALUE, S("ABCD_EFGH="), NULL },
    { ENTRA_FORM_VALUE, S("ABCD_EFGH=="), NULL },
    { ENTRA_FORM_VALUE, S("MIIabc"), NULL },
    { ENTRA_FORM_VALUE, S("nullify"), NULL },
    { ENTRA_FORM_VALUE, S("<abc"), NULL },
    { ENTRA_FORM_VALUE, S("gr\xc3\xbc\xc3\x9f"), NULL },
    { ENTRA_FORM_VALUE, S("\xff\xfe" "a\0b\0c\0\r\0\n\0"), "is UTF-16" },
    { ENTRA_FORM_VALUE, S("\xfe\xff" "\0a\0b\0c"), "is UTF-16" },
    { ENTRA_FORM_VALUE, S("a\0b\0c\0d\0"), "iconv -f UTF-16 -t UTF-8" },
    { ENTRA_FORM_VALUE, S("\0a\0b\0c"), "is UTF-16" },
    { ENTRA_FORM_VALUE, S("a\0b"), "control character" },
    { ENTRA_FORM_VALUE, S("a\x07" "b"), "control character" },
    { ENTRA_FORM_VALUE, S("\x1b[33mabc\x1b[0m\n"), "colours" },
    { ENTRA_FORM_VALUE, S("\x1b[93mWARNING: x\x1b[0m\nabc\n"), "colours" },
    { ENTRA_FORM_VALUE, S("WARNING: The output includes credentials that you"
      " must protect.\nabc\n"), "2>&1" },
    { ENTRA_FORM_VALUE, S("abc\nWARNING: later\n"), "2>&1" },
    { ENTRA_FORM_VALUE, S("ERROR: Please run 'az login' to setup account.\n"),
      "WARNING or ERROR lines" },
    { ENTRA_FORM_VALUE, S("<!DOCTYPE html>\n<html>..."), "is HTML" },
    { ENTRA_FORM_VALUE, S("\n <HTML><head>"), "is HTML" },
    { ENTRA_FORM_VALUE, S("{\n  \"appId\": \"x\"\n}"), "JSON: it should hold"
      " the thing; json-fix" },
    { ENTRA_FORM_VALUE, S("[ \"x\" ]"), "JSON array" },
    { ENTRA_FORM_VALUE, S("\"abc\"\n"), "quotes around it" },
    { ENTRA_FORM_VALUE, S("'abc'"), "-o tsv" },
    { ENTRA_FORM_VALUE, S("null\n"), "found nothing" },
    { ENTRA_FORM_VALUE, S("None"), "found nothing" },
    { ENTRA_FORM_VALUE, S("primaryKey: abc\nsecondaryKey: def\n"),
      "is YAML" },
    { ENTRA_FORM_VALUE, S("---\nkey: abc\n"), "is YAML" },
    { ENTRA_FORM_VALUE, S("AZURE_CLIENT_SECRET=abc"), "assignment" },
    { ENTRA_FORM_VALUE, S("export SECRET=abc"), "assignment" },
    { ENTRA_FORM_VALUE, S("Bearer abc"), "leave it out" },
    { ENTRA_FORM_VALUE, S(PEM), "certificate or key (PEM): it should hold the"
      " thing; pem-fix" },
    { ENTRA_FORM_VALUE, S(B64_DER), "base64 -d" },
    { ENTRA_FORM_VALUE, S(B64_PEM), "Kubernetes Secret" },
    { ENTRA_FORM_VALUE, S(JWT), "is a token (JWT): it should hold the thing;"
      " jwt-fix" },
    { ENTRA_FORM_VALUE, S("abc\ndef\n"), "more than one line" },

    /* a password may be anything of one line */

    { ENTRA_FORM_PASSWORD, S("\"abc\""), NULL },
    { ENTRA_FORM_PASSWORD, S("{abc}"), NULL },
    { ENTRA_FORM_PASSWORD, S("name: value"), NULL },
    { ENTRA_FORM_PASSWORD, S("null"), NULL },
    { ENTRA_FORM_PASSWORD, S("a\nb"), "more than one line" },
    { ENTRA_FORM_PASSWORD, S("\xff\xfe" "a\0"), "is UTF-16" },
    { ENTRA_FORM_PASSWORD, S(PEM), "certificate or key" },

    /* a federated token */

    { ENTRA_FORM_TOKEN, S(JWT "\n"), NULL },
    { ENTRA_FORM_TOKEN, S("opaque"), NULL },
    { ENTRA_FORM_TOKEN, S("{\"status\":{\"token\":\"x\"}}"), "is JSON" },
    { ENTRA_FORM_TOKEN, S("\"" JWT "\""), "quotes" },
    { ENTRA_FORM_TOKEN, S("Bearer " JWT), "Bearer" },

    /* JSON */

    { ENTRA_FORM_JSON, S(" {\"a\":1}"), NULL },
    { ENTRA_FORM_JSON, S("\xef\xbb\xbf{"), NULL },
    { ENTRA_FORM_JSON, S("[]"), "JSON array" },
    { ENTRA_FORM_JSON, S("\"{}\""), "quotes" },
    { ENTRA_FORM_JSON, S("hello"), "not a JSON object" },
    { ENTRA_FORM_JSON, S("appId: x\npassword: y\n"), "is YAML" },
    { ENTRA_FORM_JSON, S("WARNING: x\n{\"a\":1}"), "2>&1" },
    { ENTRA_FORM_JSON, S("{\n  \"a\": 1\n}\nWARNING: x\n"), "2>&1" },
    { ENTRA_FORM_JSON, S("\xff\xfe{\0}\0"), "is UTF-16" },
    { ENTRA_FORM_JSON, S(PEM), "PEM" },
    { ENTRA_FORM_JSON, S("AZURE_TENANT_ID=x\n"), "assignment" },

    /* certificates */

    { ENTRA_FORM_CERTIFICATE, S(PEM), NULL },
    { ENTRA_FORM_CERTIFICATE, S("Bag Attributes\n    friendlyName: x\n" PEM),
      NULL },
    { ENTRA_FORM_CERTIFICATE, S("0\x82\x0a\x61\x02\x01\x03\x1b["), NULL },
    { ENTRA_FORM_CERTIFICATE, S("0\x80\x02\x01\x03"), NULL },
    { ENTRA_FORM_CERTIFICATE, S(B64_DER), "base64 -d" },
    { ENTRA_FORM_CERTIFICATE, S(B64_PEM), "base64 -d" },
    { ENTRA_FORM_CERTIFICATE, S("-----BEGIN PRIVATE KEY-----\\nMIIB"),
      "in place of line ends" },
    { ENTRA_FORM_CERTIFICATE, S("{\"cer\": \"MIIB\"}"), "is JSON" },
    { ENTRA_FORM_CERTIFICATE, S("\xff\xfe-\0-\0"), "is UTF-16" },
    { ENTRA_FORM_CERTIFICATE, S("<html>"), "is HTML" },
    { ENTRA_FORM_CERTIFICATE, S("WARNING: x\nMIIB"), "2>&1" },

    /* .env, lists, keys */

    { ENTRA_FORM_DOTENV, S("A=b\n"), NULL },
    { ENTRA_FORM_DOTENV, S("Some prose\nA=b\n"), NULL },
    { ENTRA_FORM_DOTENV, S("A='-----BEGIN X-----\n'"), NULL },
    { ENTRA_FORM_DOTENV, S("\xff\xfe" "A\0=\0b\0"), "is UTF-16" },
    { ENTRA_FORM_DOTENV, S("{\"A\":1}"), "is JSON" },
    { ENTRA_FORM_DOTENV, S("A: b\n"), "is YAML" },
    { ENTRA_FORM_DOTENV, S("<html>"), "is HTML" },
    { ENTRA_FORM_DOTENV, S("A=b\0c"), "is binary" },
    { ENTRA_FORM_LIST, S("192.0.2.0/24\n"), NULL },
    { ENTRA_FORM_LIST, S("[]"), NULL },
    { ENTRA_FORM_LIST, S("{}"), NULL },
    { ENTRA_FORM_LIST, S("2001:db8::/32\n"), NULL },
    { ENTRA_FORM_LIST, S("abcd: \n"), NULL },
    { ENTRA_FORM_LIST, S("WARNING: x\n[]"), "2>&1" },
    { ENTRA_FORM_LIST, S("<html>"), "is HTML" },
    { ENTRA_FORM_LIST, S("\xff\xfe" "1\0"), "is UTF-16" },
    { ENTRA_FORM_KEY, S("\x00\x01\x1b[\xff\xfe"), NULL },
    { ENTRA_FORM_KEY, S("a\0b\0c\0d\0"), NULL },
    { ENTRA_FORM_KEY, S("<html>"), "is HTML" },
    { ENTRA_FORM_KEY, S(PEM), "PEM" },

    { ENTRA_FORM_VALUE, S(""), NULL },
    { ENTRA_FORM_JSON, S(" \n"), NULL },
    { ENTRA_FORM_CERTIFICATE, S("\xef\xbb\xbf"), NULL }
};


static void
test_kinds(void)
{
    int                rc;
    size_t             i;
    entra_err_t        err;
    const kind_t      *k;
    entra_file_want_t  want = {
        .what = "the thing", .make = "make FILE", .json = "json-fix",
        .pem = "pem-fix", .jwt = "jwt-fix"
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        k = &kinds[i];
        want.form = k->form;
        entra_err_clear(&err);
        rc = entra_file_kind_check(&want, "/the/file", k->content, &err);

        if (k->says == NULL) {
            ok(rc == 0, "%zu: may be right", i);
            continue;
        }

        if (!ok(rc == -1 && err.class == ENTRA_ERR_CONFIG
                && strstr(err.text, "\"/the/file\" ")
                && strstr(err.text, "it should hold the thing")
                && strstr(err.text, k->says), "%zu: %s", i, k->says))
        {
            printf("# %s\n", rc == -1 ? err.text : "right");
        }
    }
}


static void
test_words(void)
{
    char               size[ENTRA_SIZE_LEN];
    entra_err_t        err;
    entra_file_want_t  want = { .what = "the thing", .make = "make FILE" };

    entra_err_clear(&err);
    (void) entra_file_kind_check(&want, "f", entra_str("\"s3cret\""), &err);
    is(err.text, "\"f\" has quotes around it, as az prints without \"-o"
       " tsv\": it should hold the thing, as \"make FILE\" writes it", "whole");

    entra_err_clear(&err);
    (void) entra_file_kind_check(&want, NULL, entra_str("a\nb"), &err);
    is(err.text, "the value has more than one line: it should hold the thing,"
       " as \"make FILE\" writes it", "without a file");

    ok(entra_file_kind_check(&want, "f", entra_str(JWT), &err) == 0,
       "a JWT where nobody objects");
    ok(entra_file_kind_check(&want, "f", entra_str(JWT "\nx"), &err) == -1,
       "and a second line");

    is(entra_size(size, 0), "0", "sizes");
    is(entra_size(size, 999), "999", "of three digits");
    is(entra_size(size, 16384), "16,384", "of five");
    is(entra_size(size, UINT64_MAX), "18,446,744,073,709,551,615", "the last");

    is(entra_file_kind_node(S_IFDIR | 0755), "is a directory", "a directory");
    is(entra_file_kind_node(S_IFIFO), "is a FIFO", "a FIFO");
    is(entra_file_kind_node(S_IFCHR), "is a device", "a device");
    is(entra_file_kind_node(S_IFSOCK), "is a socket", "a socket");
    ok(entra_file_kind_node(S_IFREG | 0600) == NULL, "a file");
}


int
main(void)
{
    test_kinds();
    test_words();

    return done();
}
