
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_challenge.h"
#include "entra_enc.h"
#include "tap.h"


#define CLAIMS   "{\"access_token\":{\"nbf\":{\"essential\":true,"          \
                 "\"value\":\"1604106651\"}}}"
#define BASE64   "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwg" \
                 "InZhbHVlIjoiMTYwNDEwNjY1MSJ9fX0="


static entra_challenge_t  ch;


static void
parse(const char *header)
{
    entra_challenge_free(&ch);
    entra_challenge_parse(entra_str_c(header), &ch);
}


static const char *
error(const char *header)
{
    entra_challenge_free(&ch);
    entra_challenge_parse(entra_str_c(header), &ch);

    return ch.error;
}


static void
test_parse(void)
{
    parse("Bearer realm=\"\", authorization_uri=\"https://login.microsoft"
          "online.com/common/oauth2/authorize\", error=\"insufficient_claims"
          "\", claims=\"" BASE64 "\"");
    ok(ch.bearer, "as documented");
    is(ch.error, "insufficient_claims", "error");
    ok(ch.claims && strstr(ch.claims, "\"1604106651\""), "claims");

    parse("bearer CLAIMS=" BASE64 ",error=insufficient_claims");
    ok(ch.claims != NULL, "without quotes, in any case");
    is(ch.error, "insufficient_claims", "error");

    parse("Bearer claims=\"eyJhIjoxfQ\"");
    is(ch.claims, "{\"a\":1}", "no padding");
    parse("Bearer claims=\"eyJhIjoiw7_Dv8O_In0\"");
    is(ch.claims, "{\"a\":\"\xc3\xbf\xc3\xbf\xc3\xbf\"}", "URL alphabet");

    parse("Basic realm=\"x, Bearer claims=y\", Bearer error=\"a\","
          " Bearer error=\"b\", claims=\"eyJhIjoxfQ\", DPoP claims=\"x\"");
    is(ch.claims, "{\"a\":1}", "several challenges");
    is(ch.error, "b", "with the error of the one that counts");

    parse("Bearer error=\"a\", Bearer error=\"b\"");
    is(ch.error, "a", "the first one, when none has claims");

    parse("Bearer");
    ok(ch.bearer && ch.claims == NULL, "alone");
    parse("Basic realm=x");
    ok(!ch.bearer && ch.claims == NULL, "another scheme");
    parse("");
    ok(!ch.bearer, "empty");
    parse("Bearer claims=\"###\"");
    ok(ch.claims == NULL, "not base64");
    parse("Bearer claims=\"W10\"");
    ok(ch.claims == NULL, "not an object");
    parse("Bearer claims=\"\"");
    ok(ch.claims == NULL, "empty claims");
    parse("Bearer error=\"a\\\"b\nc\"");
    is(ch.error, "a\"b c", "quotes and control characters");
    parse("Bearer error=\"a");
    is(ch.error, "a", "open quote");
    parse("Bearer error=\"a\\");
    is(ch.error, "a\\", "open escape");
    parse("\"\"\"=,=,;;Bearer ,, error = \"x\"");
    is(ch.error, "x", "rubbish around it");
}


static void
test_error(void)
{
    is(error("Bearer error=insufficient_claims"), "insufficient_claims",
       "a token");
    is(error("bearer Error=\"a \\\"b\\\"\""), "a \"b\"", "quoted");
    is(error("Basic error=\"a\""), "", "other scheme");
    is(error("Bearer x=\"a\""), "", "other parameter");
    is(error("Negotiate abc==, Bearer error=q"), "q", "after a token");
    is(error("Bearer error"), "", "no value");
}


static const char *
merged(const char *claims, int capable)
{
    int           rc;
    entra_buf_t   b;

    static char   text[600];

    entra_buf_init(&b, 500);
    rc = entra_challenge_claims(claims, capable, &b);
    snprintf(text, sizeof(text), "%s", rc == 0 ? entra_buf_str(&b).data
                                               : "refused");
    entra_buf_free(&b);

    return text;
}


static void
test_claims(void)
{
    is(merged(NULL, 0), "", "nothing");
    is(merged(NULL, 1), "{\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]"
       "}}}", "the capability alone");
    is(merged(CLAIMS, 0), CLAIMS, "the claims alone");
    is(merged(CLAIMS, 1), "{\"access_token\":{\"nbf\":{\"essential\":true,"
       "\"value\":\"1604106651\"},\"xms_cc\":{\"values\":[\"cp1\"]}}}",
       "both");
    is(merged("{\"id_token\":{\"x\":null}}", 1), "{\"id_token\":{\"x\":null},"
       "\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]}}}",
       "beside another member");
    is(merged("{\"access_token\":null}", 1), "{\"access_token\":{\"xms_cc\":{"
       "\"values\":[\"cp1\"]}}}", "null");
    is(merged("[]", 1), "refused", "not an object");
    is(merged("x", 0), "refused", "not JSON");
}


int
main(void)
{
    test_parse();
    test_error();
    test_claims();

    entra_challenge_free(&ch);

    return done();
}
