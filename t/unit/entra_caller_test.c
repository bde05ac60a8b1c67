
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_caller.h"
#include "tap.h"
#include "words.h"


#define APP    "11111111-1111-1111-1111-111111111111"
#define OTHER  "22222222-2222-2222-2222-222222222222"
#define OID    "33333333-3333-3333-3333-333333333333"
#define TID    "44444444-4444-4444-4444-444444444444"
#define NOW    1000000000


static const char *const  truth[] = { "false", "unknown", "true" };


static void
set(char **text, const char *value)
{
    free(*text);
    *text = value ? entra_str_dup(entra_str_c(value)) : NULL;
}


static void
is_claim(const entra_claims_t *claims, const char *word, unsigned want,
    const char *what)
{
    unsigned             got;
    entra_err_t          err;
    entra_claim_match_t   test;

    entra_err_clear(&err);

    if (entra_claim_match_parse(&test, entra_str_c(word), &err) != 0) {
        ok(0, "reads %s: %s", word, err.text);
        return;
    }

    got = entra_claim_match(&test, claims, NOW);
    ok(got == want, "%s is %s: %s", word, truth[got], what);

    entra_claim_match_free(&test);
}


static void
refuses_claim(const char *word, int want)
{
    entra_err_t         err;
    entra_claim_match_t  test;

    entra_err_clear(&err);
    ok(entra_claim_match_parse(&test, entra_str_c(word), &err) == want,
       "%.60s: %s", word, want == 1 ? "not a claim" : err.text);
    entra_claim_match_free(&test);
}


static void
claims_test(void)
{
    char            longest[ENTRA_CLAIM_VALUE_MAX + 16];
    entra_claims_t  c;

    memset(&c, 0, sizeof(c));

    is_claim(&c, "appid=" APP, ENTRA_UNKNOWN, "no appid");
    is_claim(&c, "oid=" OID, ENTRA_UNKNOWN, "no oid");
    is_claim(&c, "tid=" TID, ENTRA_UNKNOWN, "no tid");
    is_claim(&c, "roles=Score", ENTRA_FALSE, "no roles");
    is_claim(&c, "groups=" OID, ENTRA_FALSE, "no groups");
    is_claim(&c, "idtyp=app", ENTRA_UNKNOWN, "no idtyp, no scp");
    is_claim(&c, "idtyp=user", ENTRA_UNKNOWN, "no idtyp, no scp");
    is_claim(&c, "azpacr=2", ENTRA_UNKNOWN, "no azpacr");
    is_claim(&c, "max_age=1h", ENTRA_UNKNOWN, "no iat");

    set(&c.appid, APP);
    is_claim(&c, "appid=" APP, ENTRA_UNKNOWN, "idtyp does not tell");
    is_claim(&c, "appid=" OTHER, ENTRA_FALSE, "another one");
    set(&c.idtyp, "app");
    is_claim(&c, "appid=" APP, ENTRA_TRUE, "an application's own token");
    is_claim(&c, "azp=" APP, ENTRA_TRUE, "the name in v2");
    is_claim(&c, "idtyp=app", ENTRA_TRUE, "it says so");
    is_claim(&c, "idtyp=user", ENTRA_FALSE, "it says so");
    set(&c.idtyp, "user");
    is_claim(&c, "appid=" APP, ENTRA_UNKNOWN,
             "a user's token of an allowed client (T72)");
    is_claim(&c, "idtyp=app", ENTRA_FALSE, "a user's");
    set(&c.idtyp, "device");
    is_claim(&c, "appid=" APP, ENTRA_UNKNOWN, "an idtyp that is new");
    is_claim(&c, "idtyp=app", ENTRA_UNKNOWN, "an idtyp that is new");
    set(&c.idtyp, NULL);
    entra_claims_add(&c.scp, entra_str("Score.Invoke"));
    is_claim(&c, "idtyp=user", ENTRA_TRUE, "scp is in users' tokens only");
    is_claim(&c, "appid=" APP, ENTRA_UNKNOWN, "and so no application calls");
    is_claim(&c, "scp=Score.Invoke", ENTRA_TRUE, "is in it");
    is_claim(&c, "scp=Score", ENTRA_FALSE, "part of one");
    is_claim(&c, "scp=score.invoke", ENTRA_FALSE, "letter case counts");

    set(&c.oid, "ABCDEFAB-3333-3333-3333-333333333333");
    is_claim(&c, "oid=abcdefab-3333-3333-3333-333333333333", ENTRA_TRUE,
             "GUIDs in any letter case");
    is_claim(&c, "oid=ABCDEFAB-3333-3333-3333-333333333333", ENTRA_TRUE,
             "GUIDs in any letter case");

    entra_claims_add(&c.roles, entra_str("Score"));
    is_claim(&c, "roles=Score", ENTRA_TRUE, "is in it");
    is_claim(&c, "roles=Admin", ENTRA_FALSE, "is not");

    entra_claims_add(&c.groups, entra_str(OID));
    is_claim(&c, "groups=" OID, ENTRA_TRUE, "is in it");
    is_claim(&c, "groups=" OTHER, ENTRA_FALSE, "is not");
    c.groups_overage = 1;
    is_claim(&c, "groups=" OID, ENTRA_TRUE, "is in what there is");
    is_claim(&c, "groups=" OTHER, ENTRA_UNKNOWN, "overage (T73)");

    entra_claims_add(&c.amr, entra_str("mfa"));
    entra_claims_add(&c.acrs, entra_str("c1"));
    entra_claims_add(&c.wids, entra_str(OID));
    is_claim(&c, "amr=mfa", ENTRA_TRUE, "is in it");
    is_claim(&c, "acrs=c1", ENTRA_TRUE, "is in it");
    is_claim(&c, "acrs=c2", ENTRA_FALSE, "is not");
    is_claim(&c, "wids=" OID, ENTRA_TRUE, "is in it");

    set(&c.appidacr, "1");
    is_claim(&c, "azpacr=1", ENTRA_TRUE, "a secret");
    is_claim(&c, "azpacr=2", ENTRA_FALSE, "not a certificate");
    is_claim(&c, "appidacr=1", ENTRA_TRUE, "the name in v1");

    c.iat = NOW - 900;
    is_claim(&c, "max_age=900", ENTRA_TRUE, "just so old");
    is_claim(&c, "max_age=15m", ENTRA_TRUE, "just so old");
    is_claim(&c, "max_age=14m", ENTRA_FALSE, "too old");
    c.iat = NOW + 60;
    is_claim(&c, "max_age=1s", ENTRA_TRUE, "clocks differ a little");
    c.iat = NOW + 61;
    is_claim(&c, "max_age=1s", ENTRA_UNKNOWN, "from the future");

    entra_claims_free(&c);

    refuses_claim("appid=app", -1);
    refuses_claim("oid=", -1);
    refuses_claim("roles=", -1);
    refuses_claim("roles=a\x01", -1);
    refuses_claim("idtyp=service", -1);
    refuses_claim("azpacr=3", -1);
    refuses_claim("azpacr=22", -1);
    refuses_claim("max_age=0", -1);
    refuses_claim("max_age=", -1);
    refuses_claim("max_age=m", -1);
    refuses_claim("max_age=-1", -1);
    refuses_claim("max_age=9223372036854775807d", -1);
    refuses_claim("max_age=31d", -1);
    refuses_claim("upn=a@b", -1);
    refuses_claim("email=a@b", -1);
    refuses_claim("preferred_username=a@b", -1);
    refuses_claim("foo=bar", 1);
    refuses_claim("roles", 1);
    refuses_claim("", 1);
    refuses_claim("=x", 1);

    memset(longest, 'a', sizeof(longest) - 1);
    memcpy(longest, "roles=", 6);
    longest[sizeof(longest) - 1] = '\0';
    refuses_claim(longest, -1);
}


static int
line(entra_caller_t *caller, const char *text, entra_err_t *err)
{
    unsigned     n;
    entra_str_t  words[WORDS_MAX];

    entra_err_clear(err);
    n = words_of(text, words);

    return entra_caller_line(caller, words, n, err);
}


static void
refuses(const char *text, const char *says)
{
    entra_err_t     err;
    entra_caller_t  caller;

    memset(&caller, 0, sizeof(caller));
    ok(line(&caller, text, &err) == -1 && strstr(err.text, says),
       "refuses %.50s: %s", text, err.text);
    entra_caller_free(&caller);
}


static void
is_caller(const char *text, const entra_signals_t *s, unsigned want,
    const char *what)
{
    entra_err_t     err;
    entra_truth_t   got;
    entra_caller_t  caller;

    memset(&caller, 0, sizeof(caller));

    if (line(&caller, text, &err) != 0) {
        ok(0, "reads %s: %s", text, err.text);

    } else {
        got = entra_caller_match(&caller, s, 0);
        ok(got.lo == want && got.hi == want, "%s is %s: %s", text,
           truth[got.lo], what);
    }

    entra_caller_free(&caller);
}


/* both credentials in all their states, and a line for both */

static void
states(entra_signals_t *s)
{
    unsigned        i, k, want, a, b;
    entra_err_t     err;
    entra_truth_t   got;
    entra_caller_t  caller;

    static const unsigned  value[] = {
        ENTRA_UNKNOWN, ENTRA_FALSE, ENTRA_TRUE, ENTRA_UNKNOWN
    };

    memset(&caller, 0, sizeof(caller));
    (void) line(&caller, "certificate san_dns=a.example token oid=" OID, &err);

    for (i = 0; i < 4; i++) {
        for (k = 0; k < 4; k++) {
            s->certificate = (entra_signal_e) i;
            s->token = (entra_signal_e) k;

            a = value[i];
            b = value[k];
            want = a < b ? a : b;

            got = entra_caller_match(&caller, s, 0);
            ok(got.lo == want && got.hi == want,
               "certificate in state %u and token in state %u: %s", i, k,
               truth[got.lo]);
        }
    }

    s->certificate = ENTRA_SIGNAL_ABSENT;
    s->token = ENTRA_SIGNAL_VALID;
    got = entra_caller_match(&caller, s, ENTRA_OPEN_CERTIFICATE);
    ok(got.lo == ENTRA_FALSE && got.hi == ENTRA_TRUE,
       "one that is not presented can be left open");
    got = entra_caller_match(&caller, s, ENTRA_OPEN_TOKEN | ENTRA_OPEN_OURS);
    ok(got.hi == ENTRA_FALSE, "by its name only");

    entra_caller_free(&caller);
}


static void
is_id(const entra_signals_t *s, const char *want)
{
    entra_buf_t  b;

    entra_buf_init(&b, 2048);
    entra_signals_caller_id(s, &b);
    is(b.data ? b.data : "", want, want);
    entra_buf_free(&b);
}


/* keys that must not be equal, whatever somebody is named like */

static void
ids(void)
{
    unsigned         i, k;
    entra_cert_t     cert;
    entra_claims_t   claims;
    entra_signals_t  s;

    memset(&s, 0, sizeof(s));
    memset(&cert, 0, sizeof(cert));
    memset(&claims, 0, sizeof(claims));

    memset(cert.sha256, 0xab, sizeof(cert.sha256));
    entra_claims_add(&cert.uris, entra_str("oid:" TID "/" OID));
    set(&claims.tid, TID);
    set(&claims.oid, OID);
    set(&claims.sub, "s/1\n\"");
    s.cert = &cert;
    s.claims = &claims;
    (void) entra_addr_parse(&s.address, entra_str("203.0.113.9"));

    s.token = ENTRA_SIGNAL_VALID;

    for (i = 0; i < 4; i++) {
        s.certificate = (entra_signal_e) i;
        is_id(&s, "oid:" TID "/" OID);
    }

    set(&claims.oid, NULL);
    is_id(&s, "sub:" TID "/s%2F1%0A%22");

    set(&claims.sub, NULL);
    s.certificate = ENTRA_SIGNAL_ABSENT;
    is_id(&s, "unknown:203.0.113.9");

    s.token = ENTRA_SIGNAL_ABSENT;
    is_id(&s, "none:203.0.113.9");
    s.certificate = ENTRA_SIGNAL_VALID;
    is_id(&s, "cert:ababababababababababababababababababababababababababababab"
          "ababab");

    for (i = 0; i < 4; i++) {
        s.certificate = (entra_signal_e) i;
        s.token = ENTRA_SIGNAL_INVALID;
        is_id(&s, "invalid:203.0.113.9");
        s.token = ENTRA_SIGNAL_UNKNOWN;
        is_id(&s, i == ENTRA_SIGNAL_INVALID ? "invalid:203.0.113.9"
                                            : "unknown:203.0.113.9");
    }

    for (k = 0; k < 2; k++) {
        s.certificate = k ? ENTRA_SIGNAL_UNKNOWN : ENTRA_SIGNAL_INVALID;
        s.token = ENTRA_SIGNAL_ABSENT;
        is_id(&s, k ? "unknown:203.0.113.9" : "invalid:203.0.113.9");
    }

    s.certificate = ENTRA_SIGNAL_ABSENT;
    (void) entra_addr_parse(&s.address, entra_str("2001:db8:1:2:3:4:5:6"));
    is_id(&s, "none:2001:db8:1:2::/64");
    memset(&s.address, 0, sizeof(s.address));
    is_id(&s, "none:unknown");

    entra_cert_free(&cert);
    entra_claims_free(&claims);
}


int
main(void)
{
    entra_err_t      err;
    entra_cert_t     cert;
    entra_claims_t   claims;
    entra_caller_t   caller;
    entra_signals_t  s;

    claims_test();
    ids();

    memset(&s, 0, sizeof(s));
    memset(&cert, 0, sizeof(cert));
    memset(&claims, 0, sizeof(claims));

    entra_claims_add(&cert.dns, entra_str("a.example"));
    entra_claims_add(&cert.dns, entra_str("b.example"));
    set(&claims.oid, OID);
    set(&claims.appid, APP);
    set(&claims.idtyp, "user");

    s.cert = &cert;
    s.claims = &claims;
    s.now = NOW;
    s.certificate = ENTRA_SIGNAL_VALID;
    s.token = ENTRA_SIGNAL_VALID;

    is_caller("certificate", &s, ENTRA_TRUE, "any that is verified");
    is_caller("certificate san_dns=a.example", &s, ENTRA_TRUE, "has it");
    is_caller("certificate san_dns=a.example san_dns=b.example", &s,
              ENTRA_TRUE, "has both");
    is_caller("certificate san_dns=a.example san_dns=c.example", &s,
              ENTRA_FALSE, "keys on a line are and");
    is_caller("token oid=" OID, &s, ENTRA_TRUE, "it is");
    is_caller("token oid=" OTHER, &s, ENTRA_FALSE, "another one");
    is_caller("token appid=" APP, &s, ENTRA_UNKNOWN, "a user's token");
    is_caller("token appid=" APP " idtyp=user", &s, ENTRA_TRUE,
              "which is what was meant");
    is_caller("token idtyp=user appid=" OTHER, &s, ENTRA_FALSE, "no");
    is_caller("token oid=" OID " certificate san_dns=a.example", &s,
              ENTRA_TRUE, "both");

    states(&s);

    memset(&caller, 0, sizeof(caller));
    s.certificate = ENTRA_SIGNAL_ABSENT;
    s.token = ENTRA_SIGNAL_VALID;
    ok(line(&caller, "certificate san_dns=x.example", &err) == 0
       && line(&caller, "token oid=" OID, &err) == 0
       && entra_caller_match(&caller, &s, 0).lo == ENTRA_TRUE,
       "lines are or");
    entra_caller_free(&caller);

    refuses("san_dns=a.example", "begins with");
    refuses("certificates", "begins with");
    refuses("certificate token", "anybody");
    refuses("token", "anybody in the tenant");
    refuses("certificate oid=" OID, "unknown key");
    refuses("token san_dns=a.example", "unknown key");
    refuses("certificate subject=CN=a", "unknown key");
    refuses("token oid=" OID " token oid=" OID, "unknown key");
    refuses("certificate san_dns=a.b certificate san_dns=a.c", "unknown key");
    refuses("token upn=a@b", "identifies nobody");
    refuses("token oid=x", "GUID");
    refuses("token roles=1 roles=2 roles=3 roles=4 roles=5 roles=6 roles=7"
            " roles=8 roles=9 roles=10 roles=11 roles=12 roles=13 roles=14"
            " roles=15 roles=16 roles=17", "more than 16");

    entra_cert_free(&cert);
    entra_claims_free(&claims);

    return done();
}
