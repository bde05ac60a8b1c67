
/*
 * Copyright (C) nginx-entra authors
 *
 * The decision: truth tables, statuses, early answers.
 */

#include "rules.h"
#include "tap.h"


#define APP  "11111111-1111-1111-1111-111111111111"
#define G1   "aaaaaaaa-0000-0000-0000-000000000001"
#define G2   "aaaaaaaa-0000-0000-0000-000000000002"


static entra_cert_t       cert;
static entra_claims_t     claims;
static entra_operation_t  operation;
static char               scratch[8192];


static void
request(entra_signals_t *s)
{
    memset(s, 0, sizeof(*s));

    (void) entra_addr_parse(&s->address, entra_str("10.0.0.1"));
    s->peer = s->address;
    s->certificate = ENTRA_SIGNAL_ABSENT;
    s->token = ENTRA_SIGNAL_ABSENT;
    s->cert = &cert;
    s->claims = &claims;
    s->deployment = ENTRA_DEPLOYMENT_NONE;
    s->now = RULES_NOW;

    entra_operation_init(&operation, entra_str("POST"), entra_str("/score"),
                         scratch);
    s->operation = &operation;
}


static entra_rules_t *
must(const char *text)
{
    entra_err_t     err;
    entra_rules_t  *rules;

    rules = rules_of(text, &err);

    if (rules == NULL) {
        ok(0, "rules: %s", err.text);
        exit(1);
    }

    return rules;
}


static void
decide(const entra_rules_t *rules, const entra_signals_t *s,
    entra_decision_t *d)
{
    unsigned                      n;
    static const entra_policy_t  *policies[128];

    n = rules_policies(rules, policies, 128);

    /* it has to be filled whatever was there */

    memset(d, 0xa5, sizeof(*d));
    entra_decide(policies, n, s, d);
}


static void
is_status(const char *text, const entra_signals_t *s, unsigned status,
    const char *what)
{
    entra_rules_t     *rules;
    entra_decision_t   d;

    rules = must(text);
    decide(rules, s, &d);
    ok(d.status == status
       && d.outcome == (status == 200 ? ENTRA_ALLOW
                        : status == 503 ? ENTRA_UNDETERMINED : ENTRA_DENY),
       "%s: %u", what, d.status);
    entra_rules_free(rules);
}


/* T80: include, except, controls, outcome and state, all of them */

static unsigned
table_row(entra_rules_t *rules, unsigned inc, unsigned exc, unsigned met,
    int block, unsigned state)
{
    int                      restricts, permits, denied;
    unsigned                 i, applies, wrong, result;
    entra_policy_t          *p;
    entra_signals_t          s;
    entra_decision_t         d;
    entra_named_location_t  *location;

    request(&s);

    /* in, in none, or in one that was never read */

    for (i = 0; i < 2; i++) {
        location = (entra_named_location_t *) entra_rules_location_nth(rules,
                       2 * i + ((i ? exc : inc) == ENTRA_TRUE ? 0 : 1));
        location->incomplete = (i ? exc : inc) == ENTRA_UNKNOWN;

        p = entra_rules_policy_nth(rules, 1);
        (i ? &p->assignments[0].except
           : &p->assignments[0].include)->found.locations[0] = location;
    }

    /* the control: groups=G1 */

    s.token = ENTRA_SIGNAL_VALID;
    claims.groups.items[0][35] = met == ENTRA_TRUE ? '1' : '9';
    claims.groups_overage = met == ENTRA_UNKNOWN;

    p->block = block & 1;
    p->grant = !block;
    p->state = (entra_policy_state_e) state;

    decide(rules, &s, &d);

    applies = inc < ENTRA_TRUE - exc ? inc : ENTRA_TRUE - exc;
    restricts = applies != ENTRA_FALSE;
    permits = applies == ENTRA_TRUE;
    denied = restricts && (block || met != ENTRA_TRUE);

    result = denied ? ENTRA_RESULT_FAILURE
             : !block && permits ? ENTRA_RESULT_SUCCESS
                                 : ENTRA_RESULT_NOT_APPLIED;

    if (state == ENTRA_POLICY_DISABLED) {
        result = ENTRA_RESULT_NOT_ENABLED;

    } else if (state == ENTRA_POLICY_REPORT_ONLY) {
        result += 3;
    }

    wrong = d.results[1].result != result;

    /* the other policy grants to all */

    wrong += (d.outcome == ENTRA_ALLOW)
             != !(denied && state == ENTRA_POLICY_ENABLED);
    wrong += d.results[0].result != ENTRA_RESULT_SUCCESS;
    wrong += (d.denied_by != 0) != (denied && state == ENTRA_POLICY_ENABLED);
    wrong += (d.would_deny != 0)
             != (denied && state == ENTRA_POLICY_REPORT_ONLY);

    /* alone it has to permit by itself */

    {
        const entra_policy_t  *alone[1] = { p };

        entra_decide(alone, 1, &s, &d);
        wrong += (d.outcome == ENTRA_ALLOW)
                 != (result == ENTRA_RESULT_SUCCESS);
    }

    return wrong;
}


static void
table(void)
{
    unsigned        inc, exc, met, block, state, n, wrong;
    entra_rules_t  *rules;

    rules = must("location in1: 10.0.0.0/8\nlocation out1: 192.0.2.0/24\n"
                 "location in2: 10.0.0.0/8\nlocation out2: 192.0.2.0/24\n"
                 "policy all: grant\n"
                 "policy p: locations in1 except in2; grant groups=" G1);

    n = wrong = 0;

    for (inc = 0; inc < 3; inc++) {
        for (exc = 0; exc < 3; exc++) {
            for (met = 0; met < 3; met++) {
                for (block = 0; block < 2; block++) {
                    for (state = 0; state < 3; state++) {
                        n++;
                        wrong += table_row(rules, inc, exc, met,
                                           (int) block, state);
                    }
                }
            }
        }
    }

    ok(wrong == 0, "the truth table, %u rows: %u wrong", n, wrong);
    entra_rules_free(rules);
}


/* each dimension in each value */

static void
dimensions(void)
{
    entra_signals_t     s;
    entra_operation_t   ambiguous;
    char                other[4096];

    request(&s);
    claims.groups_overage = 0;

    is_status("policy p: grant", &s, 200, "grant to all");
    is_status("policy p: block", &s, 403, "block for all");
    is_status("policy p: state disabled; grant", &s, 403, "no grant: denied");
    is_status("policy p: state report_only; grant", &s, 403,
              "a report-only grant grants nothing");
    is_status("policy p: grant\npolicy q: state report_only; block", &s, 200,
              "and a report-only block blocks nothing");
    is_status("policy p: grant\npolicy q: state report_only"
              " until=2020-01-01; block", &s, 200, "also past its date");
    is_status("policy p: grant\npolicy q: block", &s, 403, "block wins");
    is_status("policy q: block\npolicy p: grant", &s, 403,
              "in any order");

    is_status("policy p: locations 10.0.0.0/8; grant", &s, 200, "inside");
    is_status("policy p: locations 11.0.0.0/8; grant", &s, 403, "outside");
    is_status("policy p: locations unix; grant", &s, 403, "no unix socket");
    is_status("policy p: grant\npolicy q: locations any except 11.0.0.0/8;"
              " block", &s, 403, "outside of what is excepted");

    /* T03: a forwarded address that could not be read */

    memset(&s.address, 0, sizeof(s.address));
    is_status("policy p: locations 10.0.0.0/8; grant", &s, 403,
              "unknown is not inside");
    is_status("policy p: locations any; grant", &s, 200, "any is any");
    is_status("policy p: grant\npolicy q: locations any except 10.0.0.0/8;"
              " block", &s, 403, "nor excepted");
    is_status("policy p: grant\npolicy q: locations 11.0.0.0/8; block", &s,
              403, "and may be blocked");
    is_status("policy p: peers 10.0.0.0/8; grant", &s, 200,
              "the peer is another question");

    entra_addr_unix(&s.address);
    is_status("policy p: locations unix; grant", &s, 200, "a unix socket");
    is_status("policy p: locations 255.255.255.255/32; grant", &s, 403,
              "is no address (T09)");
    request(&s);

    is_status("policy p: operations \"POST /score\"; grant", &s, 200,
              "the operation");
    is_status("policy p: operations \"GET /score\"; grant", &s, 403,
              "another one");
    entra_operation_init(&ambiguous, entra_str("POST"),
                         entra_str("/x/%2e%2e/score"), other);
    s.operation = &ambiguous;
    is_status("policy p: operations any except preset escape; grant", &s, 403,
              "an ambiguous path is never permitted");
    is_status("policy p: grant\npolicy q: operations \"* /admin\"; block", &s,
              403, "and always blocked");
    is_status("policy p: operations any; grant", &s, 200, "but by any");
    s.operation = NULL;
    is_status("policy p: operations \"POST /score\"; grant", &s, 403,
              "no operation is an unknown one");
    request(&s);

    /* T24b */

    is_status("policy p: deployments none blue; grant", &s, 200,
              "no deployment header");
    is_status("policy p: deployments blue; grant", &s, 403,
              "absent is not any name");
    is_status("policy p: grant\npolicy q: deployments any except none blue;"
              " block", &s, 200, "nor another one");
    entra_signals_deployment(&s, entra_str("blue"), 1);
    is_status("policy p: deployments none blue; grant", &s, 200, "allowed");
    is_status("policy p: deployments any except none; grant", &s, 200,
              "there is one");
    entra_signals_deployment(&s, entra_str(" green"), 1);
    is_status("policy p: deployments none blue; grant", &s, 403, "other");
    entra_signals_deployment(&s, entra_str("BLUE"), 1);
    is_status("policy p: deployments none blue; grant", &s, 403,
              "in capitals: unknown");
    is_status("policy p: grant\npolicy q: deployments blue; block", &s, 403,
              "and blocked");
    entra_signals_deployment(&s, entra_str("blue"), 2);
    is_status("policy p: deployments none blue; grant", &s, 403, "twice");
    entra_signals_deployment(&s, entra_str("blue, green"), 1);
    is_status("policy p: deployments none blue; grant", &s, 403, "a list");
    entra_signals_deployment(&s, entra_str(""), 1);
    is_status("policy p: deployments none blue; grant", &s, 403, "empty");
    request(&s);

    /* Monday, 20:00 UTC */

    is_status("policy p: time mon 20:00-20:01; grant", &s, 200, "in time");
    is_status("policy p: time tue 00:00-24:00; grant", &s, 403, "not in time");
    is_status("policy p: time tue 00:00-24:00; time mon 20:00-21:00; grant",
              &s, 200, "one of two windows");

    s.tls = 0x0303;
    is_status("policy p: grant tls", &s, 200, "TLS");
    is_status("policy p: grant tls=1.2", &s, 200, "TLS 1.2");
    is_status("policy p: grant tls=1.3", &s, 403, "but not 1.3");
    s.tls = 0;
    is_status("policy p: grant tls", &s, 403, "no TLS");
    is_status("policy p: grant\npolicy q: grant tls", &s, 403,
              "a grant that applies with unmet controls denies");
}


static void
statuses(void)
{
    entra_signals_t          s;
    entra_rules_t           *rules;
    entra_decision_t         d;
    entra_named_location_t  *location;

    request(&s);

    /* a caller's credential that is not there */

    is_status("policy p: grant token", &s, 401, "a token is required");
    is_status("policy p: grant certificate", &s, 401, "a certificate");
    is_status("policy p: grant roles=Score", &s, 401, "a role");
    is_status("policy p: locations 11.0.0.0/8; grant token", &s, 403,
              "a token would not help");
    is_status("caller c: token oid=" APP "\npolicy p: callers c; grant", &s,
              401, "a caller by token");
    is_status("caller c: token oid=" APP "\npolicy a: grant\npolicy p:"
              " callers any except c; block", &s, 401,
              "all others are blocked");
    is_status("policy p: grant\npolicy q: block", &s, 403,
              "blocked whoever calls");

    rules = must("policy p: grant any certificate token");
    decide(rules, &s, &d);
    ok(d.missing == ENTRA_MISSING_TOKEN && d.reason == ENTRA_REASON_CONTROLS,
       "either would do: the token is asked for");
    entra_rules_free(rules);

    rules = must("policy p: grant certificate token");
    decide(rules, &s, &d);
    ok(d.missing == (ENTRA_MISSING_TOKEN | ENTRA_MISSING_CERTIFICATE),
       "both are missing");
    s.token = ENTRA_SIGNAL_VALID;
    decide(rules, &s, &d);
    ok(d.status == 401 && d.missing == ENTRA_MISSING_CERTIFICATE,
       "one is there");
    entra_rules_free(rules);

    is_status("policy p: grant token", &s, 200, "a valid token");
    is_status("policy p: grant roles=Admin", &s, 403, "without the role");

    /* invalid: always 401, whatever the policies ask for */

    request(&s);
    s.token = ENTRA_SIGNAL_INVALID;
    is_status("policy p: grant", &s, 401, "an invalid token");
    s.token = ENTRA_SIGNAL_ABSENT;
    s.certificate = ENTRA_SIGNAL_INVALID;
    is_status("policy p: grant", &s, 401, "an invalid certificate");
    s.token = ENTRA_SIGNAL_VALID;
    is_status("policy p: grant token", &s, 401, "beside a valid token");

    /* what the gateway itself does not know */

    request(&s);
    s.token = ENTRA_SIGNAL_UNKNOWN;
    is_status("policy p: grant token", &s, 503, "keys were never loaded");
    is_status("policy p: grant", &s, 200, "which is of no interest here");
    is_status("policy p: grant token\npolicy q: block", &s, 403,
              "nor where all are blocked");
    is_status("policy p: locations 11.0.0.0/8; grant token", &s, 403,
              "nor here");
    is_status("policy p: grant token certificate", &s, 401,
              "a certificate is missing all the same");

    request(&s);
    rules = must("location l: 192.0.2.0/24\npolicy p: locations l; grant\n"
                 "policy q: state disabled; block");
    location = (entra_named_location_t *) entra_rules_location_nth(rules, 0);
    location->incomplete = 1;
    decide(rules, &s, &d);
    ok(d.status == 503 && d.outcome == ENTRA_UNDETERMINED
       && d.results[0].undetermined && d.results[0].unknown == 1,
       "a list that was never read");
    (void) entra_addr_parse(&s.address, entra_str("192.0.2.1"));
    decide(rules, &s, &d);
    ok(d.status == 200, "what is known to be in it is in it");
    entra_rules_free(rules);

    /* groups overage is the caller's, not ours */

    request(&s);
    s.token = ENTRA_SIGNAL_VALID;
    claims.groups_overage = 1;
    is_status("caller g: token groups=" G2 "\npolicy p: callers g; grant", &s,
              403, "overage is no 503");
    is_status("policy a: grant\ncaller g: token groups=" G2
              "\npolicy p: callers g; block", &s, 403,
              "and is blocked (T73)");
    claims.groups_overage = 0;
    is_status("policy a: grant\ncaller g: token groups=" G2
              "\npolicy p: callers g; block", &s, 200, "certainly not in it");

    /* T84: a block for some is escaped by showing nothing */

    s.token = ENTRA_SIGNAL_ABSENT;
    is_status("policy a: grant token\ncaller g: token groups=" G2
              "\npolicy p: callers g; block", &s, 401,
              "but a grant with token is not");

    /* step-up */

    s.token = ENTRA_SIGNAL_VALID;
    rules = must("policy p: grant acrs=c1 token");
    decide(rules, &s, &d);
    ok(d.status == 403 && d.step_up == NULL && d.no_step_up
       && strcmp(d.no_step_up, "c1") == 0, "it cannot be stepped up");
    claims.claims_capable = 1;
    decide(rules, &s, &d);
    ok(d.status == 403 && d.step_up && strcmp(d.step_up, "c1") == 0
       && d.no_step_up == NULL,
       "it can: to c1");
    entra_rules_free(rules);
    rules = must("policy p: grant acrs=c1 roles=Admin");
    decide(rules, &s, &d);
    ok(d.status == 403 && d.step_up == NULL && d.no_step_up == NULL,
       "which would not suffice here");
    entra_rules_free(rules);
    claims.claims_capable = 0;
}


static void
early(void)
{
    entra_signals_t   s;
    entra_rules_t    *rules;
    entra_decision_t  d;

    const entra_policy_t  *policies[8];

    request(&s);
    s.operation = NULL;
    s.early = 1;

    is_status("policy p: operations \"POST /score\"; grant", &s, 200,
              "early: some operation could be allowed");
    is_status("policy p: grant\npolicy q: operations preset escape; block",
              &s, 200, "early: some operation is not blocked");
    is_status("policy p: grant\npolicy q: operations any; block", &s, 403,
              "early: each is blocked");
    is_status("policy p: deployments blue; grant", &s, 200,
              "early: some deployment");
    is_status("policy p: locations 11.0.0.0/8; operations \"POST /score\";"
              " grant", &s, 403, "early: not from there, whatever it is");
    is_status("policy p: operations \"POST /score\"; grant token", &s, 401,
              "early: not without a token");
    s.token = ENTRA_SIGNAL_UNKNOWN;
    is_status("policy p: operations \"POST /score\"; grant token", &s, 503,
              "early: keys were never loaded");
    s.token = ENTRA_SIGNAL_INVALID;
    is_status("policy p: operations \"POST /score\"; grant", &s, 401,
              "early: invalid is invalid");

    rules = must("policy p: grant\npolicy q: operations any; grant\n"
                 "policy r: state disabled; operations \"GET /x\"; grant");
    ok(!entra_policies_see_operations(policies,
                                      rules_policies(rules, policies, 8)),
       "these do not look at operations");
    entra_rules_free(rules);
    rules = must("policy p: grant\npolicy q: operations any except preset"
                 " escape; grant");
    ok(entra_policies_see_operations(policies,
                                     rules_policies(rules, policies, 8)),
       "these do");
    entra_rules_free(rules);
    rules = must("policy p: deployments blue; grant");
    ok(entra_policies_see_operations(policies,
                                     rules_policies(rules, policies, 8)),
       "and these, as the header is the upstream's too");
    entra_rules_free(rules);

    request(&s);
    rules = must("policy p: operations \"GET /x\"; locations 11.0.0.0/8;"
                 " time tue 00:00-24:00; grant token amr=mfa\n"
                 "policy q: grant");
    decide(rules, &s, &d);
    ok(d.status == 200
       && d.results[0].not_satisfied == (1 << ENTRA_DIM_OPERATIONS
                                         | 1 << ENTRA_DIM_LOCATIONS
                                         | 1 << ENTRA_DIM_TIME)
       && d.results[0].controls_unmet == 3
       && d.results[0].result == ENTRA_RESULT_NOT_APPLIED,
       "all that is not satisfied is there, not the first alone");
    entra_rules_free(rules);
}


static void
bounds(void)
{
    unsigned          i;
    entra_rules_t    *rules;
    entra_signals_t   s;
    entra_decision_t  d;

    const entra_policy_t  *policies[ENTRA_POLICIES_MAX + 1];

    request(&s);
    entra_decide(NULL, 0, &s, &d);
    ok(d.outcome == ENTRA_DENY && d.status == 403
       && d.reason == ENTRA_REASON_NO_GRANT, "no policies at all: denied");

    rules = must("policy p: grant");

    for (i = 0; i <= ENTRA_POLICIES_MAX; i++) {
        policies[i] = entra_rules_policy_nth(rules, 0);
    }

    entra_decide(policies, ENTRA_POLICIES_MAX, &s, &d);
    ok(d.outcome == ENTRA_ALLOW, "64 policies");
    entra_decide(policies, ENTRA_POLICIES_MAX + 1, &s, &d);
    ok(d.outcome == ENTRA_DENY && d.reason == ENTRA_REASON_TOO_MANY,
       "65 are not looked at: denied");
    entra_rules_free(rules);

    memset(&s, 0, sizeof(s));
    is_status("policy p: grant token", &s, 503, "zeroed signals");
    is_status("policy p: locations 10.0.0.0/8; grant", &s, 403,
              "zeroed signals");
}


static void
addresses(void)
{
    entra_err_t       err;
    entra_addr_t      client, peer;
    entra_signals_t   s;
    entra_cidr_set_t  proxies;

    entra_cidr_set_init(&proxies);
    (void) entra_cidr_set_add(&proxies, entra_str("10.0.0.0/24"), &err);
    (void) entra_cidr_set_seal(&proxies);
    memset(&s, 0, sizeof(s));

    (void) entra_addr_parse(&client, entra_str("203.0.113.9"));
    (void) entra_addr_parse(&peer, entra_str("10.0.0.1"));
    entra_signals_address(&s, &client, &peer, &proxies);
    ok(entra_addr_eq(&s.address, &client) && entra_addr_eq(&s.peer, &peer),
       "a client behind a trusted proxy");

    entra_signals_address(&s, &peer, &peer, &proxies);
    ok(s.address.family == ENTRA_ADDR_UNKNOWN && entra_addr_eq(&s.peer, &peer),
       "the proxy conveyed nothing: unknown (T03)");

    (void) entra_addr_parse(&client, entra_str("10.0.0.77"));
    entra_signals_address(&s, &client, &peer, &proxies);
    ok(s.address.family == ENTRA_ADDR_UNKNOWN,
       "the last hop is a proxy, too: unknown (T02)");

    (void) entra_addr_parse(&peer, entra_str("198.51.100.1"));
    (void) entra_addr_parse(&client, entra_str("203.0.113.9"));
    entra_signals_address(&s, &client, &peer, &proxies);
    ok(s.address.family == ENTRA_ADDR_UNKNOWN,
       "somebody who is not trusted was believed: unknown (T01)");

    entra_signals_address(&s, &client, &client, &proxies);
    ok(entra_addr_eq(&s.address, &client), "a direct client");

    entra_signals_address(&s, &client, &peer, NULL);
    ok(entra_addr_eq(&s.address, &client), "no proxies are named");

    memset(&client, 0, sizeof(client));
    entra_signals_address(&s, &client, &peer, NULL);
    ok(s.address.family == ENTRA_ADDR_UNKNOWN, "unknown stays unknown");

    entra_cidr_set_free(&proxies);
}


int
main(void)
{
    entra_claims_add(&claims.groups, entra_str(G1));

    table();
    dimensions();
    statuses();
    early();
    bounds();
    addresses();

    entra_claims_free(&claims);

    return done();
}
