
/*
 * Copyright (C) nginx-entra authors
 */

#include <unistd.h>

#include "rules.h"
#include "tap.h"


#define BASE  "location corp: 10.0.0.0/8\nlocation lab: 192.0.2.0/24\n"       \
              "caller apps: certificate san_dns=a.example\n"                  \
              "operations score: \"POST /score\"\n"


static void
accepts(const char *text)
{
    entra_err_t     err;
    entra_rules_t  *rules;

    rules = rules_of(text, &err);
    ok(rules != NULL, "accepts %s%s", strrchr(text, '\n')
       ? strrchr(text, '\n') + 1 : text, rules ? "" : err.text);
    entra_rules_free(rules);
}


static void
refuses(const char *text, const char *says)
{
    entra_err_t     err;
    entra_rules_t  *rules;

    rules = rules_of(text, &err);
    ok(rules == NULL && strstr(err.text, says), "refuses %s: %s",
       strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text,
       rules ? "it does not" : err.text);
    entra_rules_free(rules);
}


static void
lines(void)
{
    accepts(BASE "policy p: locations corp; block");
    accepts(BASE "policy p: locations any except corp lab 198.51.100.0/24"
            " 2001:db8::1 unix; block");
    accepts(BASE "policy p: peers unix; grant");
    accepts(BASE "policy p: callers apps; grant");
    accepts(BASE "policy p: callers any except apps; block");
    accepts(BASE "policy p: operations score \"GET /x\" arm A.B/c/read preset"
            " read except preset secrets arm */write \"* /admin/*\"; grant");
    accepts(BASE "policy p: deployments blue none; grant");
    accepts(BASE "policy p: deployments any except none; block");
    accepts(BASE "policy p: time mon-fri 07:00-19:00 +01:00; time sat"
            " 08:00-12:00; grant");
    accepts(BASE "policy p: state report_only until=2026-12-31; block");
    accepts(BASE "policy p: state report_only until=2026-12-31T18:00Z; block");
    accepts(BASE "policy p: state disabled; block");
    accepts(BASE "policy p: grant all certificate token tls=1.3 amr=mfa"
            " acrs=c1 roles=Score azpacr=2 max_age=15m");
    accepts(BASE "policy p: grant any certificate token");
    accepts(BASE "policy p: grant token");
    accepts("policy p: locations corp; block\nlocation corp: unix");

    refuses(BASE "policy p: locations; block", "needs \"any\" or names");
    refuses(BASE "policy p: locations any except; block", "after \"except\"");
    refuses(BASE "policy p: locations except corp; block", "needs \"any\"");
    refuses(BASE "policy p: locations any corp; block", "stands alone");
    refuses(BASE "policy p: locations corp any; block", "stands alone");
    refuses(BASE "policy p: locations any except any; block", "stands alone");
    refuses(BASE "policy p: locations any except corp except lab; block",
            "comes once");
    refuses(BASE "policy p: locations corpp; block",
            "entra_policy \"p\", \"locations\": unknown location \"corpp\","
            " did you mean \"corp\"?");
    refuses(BASE "policy p: locations elsewhere; block",
            "unknown location \"elsewhere\"; there are: corp, lab");
    refuses(BASE "policy p: callers apps grant",
            "\"grant\" in \"callers\" is another parameter, is a ';' missing"
            " before it?");
    refuses(BASE "policy p: callers any except app; block",
            "unknown caller \"app\", did you mean \"apps\"?");
    refuses("policy p: callers app; block", "there are none");
    refuses(BASE "policy p: operations any except corp; block",
            "unknown operations \"corp\"; there are: score");
    refuses(BASE "policy p: locations 10.0.0.1/8; block", "bits set after");
    refuses(BASE "policy p: locations 0.0.0.0/0; block", "\"any\"");
    refuses(BASE "policy p: callers 10.0.0.0/8; block", "not a valid name");
    refuses(BASE "policy p: operations POST /score; block", "METHOD PATH");
    refuses(BASE "policy p: operations /score; block", "METHOD PATH");
    refuses(BASE "policy p: operations arm; block", "an action");
    refuses(BASE "policy p: operations any except preset; block", "a name");
    refuses(BASE "policy p: operations preset except; block", "a name");
    refuses(BASE "policy p: time; block", "a time is written");
    refuses(BASE "policy p: locations corp", "what follows");
    refuses(BASE "policy p: block; grant", "one outcome");
    refuses(BASE "policy p: block; block", "one outcome");
    refuses(BASE "policy p: block all", "stands alone");
    refuses(BASE "policy p: locations corp; locations lab; block",
            "duplicate \"locations\"");
    refuses(BASE "policy p: state on; block", "a state is");
    refuses(BASE "policy p: state enabled until=2026-12-31; block",
            "a state is");
    refuses(BASE "policy p: state report_only until=soon; block",
            "write until=");
    refuses(BASE "policy p: state report_only 2026-12-31; block",
            "write until=");
    refuses(BASE "policy p: state report_only until=2026-02-30; block",
            "write until=");
    refuses(BASE "policy p: state; block", "a state is");
    refuses(BASE "policy p: grant all", "needs controls");
    refuses(BASE "policy p: grant any", "needs controls");
    refuses(BASE "policy p: grant mfa", "unknown control");
    refuses(BASE "policy p: grant tls=1.1", "unknown control");
    refuses(BASE "policy p: grant roles=", "roles has");
    refuses(BASE "policy p: grant upn=a@b", "identifies nobody");
    refuses(BASE "policy p: location corp; block", "unknown parameter");
    refuses(BASE "policy p:", "an empty block");

    refuses("location corp:", "an empty block");
    refuses("location corp: 10.0.0.0/8\nlocation corp: unix",
            "duplicate entra_named_location \"corp\"");
    refuses("location any: unix", "cannot be the name");
    refuses("location except: unix", "cannot be the name");
    refuses("location 10net: unix", "cannot be the name");
    refuses("location a b: unix", "cannot be the name");
    refuses("location a/b: unix", "cannot be the name");
    refuses("location : unix", "cannot be the name");
    refuses("location xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "xxxxxxxxx: unix", "cannot be the name");
    refuses("caller c: token", "anybody");
    refuses("operations o: \"POST score\"", "slash");
}


static void
lookup(void)
{
    char            text[64];
    unsigned        i, wrong;
    entra_buf_t     b;
    entra_err_t     err;
    entra_addr_t    addr;
    entra_rules_t  *rules;

    rules = entra_rules_create();
    wrong = 0;

    for (i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "policy p%u: block", i * 7919 % 1000);
        wrong += rules_block(rules, text, &err) != 0;
    }

    wrong += entra_rules_finish(rules, &err) != 0;

    for (i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "p%u", i);
        wrong += entra_rules_policy(rules, entra_str_c(text)) == NULL
                 || strcmp(entra_rules_policy(rules, entra_str_c(text))->name,
                           text);
        wrong += entra_rules_policy_nth(rules, i)->index != i;
    }

    ok(wrong == 0, "a thousand policies are found by name and by number");
    ok(entra_rules_policy(rules, entra_str("p1000")) == NULL
       && entra_rules_policy_nth(rules, 1000) == NULL, "no others");
    ok(entra_rules_unknown(rules, ENTRA_RULE_POLICY, entra_str("x"), &err)
       == -1 && strlen(err.text) < 800 && strstr(err.text, ", ..."),
       "and not all of them are listed");
    entra_rules_free(rules);

    rules = rules_of("location corp: 10.0.0.0/8\nlocation lab: 10.1.0.0/16\n"
                     "location x: 192.0.2.0/24", &err);
    (void) entra_addr_parse(&addr, entra_str("10.1.2.3"));

    entra_buf_init(&b, 100);
    entra_rules_locations_of(rules, &addr, &b);
    is(entra_buf_str(&b).data, "corp,lab", "the locations of an address");
    entra_buf_free(&b);

    entra_buf_init(&b, 6);
    entra_rules_locations_of(rules, &addr, &b);
    is(entra_buf_str(&b).data, "corp", "as many as fit");
    entra_buf_free(&b);
    entra_rules_free(rules);
}


static char  seen[4096];

static void
log_line(void *data, entra_log_level_e level, const char *text)
{
    snprintf(seen, sizeof(seen), "%d %s", (int) level, text);
    (*(int *) data)++;
}


static void
watch(void)
{
    int             n, fd;
    char            path[] = "/tmp/entra_rules_XXXXXX", text[128];
    entra_err_t     err;
    entra_addr_t    addr;
    entra_rules_t  *rules;

    fd = mkstemp(path);
    n = write(fd, "10.0.0.0/8\n", 11) == 11;
    ok(n == 1, "a list");

    snprintf(text, sizeof(text), "location corp: file %s", path);
    rules = rules_of(text, &err);
    ok(rules != NULL, "is read: %s", err.text);

    n = 0;
    entra_rules_watch(rules, RULES_NOW, log_line, &n);
    ok(n == 0, "nothing new, nothing logged");

    ok(ftruncate(fd, 0) == 0 && pwrite(fd, "11.0.0.0/8\n#\n", 13, 0) == 13,
       "another one");
    entra_rules_watch(rules, RULES_NOW, log_line, &n);
    ok(n == 0, "not used while it may be half of a list");
    entra_rules_watch(rules, RULES_NOW, log_line, &n);
    ok(n == 1 && strstr(seen, "2 entra_named_location \"corp\": new list, 1"),
       "is a notice: %s", seen);

    ok(pwrite(fd, "bad\n       ", 11, 0) == 11 && ftruncate(fd, 11) == 0,
       "a bad one");
    entra_rules_watch(rules, RULES_NOW, log_line, &n);
    entra_rules_watch(rules, RULES_NOW, log_line, &n);
    ok(n == 2 && seen[0] == '0' && strstr(seen, ":1: ")
       && strstr(seen, "last good list stays"), "is an error: %s", seen);

    (void) entra_addr_parse(&addr, entra_str("11.0.0.1"));
    ok(entra_cidr_set_has(&entra_rules_location_nth(rules, 0)->set, &addr),
       "and the good one is in use");

    entra_rules_free(rules);
    (void) close(fd);
    (void) unlink(path);
}


int
main(void)
{
    unsigned        n;
    entra_err_t     err;
    entra_str_t     words[WORDS_MAX];
    entra_rules_t  *rules;

    lines();
    lookup();
    watch();

    rules = entra_rules_create();
    n = words_of("block", words);
    ok(entra_rules_line(rules, words, n, &err) == -1
       && entra_rules_end(rules, RULES_NOW, &err) == -1,
       "no line and no end without a beginning");
    entra_rules_free(rules);
    entra_rules_free(NULL);

    return done();
}
