
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_iface.h"
#include "tap.h"


static void
test_request(void)
{
    unsigned              i;
    entra_http_request_t  r;

    entra_http_request_init(&r);
    is(r.method, "GET", "method");

    ok(entra_http_request_header(&r, "A", entra_str("b c")) == 0, "header");
    is(r.headers[0].value, "b c", "value");
    ok(entra_http_request_header(&r, "A", entra_str("b\r\nX: y")) != 0,
       "CRLF in the value");
    ok(entra_http_request_header(&r, "A", entra_str("b\0c")) != 0,
       "NUL in the value");
    ok(entra_http_request_header(&r, "A\nB", entra_str("b")) != 0,
       "LF in the name");
    ok(entra_http_request_header(&r, "", entra_str("b")) != 0, "no name");
    ok(entra_http_request_header(&r, "E", entra_str("")) == 0, "no value");

    for (i = r.nheaders; i < ENTRA_HTTP_HEADERS_MAX; i++) {
        (void) entra_http_request_header(&r, "A", entra_str("b"));
    }

    ok(entra_http_request_header(&r, "A", entra_str("b")) != 0, "full");

    r.url = entra_str_dup(entra_str("https://x/"));
    r.ca_pem = entra_str_dup(entra_str("pem"));
    r.pinned_sha1 = entra_str_dup(entra_str("00"));
    r.local = 1;
    entra_buf_add_c(&r.body, "body");

    entra_http_request_free(&r);
    ok(r.url == NULL && r.nheaders == 0 && r.body.len == 0 && !r.local,
       "freed, and can be used again");
    entra_http_request_free(&r);
}


static void
test_process(void)
{
    unsigned         i;
    entra_process_t  p;

    entra_process_init(&p);
    p.path = entra_str_dup(entra_str("/bin/az"));

    ok(entra_process_arg(&p, "az") == 0 && entra_process_arg(&p, "") == 0,
       "arguments");
    is(p.argv[0], "az", "the first");
    ok(p.argv[2] == NULL, "ended");

    for (i = 2; i < ENTRA_PROCESS_ARGS_MAX; i++) {
        (void) entra_process_arg(&p, "x");
    }

    ok(entra_process_arg(&p, "x") != 0
       && p.argv[ENTRA_PROCESS_ARGS_MAX] == NULL, "full");

    ok(entra_process_env(&p, "A", "b=c") == 0, "environment");
    is(p.env[0], "A=b=c", "as the kernel wants it");
    ok(entra_process_env(&p, "A=B", "c") != 0, "equals sign in the name");
    ok(entra_process_env(&p, "", "c") != 0, "no name");

    for (i = 1; i < ENTRA_PROCESS_ENV_MAX; i++) {
        (void) entra_process_env(&p, "B", "c");
    }

    ok(entra_process_env(&p, "B", "c") != 0
       && p.env[ENTRA_PROCESS_ENV_MAX] == NULL, "full");

    entra_process_free(&p);
    ok(p.path == NULL && p.argv[0] == NULL && p.env[0] == NULL, "freed");
}


int
main(void)
{
    test_request();
    test_process();

    return done();
}
