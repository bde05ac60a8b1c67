
/*
 * Copyright (C) nginx-entra authors
 *
 * Callers: a line of entra_caller, a new line, the DER of a certificate.
 */

#include <stdlib.h>
#include <string.h>

#include "../unit/words.h"
#include "entra_caller.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
names(const entra_claims_list_t *list)
{
    unsigned     i;
    const char  *p;

    for (i = 0; i < list->n; i++) {
        for (p = list->items[i]; *p; p++) {
            if (*p <= ' ' || *p >= 0x7f) {
                abort();
            }
        }

        if (p == list->items[i]) {
            abort();
        }
    }
}


static void
match(const char *text, const entra_cert_t *cert)
{
    unsigned         n;
    entra_err_t      err;
    entra_str_t      words[WORDS_MAX];
    entra_truth_t    value;
    entra_caller_t   caller;
    entra_claims_t   claims;
    entra_signals_t  s;

    memset(&caller, 0, sizeof(caller));
    memset(&claims, 0, sizeof(claims));
    memset(&s, 0, sizeof(s));
    entra_err_clear(&err);

    s.certificate = ENTRA_SIGNAL_VALID;
    s.token = ENTRA_SIGNAL_VALID;
    s.cert = cert;
    s.claims = &claims;

    n = words_of(text, words);

    if (n && entra_caller_line(&caller, words, n, &err) == 0) {
        value = entra_caller_match(&caller, &s, 0);

        if (value.lo != value.hi || value.hi > ENTRA_TRUE) {
            abort();
        }
    }

    entra_caller_free(&caller);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                 *text;
    X509                 *x509;
    size_t                n;
    entra_err_t           err;
    entra_cert_t          cert;
    const unsigned char  *der;

    der = memchr(data, '\n', size);
    n = der ? (size_t) (der - data) : size;

    text = malloc(n + 1);
    memcpy(text, data, n);
    text[n] = '\0';

    memset(&cert, 0, sizeof(cert));

    if (der) {
        der++;
        x509 = d2i_X509(NULL, &der, (long) (size - n - 1));

        if (x509) {
            entra_err_clear(&err);

            if (entra_cert_read(&cert, x509, &err) == 0) {
                names(&cert.uris);
                names(&cert.dns);
            }

            X509_free(x509);
        }
    }

    match(text, &cert);

    entra_cert_free(&cert);
    free(text);

    return 0;
}
