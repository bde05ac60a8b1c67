
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_aadsts.h"
#include "entra_reply.h"
#include "tap.h"


#define NOW  1700000000


static entra_err_t         err;
static entra_token_t       token;
static entra_http_reply_t  reply;


static int
take(int status, const char *body, unsigned flags)
{
    reply.status = status;
    reply.body = entra_str_c(body);

    entra_token_free(&token);
    entra_err_clear(&err);

    return entra_reply_token(&reply, "host", flags, NOW, &token, &err);
}


static void
init(void)
{
    memset(&reply, 0, sizeof(entra_http_reply_t));
    reply.retry_after = -1;
}


static void
test_token(void)
{
    init();

    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,"
            "\"ext_expires_in\":7200,\"access_token\":\"T\"}", 0) == 0, "v2");
    ok(token.lifetime == 3599 && token.refresh_in == 0, "its life");
    is(token.value, "T", "its token");

    ok(take(200, "{\"token_type\":\"bearer\",\"expires_in\":\"3599\","
            "\"refresh_in\":\"100\",\"access_token\":\"T\"}", 0) == 0
       && token.lifetime == 3599 && token.refresh_in == 100,
       "numbers as strings, type in small letters");
    ok(take(201, "{\"token_type\":\"Bearer\",\"expires_in\":\"3599.9\","
            "\"access_token\":\"T\"}", 0) == 0 && token.lifetime == 3599,
       "status 201, a fraction");

    /* Azure/acr#699 */
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_in\":86398.9998935,"
            "\"refresh_in\":43199.5,\"access_token\":\"T\"}", 0) == 0
       && token.lifetime == 86398 && token.refresh_in == 43199,
       "numbers with a fraction");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_in\":\"3599.0\","
            "\"access_token\":\"T\"}", 0) == 0 && token.lifetime == 3599,
       "a string with one");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_on\":1700003600.75,"
            "\"access_token\":\"T\"}", 0) == 0 && token.lifetime == 3600,
       "a date with one");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_in\":0.5,"
            "\"access_token\":\"T\"}", 0) == -1, "less than a second");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_in\":\"3.6e3\","
            "\"access_token\":\"T\"}", 0) == -1, "not what anybody writes");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_on\":\"1700003600\","
            "\"access_token\":\"T\"}", 0) == 0 && token.lifetime == 3600,
       "expires_on only");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_on\":1700003600,"
            "\"access_token\":\"T\"}", 0) == 0 && token.lifetime == 3600,
       "as a number");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_on\":"
            "\"11/14/2023 11:13:20 PM +00:00\",\"access_token\":\"T\"}", 0)
       == 0 && token.lifetime == 3600, "as a date");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_in\":\"60\","
            "\"expires_on\":\"1700003600\",\"access_token\":\"T\"}", 0) == 0
       && token.lifetime == 60, "expires_in needs no clock and goes first");
    ok(take(200, "{\"token_type\":\"Bearer\",\"expires_in\":null,"
            "\"expires_on\":\"3600\",\"access_token\":\"T\"}", 0) == 0
       && token.lifetime == 3600, "expires_on that is relative");

    ok(take(200, "{\"expires_in\":\"86400\",\"expires_on\":\"1700003600\","
            "\"access_token\":\"T\"}", ENTRA_REPLY_LOCAL) == 0
       && token.lifetime == 3600, "local: from a cache, its date is nearer");
    ok(take(200, "{\"expires_in\":\"60\",\"expires_on\":\"1700003600\","
            "\"access_token\":\"T\"}", ENTRA_REPLY_LOCAL) == 0
       && token.lifetime == 60, "local: the smaller of both");
    ok(take(200, "{\"expires_in\":\"60\",\"expires_on\":\"1690000000\","
            "\"access_token\":\"T\"}", ENTRA_REPLY_LOCAL) == 0
       && token.lifetime == 60, "local: a date in the past is the clock's");
    ok(take(200, "{\"expires_in\":86400,\"access_token\":\"T\"}",
            ENTRA_REPLY_LOCAL) == 0 && token.refresh_in == 43200,
       "local: no type, refreshed at half");
    ok(take(200, "{\"expires_in\":7200,\"access_token\":\"T\"}",
            ENTRA_REPLY_LOCAL) == 0 && token.refresh_in == 0,
       "local: two hours are not more than two hours");
}


static void
refused(int status, const char *body, const char *want, const char *name)
{
    if (!ok(take(status, body, 0) != 0
            && err.class == ENTRA_ERR_PROTOCOL && strstr(err.text, want)
            && token.value == NULL, "nonsense: %s", name))
    {
        printf("# %d %s\n", (int) err.class, err.text);
    }
}


static void
test_nonsense(void)
{
    init();

    refused(200, "", "not a JSON", "empty");
    refused(200, "<html><body>Sign in</body></html>", "not a JSON", "HTML");
    refused(200, "[]", "not a JSON object", "an array");
    refused(200, "{\"expires_in\":1,\"access_token\":\"T\"}", "Bearer",
            "no type");
    refused(200, "{\"token_type\":\"MAC\",\"expires_in\":1,"
                 "\"access_token\":\"T\"}", "Bearer", "another type");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_in\":1}",
            "no access_token", "no token");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_in\":1,"
                 "\"access_token\":\"\"}", "no access_token", "empty token");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_in\":1,"
                 "\"access_token\":5}", "no access_token", "a number");
    refused(200, "{\"token_type\":\"Bearer\",\"access_token\":\"T\"}",
            "expires_in", "no expiry");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_in\":0,"
                 "\"access_token\":\"T\"}", "expired already", "no life");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_in\":-5,"
                 "\"access_token\":\"T\"}", "expired already", "negative");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_on\":\"1600000000\","
                 "\"access_token\":\"T\"}", "clock", "past");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_in\":\"soon\","
                 "\"access_token\":\"T\"}", "expires_in", "words");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_in\":60,"
                 "\"access_token\":\"a\\r\\nX-Evil: 1\"}", "character",
            "a token with CRLF");
    refused(200, "{\"token_type\":\"Bearer\",\"expires_in\":60,"
                 "\"access_token\":\"\\u0000\"}", "not a JSON", "NUL");
    refused(302, "", "status 302", "a redirect");
    refused(404, "<html>", "status 404", "not found");
    refused(400, "oops", "status 400", "400 that is not JSON");

    reply.too_large = 1;
    refused(200, "", "more than", "too large");
    ok(err.advice == NULL, "without advice");
}


static void
error(int status, const char *body, entra_err_class_e class, const char *name)
{
    ok(take(status, body, 0) == -1 && err.class == class, "%s: %s", name,
       entra_err_class_name(err.class));
}


#define DENIED     ENTRA_ERR_DENIED
#define CONFIG     ENTRA_ERR_CONFIG
#define THROTTLED  ENTRA_ERR_THROTTLED
#define TRANSIENT  ENTRA_ERR_TRANSIENT


static void
test_errors(void)
{
    init();

    error(401, "{\"error\":\"invalid_client\"}", DENIED, "invalid_client");
    error(400, "{\"error\":\"invalid_grant\"}", DENIED, "invalid_grant");
    error(400, "{\"error\":\"invalid_scope\"}", CONFIG, "invalid_scope");
    error(400, "{\"error\":\"something_new\"}", CONFIG, "unknown error");
    error(403, "{\"error\":\"something_new\"}", DENIED, "unknown, 403");
    error(400, "{\"error\":\"temporarily_unavailable\"}", TRANSIENT,
          "temporarily_unavailable");
    error(400, "{\"error\":\"invalid_request\",\"error_codes\":[90002]}",
          CONFIG, "no such tenant");
    error(400, "{\"error\":\"unauthorized_client\",\"error_codes\":[700016]}",
          CONFIG, "no such application");
    error(400, "{\"error\":\"invalid_grant\",\"error_codes\":[90033]}",
          TRANSIENT, "transient by its number");
    error(429, "", THROTTLED, "429");
    error(429, "{\"error\":\"invalid_client\"}", THROTTLED, "429 anyway");
    error(500, "{\"error\":\"invalid_client\"}", TRANSIENT, "500 anyway");
    error(503, "<html>", TRANSIENT, "503");
    error(408, "", TRANSIENT, "408");
    error(200, "{\"error\":\"invalid_client\"}", DENIED, "error with 200");
    error(400, "{\"error\":{\"code\":\"ManagedIdentityNotFound\","
               "\"message\":\"no\"}}", CONFIG, "error as an object");
    is(err.error, "ManagedIdentityNotFound", "its code");
    is(err.text, "host: status 400, ManagedIdentityNotFound: no", "its text");
    error(403, "{\"error\":{\"code\":\"AuthorizationFailed\"}}", DENIED,
          "ARM");
    error(500, "{\"statusCode\":500,\"message\":\"An unexpected error\"}",
          TRANSIENT, "App Service");
    is(err.text, "host: status 500: An unexpected error", "its text");

    error(400, "{\"error\":\"invalid_grant\",\"error_codes\":[50196]}",
          THROTTLED, "a loop was detected");
    ok(err.retry_after == 300, "minutes");
    reply.retry_after = 600;
    error(400, "{\"error\":\"invalid_grant\",\"error_codes\":[50196]}",
          THROTTLED, "with Retry-After");
    ok(err.retry_after == 600, "that is longer");

    init();
    strcpy(reply.error, "could not resolve host");
    error(0, "", TRANSIENT, "no answer");
    is(err.text, "host: there was no answer, could not resolve host", "text");
    reply.error[0] = '\0';
    reply.timed_out = 1;
    error(0, "", TRANSIENT, "timed out");
    is(err.text, "host: the answer did not come in time", "text");
    reply.timed_out = 0;
    reply.no_files = 1;
    strcpy(reply.error, "Too many open files");
    error(0, "", TRANSIENT, "no descriptors");
    is(err.text, "host: no file descriptor is left for the request,"
       " Too many open files", "text");
    ok(strstr(err.advice, "worker_rlimit_nofile") != NULL, "advice");
}


static void
test_details(void)
{
    char         line[1200];
    entra_buf_t  b;

    init();

    (void) take(401, "{\"error\":\"invalid_client\",\"error_description\":"
        "\"AADSTS7000222: The provided client secret keys for app 'a' are"
        " expired. Trace ID: t1 Correlation ID: c1 Timestamp: x\","
        "\"error_codes\":[7000222],\"timestamp\":\"2026-01-01 00:00:00Z\","
        "\"trace_id\":\"t1\",\"correlation_id\":\"c1\\r\\nfake: log\"}", 0);

    ok(err.aadsts == 7000222 && err.http_status == 401, "number and status");
    is(err.text, "host: status 401, invalid_client: The provided client"
       " secret keys for app 'a' are expired.", "the sentence only");
    is(err.correlation_id, "c1  fake: log", "no control characters");
    is(err.trace_id, "t1", "trace id");

    entra_buf_init(&b, 2000);
    entra_err_line(&err, &b);
    snprintf(line, sizeof(line), "%s", b.data);
    ok(strstr(line, ", AADSTS7000222, correlation id c1  fake: log; the"
                    " client secret has expired"), "one line for the log");
    entra_buf_free(&b);

    (void) take(400, "{\"error\":\"invalid_request\",\"error_description\":"
                     "\"AADSTS90002: Tenant 'x' not found.\"}", 0);
    ok(err.aadsts == 90002 && err.class == ENTRA_ERR_CONFIG,
       "the number of a description alone");

    (void) take(400, "{\"error\":\"invalid_client\",\"error_description\":"
                     "\"bad eyJhbGciOiJSUzI1NiJ9."
                     "eyJzdWIiOiJhYWFhYWFhYWFhYWFhYWFhYWEifQ.c2ln here\"}",
                0);
    is(err.text, "host: status 400, invalid_client: bad [...] here",
       "an echoed assertion is hidden");

    strcpy(err.text, "a [...] b");
    entra_reply_redact(&err, "[...]");
    is(err.text, "a [...] b", "a secret like its replacement ends");
    strcpy(err.text, "xxxxxxxx");
    entra_reply_redact(&err, "xxxx");
    is(err.text, "[...][...]", "twice");
    memset(err.text, 'x', sizeof(err.text) - 1);
    err.text[sizeof(err.text) - 1] = '\0';
    entra_reply_redact(&err, "xxxx");
    ok(strlen(err.text) < sizeof(err.text), "within its bound");
}


/* AADSTS53003 tells the policies, in a JSON of its own */

static void
test_policies(void)
{
    unsigned  i;
    char      body[4096];

    static const char *const  odd[] = {
        "", "x", "[]", "{}", "{\\\"access_token\\\":5}",
        "{\\\"access_token\\\":{\\\"capolids\\\":{\\\"values\\\":7}}}",
        "{\\\"access_token\\\":{\\\"capolids\\\":{\\\"values\\\":[7]}}}"
    };

    init();

    (void) take(400, "{\"error\":\"access_denied\",\"error_codes\":[53003],"
        "\"error_description\":\"AADSTS53003: Blocked.\",\"claims\":"
        "\"{\\\"access_token\\\":{\\\"capolids\\\":{\\\"essential\\\":true,"
        "\\\"values\\\":[\\\"p1\\\",\\\"p2\\\\r\\\\n\\\"]}}}\"}", 0);
    is(err.text, "host: status 400, access_denied: Blocked. Policy: p1, p2  ",
       "which policies block");

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        snprintf(body, sizeof(body), "{\"error\":\"access_denied\","
                 "\"error_description\":\"AADSTS53003: Blocked.\","
                 "\"claims\":\"%s\"}", odd[i]);
        (void) take(400, body, 0);
        is(err.text, "host: status 400, access_denied: Blocked.", odd[i]);
    }

    i = (unsigned) snprintf(body, sizeof(body), "{\"error\":\"access_denied\","
                            "\"error_description\":\"AADSTS53003: %0700d\","
                            "\"claims\":\"{\\\"access_token\\\":{"
                            "\\\"capolids\\\":{\\\"values\\\":[", 0);

    while (i < 3000) {
        i += (unsigned) snprintf(body + i, sizeof(body) - i,
                                 "\\\"%0300d\\\",", 0);
    }

    snprintf(body + i, sizeof(body) - i, "\\\"\\\"]}}}\"}");
    (void) take(400, body, 0);
    ok(err.aadsts == 53003 && strlen(err.text) < 500, "within its bound: %s",
       err.text);
}


static void
test_member(void)
{
    char  *text;

    init();
    reply.body = entra_str("{\"refresh_token\":\"R\",\"n\":5}");

    text = entra_reply_member(&reply, "refresh_token");
    is(text, "R", "a string");
    entra_free_secret(text);
    ok(entra_reply_member(&reply, "n") == NULL, "a number");
    ok(entra_reply_member(&reply, "nope") == NULL, "not there");
    reply.body = entra_str("x");
    ok(entra_reply_member(&reply, "n") == NULL, "not JSON");
}


static void
test_table(void)
{
    int                    bad = 0;
    unsigned               i;
    uint32_t               last = 0;
    const entra_aadsts_t  *a;

    for (i = 0; (a = entra_aadsts_nth(i)) != NULL; i++) {
        bad += a->code <= last || entra_aadsts_find(a->code) != a;
        last = a->code;
    }

    ok(bad == 0 && i > 70, "sorted, and each can be found");
    ok(entra_aadsts_find(1) == NULL && entra_aadsts_find(0) == NULL
       && entra_aadsts_find(UINT32_MAX) == NULL, "unknown ones");
}


int
main(void)
{
    entra_token_init(&token);

    test_token();
    test_nonsense();
    test_errors();
    test_details();
    test_policies();
    test_member();
    test_table();

    entra_token_free(&token);

    return done();
}
