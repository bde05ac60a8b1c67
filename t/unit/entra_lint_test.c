
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_lint.h"
#include "rules.h"
#include "tap.h"


static char  said[8192];


static void
collect(void *data, const char *where, const char *text)
{
    size_t  n = strlen(said);

    snprintf(said + n, sizeof(said) - n, "%s | ", text);
}


static void
lint(const char *text, const char *proxies)
{
    unsigned          n;
    entra_err_t       err;
    entra_rules_t    *rules;
    entra_cidr_set_t  set;

    const entra_policy_t  *policies[32];

    said[0] = '\0';
    rules = rules_of(text, &err);

    if (rules == NULL) {
        ok(0, "%s", err.text);
        return;
    }

    entra_cidr_set_init(&set);
    if (proxies) {
        (void) entra_cidr_set_add(&set, entra_str_c(proxies), &err);
    }
    (void) entra_cidr_set_seal(&set);

    n = rules_policies(rules, policies, 32);
    entra_lint_rules(rules, RULES_NOW, NULL, collect, NULL);
    entra_lint_policies(policies, n, "credential \"c\"",
                        proxies ? &set : NULL, collect, NULL);

    entra_cidr_set_free(&set);
    entra_rules_free(rules);
}


static void
clean(const char *what, const char *text)
{
    lint(text, NULL);
    ok(said[0] == '\0', "nothing to say: %s%s", what, said);
}


static void
says(const char *what, const char *text, const char *want)
{
    lint(text, NULL);
    ok(strstr(said, want) != NULL, "%s: %s", what, said);
}


#define BASE  "location corp: 10.0.0.0/8\nlocation lab: 10.1.0.0/16\n"        \
              "location v6: 2001:db8::/32\n"                                  \
              "caller a: certificate san_dns=a.b\ncaller b: token oid="       \
              "11111111-1111-1111-1111-111111111111\n"                        \
              "operations o: \"POST /score\"\n"

#define NEVER   "can never apply"
#define USELESS "can never grant"


static void
covers(void)
{
    says("a block for all", BASE "policy g: grant token\npolicy b: block",
         USELESS);
    says("the same locations", BASE "policy g: locations corp; grant token\n"
         "policy b: locations corp; block", USELESS);
    says("wider ones", BASE "policy g: locations lab; grant token\n"
         "policy b: locations corp; block", USELESS);
    says("by their addresses", BASE "policy g: locations 10.1.2.0/24; grant"
         " token\npolicy b: locations lab; block", USELESS);
    says("outside of what a block excepts", BASE "policy g: locations v6;"
         " grant token\npolicy b: locations any except corp; block", USELESS);
    says("the same exceptions", BASE "policy g: locations any except corp;"
         " grant token\npolicy b: locations any except lab; block", USELESS);
    says("the same callers", BASE "policy g: callers a; grant\npolicy b:"
         " callers a b; block", USELESS);
    says("the same operations", BASE "policy g: operations \"GET /x\"; grant"
         " token\npolicy b: operations o \"GET /x\"; block", USELESS);
    says("all the time", BASE "policy g: time mon 10:00-11:00; grant token\n"
         "policy b: time mon-fri 08:00-12:00; block", USELESS);
    says("all the time, in pieces", BASE "policy g: grant token\npolicy b:"
         " time 00:00-12:00; time 12:00-24:00; block", USELESS);

    clean("narrower", BASE "policy g: locations corp; grant token\npolicy b:"
          " locations lab; block");
    clean("the example", BASE "policy office: locations any except corp;"
          " block\npolicy score: operations \"POST /score\"; grant");
    clean("other callers", BASE "policy g: callers a; grant\npolicy b:"
          " callers b; block");
    clean("the block has an exception", BASE "policy g: callers a; grant\n"
          "policy b: callers any except a; block");
    clean("another time", BASE "policy g: time mon 10:00-11:00; grant token\n"
          "policy b: time mon 10:30-12:00; block");
    clean("not enabled", BASE "policy g: grant token\npolicy b: state"
          " report_only; block");
    clean("only with another condition", BASE "policy g: locations corp;"
          " grant token\npolicy b: locations corp; operations o; block");
    clean("other deployments", BASE "policy g: deployments none blue; grant"
          " token\npolicy b: deployments green; block");
}


static void
proxies(void)
{
    static const char  grant[] = BASE "policy g: locations corp; grant token";

    lint(grant, "10.0.0.4");
    ok(strstr(said, "trusted proxy") != NULL, "a proxy inside: %s", said);
    lint(grant, "192.0.2.1");
    ok(said[0] == '\0', "a proxy outside");
    lint(BASE "policy g: locations corp except lab; grant token",
         "10.1.0.0/24");
    ok(said[0] == '\0', "a proxy that is excepted");
    lint(BASE "policy b: locations any except corp; block\npolicy g: grant"
         " token", "10.0.0.4");
    ok(strstr(said, "excepts") != NULL, "a proxy that a block excepts: %s",
       said);
    lint(BASE "policy g: locations any; grant token", "10.0.0.4");
    ok(said[0] == '\0', "any is any");
    lint(BASE "policy g: peers corp; grant token", "10.0.0.4");
    ok(said[0] == '\0', "a peer is meant to be one");
}


static void
ipv4(const char *text, const char *want)
{
    entra_err_t     err;
    entra_rules_t  *rules;

    rules = rules_of(text, &err);
    is(entra_lint_ipv4_only(entra_rules_policy_nth(rules, 0)), want,
       strrchr(text, '\n') + 1);
    entra_rules_free(rules);
}


static int
used(void *data, const entra_policy_t *policy)
{
    return strcmp(policy->name, "p") != 0;
}


int
main(void)
{
    entra_err_t     err;
    entra_rules_t  *rules;

    says("addresses", BASE "policy p: locations lab except corp; block\n"
         "policy g: grant token", NEVER);
    says("addresses in the policy", BASE "policy p: peers 10.0.0.0/9 except"
         " corp; block\npolicy g: grant token", NEVER);
    says("callers", BASE "policy p: callers a except a b; block\npolicy g:"
         " grant token", NEVER);
    says("operations", BASE "policy p: operations o \"GET /x\" except \"GET"
         " /x\" o; block\npolicy g: grant token", NEVER);
    says("deployments", BASE "policy p: deployments blue none except none"
         " blue; block\npolicy g: grant token", NEVER);
    clean("something is left", BASE "policy p: locations corp except lab;"
          " block\npolicy g: grant token");
    clean("a disabled policy", BASE "policy p: state disabled; locations lab"
          " except corp; block\npolicy g: grant token");

    says("a context by its name", BASE "policy p: grant token acrs=Strong",
         "asks for \"acrs=Strong\", which is none of Entra's");
    says("or a number too large", BASE "policy p: grant token acrs=c100",
         "asks for \"acrs=c100\"");
    clean("contexts", BASE "policy p: grant all token acrs=c1 acrs=c99");
    says("of a caller", BASE "caller c: token acrs=C1\npolicy p: callers a c;"
         " grant", "entra_caller \"c\" asks for \"acrs=C1\"");
    says("of one that is excepted", BASE "caller c: token oid=11111111-1111-"
         "1111-1111-111111111111 acrs=c0\npolicy p: callers any except c;"
         " block\npolicy g: grant token", "asks for \"acrs=c0\"");
    says("that nobody uses", BASE "caller c: token acrs=C1\npolicy p:"
         " callers a; grant", "asks for \"acrs=C1\"");
    says("past its date", BASE "policy p: state report_only until=2026-11-22;"
         " block\npolicy g: grant token", "was to be report_only until"
         " 2026-11-23T00:00:00Z, which is past");
    clean("on its last day", BASE "policy p: state report_only"
          " until=2026-11-23; block\npolicy g: grant token");

    says("no grant", BASE "policy b: locations corp; block",
         "credential \"c\": none of its enabled policies grants");
    says("a grant that is not enabled", BASE "policy b: state report_only;"
         " grant", "none of its enabled policies");
    says("everybody", "policy g: grant", "grants everybody everything");
    says("everybody, in many words", "policy g: locations any; callers any;"
         " operations any; grant", "grants everybody everything");

    covers();

    says("escaped without a credential (T84)", BASE "policy b: callers a;"
         " block\npolicy g: operations o; grant", "presenting no credential");
    says("a control that is no identity", BASE "policy b: callers a; block\n"
         "policy g: grant any tls token", "presenting no credential");
    clean("the grant asks for one", BASE "policy b: callers a; block\npolicy"
          " g: operations o; grant token");
    clean("the grant names its callers", BASE "policy b: callers a; block\n"
          "policy g: callers b; grant");
    clean("a block for all but some", BASE "policy b: callers any except a;"
          " block\npolicy g: operations o; grant");

    proxies();

    ipv4(BASE "policy p: locations corp; block", "corp");
    ipv4(BASE "policy p: locations any except lab; block", "lab");
    ipv4(BASE "policy p: locations 10.0.0.0/8; block", "");
    ipv4(BASE "policy p: locations corp v6; block", NULL);
    ipv4(BASE "policy p: locations corp 2001:db8::/32; block", NULL);
    ipv4(BASE "policy p: locations v6; block", NULL);
    ipv4(BASE "policy p: locations unix; block", NULL);
    ipv4(BASE "policy p: state disabled; locations corp; block", NULL);

    said[0] = '\0';
    rules = rules_of(BASE "policy p: locations lab except corp; block", &err);
    entra_lint_rules(rules, RULES_NOW, used, collect, NULL);
    ok(said[0] == '\0', "a policy that nobody uses is left alone");
    entra_rules_free(rules);

    return done();
}
