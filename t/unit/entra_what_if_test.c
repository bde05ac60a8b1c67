
/*
 * Copyright (C) nginx-entra authors
 *
 * What-if queries, and decisions as text: both forms of a query, the JSON,
 * the line of the log.
 */

#include "entra_json.h"
#include "entra_what_if.h"
#include "rules.h"
#include "tap.h"


#define APP  "11111111-1111-1111-1111-111111111111"
#define OID  "33333333-3333-3333-3333-333333333333"
#define KEY  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define RULES                                                                 \
    "location corp: 10.0.0.0/8\n"                                             \
    "location lab: 10.1.0.0/16\n"                                             \
    "caller apps: token oid=" OID "\n"                                        \
    "policy office: locations any except corp; block\n"                       \
    "policy score: operations \"POST /score\"; grant\n"                       \
    "policy mfa: state report_only; grant token amr=mfa\n"                    \
    "policy off: state disabled; block"


static char              *answer;
static entra_decision_t   decision;


/* the answer, or NULL and err */

static const entra_json_t *
ask(const entra_rules_t *rules, const char *query, entra_json_t **root,
    entra_err_t *err)
{
    unsigned                     n;
    entra_buf_t                  b;
    entra_what_if_t              w;
    entra_decision_info_t        info;
    const entra_policy_t        *policies[128];

    *root = NULL;
    entra_err_clear(err);

    if (entra_what_if_parse(&w, entra_str_c(query), RULES_NOW, err) == 0) {
        n = rules_policies(rules, policies, 128);
        entra_decide(policies, n, &w.signals, &decision);

        memset(&info, 0, sizeof(info));
        info.id = entra_str("d-1");
        info.request_id = entra_str("r-1");
        info.credential = w.credential;
        info.micros = 1;

        entra_buf_init(&b, 128 * 1024);
        entra_what_if_answer(&w, &decision, rules, &info, &b);

        free(answer);
        answer = entra_buf_steal(&b);
        *root = answer ? entra_json_parse(entra_str_c(answer), 0,
                                          ENTRA_JSON_UNIQUE) : NULL;
    }

    entra_what_if_free(&w);

    return entra_json_member(*root, "decision");
}


static void
is_member(const entra_json_t *object, const char *name, const char *want)
{
    is(entra_json_member_string(object, name).data, want, name);
}


static void
refuses(const char *query, const char *says)
{
    entra_err_t      err;
    entra_what_if_t  w;

    entra_err_clear(&err);
    ok(entra_what_if_parse(&w, entra_str_c(query), RULES_NOW, &err) == -1
       && strstr(err.text, says), "refuses %.60s: %s", query, err.text);
    entra_what_if_free(&w);
}


static void
gives(const char *query, unsigned status, const char *contains)
{
    entra_err_t          err;
    entra_json_t        *root;
    entra_rules_t       *rules;
    const entra_json_t  *d;

    rules = rules_of(RULES, &err);
    d = ask(rules, query, &root, &err);

    ok(d && decision.status == status
       && (contains == NULL || strstr(answer, contains)),
       "%.70s: %u%s%s", query, decision.status, d ? "" : ", ",
       d ? "" : err.text);

    if (contains && answer && !strstr(answer, contains)) {
        printf("# %s\n", answer);
    }

    entra_json_free(root);
    entra_rules_free(rules);
}


static void
fields(void)
{
    entra_err_t          err;
    entra_json_t        *root;
    entra_rules_t       *rules;
    const entra_json_t  *d, *list, *p;

    rules = rules_of(RULES, &err);
    d = ask(rules, "address=10.1.2.3&peer=10.0.0.9&method=POST&path=/score"
            "&credential=scoring&oid=" OID "&appid=" APP "&idtyp=app",
            &root, &err);

    ok(d != NULL, "an answer: %s", answer ? answer : err.text);

    is_member(d, "createdDateTime", "2026-11-23T20:00:00Z");
    is_member(d, "id", "d-1");
    is_member(d, "requestId", "r-1");
    is_member(d, "credential", "scoring");
    is_member(d, "decision", "allow");
    is_member(d, "conditionalAccessStatus", "success");
    is_member(d, "ipAddress", "10.1.2.3");
    is_member(d, "peerAddress", "10.0.0.9");
    is_member(d, "operation", "POST /score");
    is_member(entra_json_member(d, "caller"), "oid", OID);
    is_member(entra_json_member(d, "caller"), "appId", APP);
    is_member(entra_json_member(d, "caller"), "names", "apps");

    list = entra_json_member(d, "networkNames");
    ok(entra_json_count(list) == 2, "both locations are named");

    list = entra_json_member(d, "appliedConditionalAccessPolicies");
    ok(entra_json_count(list) == 4, "all policies");

    p = entra_json_first(list);
    is_member(p, "displayName", "office");
    is_member(p, "result", "notApplied");
    ok(entra_json_count(entra_json_member(p, "conditionsNotSatisfied")) == 1,
       "and what was not satisfied");
    p = entra_json_next(p);
    is_member(p, "result", "success");
    p = entra_json_next(p);
    is_member(p, "result", "reportOnlyFailure");
    ok(entra_json_count(entra_json_member(p, "grantControlsNotSatisfied"))
       == 1, "amr=mfa");
    p = entra_json_next(p);
    is_member(p, "result", "notEnabled");

    entra_json_free(root);
    entra_rules_free(rules);
}


static void
queries(void)
{
    gives("address=10.0.0.1&method=POST&path=/score", 200, NULL);
    gives("address=192.0.2.1&method=POST&path=/score", 403,
          "denied: policy \\\"office\\\" (block)");
    gives("method=POST&path=/score", 403, "\"notGiven\":[\"address\"");
    gives("address=unknown&method=POST&path=%2Fscore", 403, "unknown: loc");
    gives("address=unix:&method=POST&path=/score", 403, "unix:");
    gives("address=10.0.0.1", 403, "no grant applies: \\\"score\\\" (unknown:"
          " operations)");
    gives("address=10.0.0.1&method=GET&path=/score", 403,
          "(not: operations)");
    gives("address=10.0.0.1&method=POST&path=/score&token=invalid", 401,
          "the caller's token is invalid");
    gives("address=10.0.0.1&method=POST&path=/score&certificate=invalid", 401,
          "certificate is invalid");
    gives("address=10.0.0.1&method=POST&path=/score&token=unknown", 200,
          NULL);
    gives("address=10.0.0.1&method=POST&path=/score&amr=mfa", 200,
          "\"reportOnlySuccess\"");
    gives("address=10.0.0.1&method=POST&path=/score?x=y", 200, NULL);
    gives("address=10.0.0.1&method=POST&path=/score&spki_sha256=" KEY, 200,
          KEY);
    gives("address=10.0.0.1&method=POST&path=/score&san_dns=A.B&san_uri=urn:x",
          200, "\"sanDns\":\"a.b\"");
    gives("address=10.0.0.1&method=POST&path=/score&deployment=blue", 200,
          "\"deployment\":\"blue\"");
    gives("address=10.0.0.1&method=POST&path=/score&time=2020-01-01T00:00:00Z",
          200, "2020-01-01T00:00:00Z");
    gives("&&address=10.0.0.1&method=POST&path=/score&", 200, NULL);
    gives("", 403, NULL);

    gives("{\"address\":\"10.0.0.1\",\"method\":\"POST\",\"path\":\"/score\"}",
          200, NULL);
    gives("{\"address\":\"10.0.0.1\",\"method\":\"POST\",\"path\":\"/score\","
          "\"roles\":[\"a\",\"b\"],\"groups_overage\":true,\"iat\":1,"
          "\"amr\":\"mfa\"}", 200, "reportOnlySuccess");

    refuses("adress=10.0.0.1", "unknown parameter \"adress\"");
    refuses("address=10.0.0.01", "address is an address");
    refuses("address=10.0.0.1&address=10.0.0.1", "given twice");
    refuses("address", "address is an address");
    refuses("time=yesterday", "time is written");
    refuses("token=maybe", "none, valid, invalid or unknown");
    refuses("token=none&roles=a", "for a valid one only");
    refuses("certificate=invalid&san_dns=a.b", "for a valid one only");
    refuses("tls=1.1", "1.2, 1.3 or none");
    refuses("cert_sha256=00", "SHA-256");
    refuses("groups_overage=maybe", "true or false");
    refuses("iat=x", "seconds since 1970");
    refuses("path=%zz", "without two hexadecimal digits");
    refuses("path=%0", "without two hexadecimal digits");
    refuses("path=a%00b", "or a NUL");
    refuses("{\"address\":", "not a JSON object");
    refuses("{\"address\":{}}", "is text");
    refuses("{\"address\":[[]]}", "is text");
    refuses("{\"address\":null}", "is text");
    refuses("{\"roles\":\"a\",\"roles\":\"b\"}", "not a JSON object");
}


/* T85: what comes with a request does not get out of its string */

static void
injection(void)
{
    size_t               i, bad;
    entra_err_t          err;
    entra_buf_t          line;
    entra_json_t        *root;
    entra_rules_t       *rules;
    entra_what_if_t      w;
    const entra_json_t  *d;

    const entra_policy_t  *policies[8];

    static const char  query[] =
        "address=10.0.0.1&method=POST%0d%0a&path=/a%0d%0aX:%20%22%5c%1b[31m"
        "%e2%80%ae%ff&san_uri=urn:a%0a%22b&oid=o%0aid&appid=%1b]0;x%07"
        "&deployment=%22%7d&credential=%22%0a";

    rules = rules_of(RULES, &err);
    d = ask(rules, query, &root, &err);
    ok(d != NULL, "control characters and quotes: still JSON");

    bad = 0;
    for (i = 0; answer[i]; i++) {
        bad += (unsigned char) answer[i] < ' ' || answer[i] == 0x7f;
    }
    ok(bad == 0, "without control characters");
    entra_json_free(root);

    (void) entra_what_if_parse(&w, entra_str_c(query), RULES_NOW, &err);
    entra_decide(policies, rules_policies(rules, policies, 8), &w.signals,
                 &decision);
    entra_buf_init(&line, 16384);
    entra_decision_line(&decision, &w.signals, &line);

    bad = 0;
    for (i = 0; i < line.len; i++) {
        bad += (unsigned char) line.data[i] < ' '
               || (unsigned char) line.data[i] >= 0x7f;
    }
    ok(bad == 0 && entra_buf_ok(&line), "nor has the line: %s",
       entra_buf_str(&line).data);

    entra_buf_free(&line);
    entra_what_if_free(&w);
    entra_rules_free(rules);
}


static void
bounded(void)
{
    int                  i;
    char                 block[2048], *query;
    entra_err_t          err;
    entra_json_t        *root;
    entra_rules_t       *rules;
    const entra_json_t  *d;

    rules = entra_rules_create();

    for (i = 0; i < 64; i++) {
        snprintf(block, sizeof(block), "policy p%062d: locations 11.0.0.0/8;"
                 " grant roles=%0400d amr=%0400d acrs=%0400d", i, 1, 2, 3);

        if (rules_block(rules, block, &err) != 0) {
            ok(0, "%s", err.text);
        }
    }

    (void) entra_rules_finish(rules, &err);

    query = malloc(60000);
    memset(query, 0, 60000);
    snprintf(query, 60000, "address=10.0.0.1&method=POST&path=/%050000d"
             "&san_uri=urn:%05000d", 1, 2);

    d = ask(rules, query, &root, &err);
    ok(d && strlen(answer) < ENTRA_DECISION_JSON_MAX + 9000,
       "64 long policies, a path of 50 KB: %zu bytes", strlen(answer));
    ok(entra_json_member(d, "omitted") != NULL, "and what is omitted is told");
    entra_json_free(root);

    memset(query, 0, 60000);
    for (i = 0; i < 1100; i++) {
        memcpy(query + 9 * i, "roles=ab&", 9);
    }
    refuses(query, "too many of \"roles\"");

    free(query);
    entra_rules_free(rules);
}


static void
names(void)
{
    entra_buf_t            b;
    entra_err_t            err;
    entra_rules_t         *rules;
    entra_signals_t        s;
    const entra_policy_t  *policies[8];

    memset(&s, 0, sizeof(s));
    rules = rules_of("policy a: block\npolicy b: state report_only; block\n"
                     "policy c: block\npolicy d: grant", &err);
    entra_decide(policies, rules_policies(rules, policies, 8), &s, &decision);

    entra_buf_init(&b, 100);
    entra_decision_names(&decision, decision.denied_by, &b);
    is(entra_buf_str(&b).data, "a,c", "denied by");
    entra_buf_reset(&b);
    entra_decision_names(&decision, decision.would_deny, &b);
    is(entra_buf_str(&b).data, "b", "would deny");
    entra_buf_reset(&b);
    entra_decision_names(&decision, 0, &b);
    is(entra_buf_str(&b).data, "-", "nobody");
    entra_buf_free(&b);

    /* without rules, without info */

    entra_buf_init(&b, ENTRA_DECISION_JSON_MAX);
    entra_decision_json(&decision, &s, NULL, NULL, 0, &b);
    ok(entra_buf_ok(&b) && strstr(entra_buf_str(&b).data,
                                  "\"ipAddress\":\"unknown\""),
       "the least there is: %s", entra_buf_str(&b).data);
    entra_buf_free(&b);

    entra_buf_init(&b, 10);
    entra_decision_json(&decision, &s, NULL, NULL, 0, &b);
    ok(!entra_buf_ok(&b), "too small a buffer says so");
    entra_buf_free(&b);

    entra_rules_free(rules);
}


int
main(void)
{
    fields();
    queries();
    injection();
    bounded();
    names();

    free(answer);

    return done();
}
