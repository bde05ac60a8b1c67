
/*
 * Copyright (C) nginx-entra authors
 *
 * Our client assertions, judged by PyJWT and cryptography
 * (t/interop/check_assertion.py, run from the top of the source tree or
 * ENTRA_TOP), with a certificate that those made.  Skipped without them.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_assertion.h"
#include "entra_file.h"
#include "fixture.h"
#include "tap.h"


#define NOW       1800000000
#define CLIENT    "cccccccc-0000-4000-8000-000000000002"
#define AUDIENCE  "https://login.microsoftonline.com/11111111-2222-4333-8444" \
                  "-555555555555/oauth2/v2.0/token"


static int
python(const char *verb, const char *dir)
{
    char         command[2048];
    const char  *top = getenv("ENTRA_TOP");

    (void) snprintf(command, sizeof(command),
                    "/usr/bin/python3 %s/t/interop/check_assertion.py %s %s"
                    " %d > %s/log 2>&1; rc=$?; sed 's/^/# /' %s/log; exit $rc",
                    top ? top : ".", verb, dir, NOW, dir, dir);

    return system(command) == 0;
}


static void
make(FILE *f, const entra_certificate_t *cert, const char *alg,
    unsigned flags)
{
    char         *assertion;
    entra_err_t   err;

    entra_err_clear(&err);
    assertion = entra_assertion_create(cert, CLIENT, AUDIENCE, NOW, flags,
                                       &err);
    ok(assertion != NULL, "%s made: %s", alg, err.text);

    fprintf(f, "%s\t%s\t%s\n", alg,
            flags & ENTRA_ASSERTION_CHAIN ? "chain" : "-", assertion);
    entra_free_secret(assertion);
}


int
main(void)
{
    char                 *slash, dir[512];
    FILE                 *f;
    entra_err_t           err;
    entra_file_t          file;
    entra_certificate_t  *cert;

    if (system("/usr/bin/python3 -c 'import jwt, cryptography' 2>/dev/null")
        != 0)
    {
        printf("1..0 # SKIP needs python3-jwt and python3-cryptography\n");
        return 0;
    }

    (void) fixture_path("log");
    (void) fixture_path("assertions.tsv");
    (void) snprintf(dir, sizeof(dir), "%s", fixture_path("client.pem"));
    slash = strrchr(dir, '/');
    *slash = '\0';

    ok(python("make", dir), "a certificate of another library");

    entra_err_clear(&err);
    (void) entra_file_init(&file, fixture_path("client.pem"),
                           ENTRA_CERTIFICATE_MAX);
    ok(entra_file_refresh(&file, &err) == 1, "is read");
    cert = entra_certificate_parse(entra_file_text(&file), NULL, &err);
    ok(cert != NULL, "and understood: %s", err.text);

    f = fopen(fixture_path("assertions.tsv"), "w");
    make(f, cert, "PS256", 0);
    make(f, cert, "PS256", ENTRA_ASSERTION_CHAIN);
    make(f, cert, "RS256", ENTRA_ASSERTION_RS256);
    make(f, cert, "RS256", ENTRA_ASSERTION_RS256 | ENTRA_ASSERTION_CHAIN);
    fclose(f);

    ok(python("check", dir), "the other library agrees");

    entra_certificate_free(cert);
    entra_file_free(&file);

    return done();
}
