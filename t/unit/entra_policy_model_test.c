
/*
 * Copyright (C) nginx-entra authors
 *
 * The evaluator against t/model/policy_model.py, which was written from the
 * description of the interface: ENTRA_MODEL_CASES (30000; "make model" takes a
 * million) made-up requests, from ENTRA_MODEL_SEED on.  Beside equality: the
 * order of policies is of no importance, those that are not enabled change
 * nothing, to take away a block never denies, what becomes known never denies
 * what was allowed, and what is denied early is denied.
 */

#include "entra_what_if.h"
#include "rules.h"
#include "tap.h"


#define MODEL         "t/model/policy_model.py"
#define POLICIES_MAX  16
#define SHOWN         5


typedef struct {
    entra_rules_t         *rules;
    const entra_policy_t  *policies[POLICIES_MAX];
    unsigned               n;
    char                   text[8192];          /* for what goes wrong */

    entra_outcome_e        before;              /* of what "!" refines */

    unsigned               cases;
    unsigned               configs;
    unsigned               allowed;
    unsigned               unequal;
    unsigned               order;
    unsigned               neutral;
    unsigned               blocks;
    unsigned               refined;
    unsigned               early;
} run_t;


static uint32_t  seed = 1;


static unsigned
rnd(unsigned n)
{
    seed = seed * 1103515245 + 12345;

    return (seed >> 16) % n;
}


static void
wrong(run_t *run, unsigned *counter, const char *what, const char *query)
{
    if ((*counter)++ < SHOWN) {
        printf("# %s: %s\n%s", what, query, run->text);
    }
}


static void
load(run_t *run, FILE *model)
{
    char             line[4096];
    unsigned         i;
    entra_err_t      err;
    entra_policy_t  *policy;

    entra_named_location_t  *location;

    entra_rules_free(run->rules);
    run->rules = entra_rules_create();
    run->text[0] = '\0';
    run->configs++;
    entra_err_clear(&err);

    while (fgets(line, sizeof(line), model) && strcmp(line, "end\n") != 0) {
        strncat(run->text, "#   ", sizeof(run->text) - strlen(run->text) - 1);
        strncat(run->text, line, sizeof(run->text) - strlen(run->text) - 1);
        line[strcspn(line, "\n")] = '\0';

        if (strncmp(line, "incomplete ", 11) == 0) {
            for (i = 0; (location = (entra_named_location_t *)
                         entra_rules_location_nth(run->rules, i)) != NULL; i++)
            {
                location->incomplete |= strcmp(location->name, line + 11) == 0;
            }

        } else if (rules_block(run->rules, line, &err) != 0) {
            wrong(run, &run->unequal, err.text, line);
        }
    }

    if (entra_rules_finish(run->rules, &err) != 0) {
        wrong(run, &run->unequal, err.text, line);
    }

    for (i = 0; (policy = entra_rules_policy_nth(run->rules, i)) != NULL; i++)
    {
        run->policies[i] = policy;
    }

    run->n = i;
}


static void
as_text(const entra_decision_t *d, char *out, size_t size)
{
    unsigned  i;
    size_t    n;

    n = (size_t) snprintf(out, size, "= %s %u %llx %llx ",
                          entra_outcome_name(d->outcome), d->status,
                          (unsigned long long) d->denied_by,
                          (unsigned long long) d->would_deny);

    for (i = 0; i < d->npolicies; i++) {
        out[n++] = (char) ('0' + d->results[i].result);
    }

    snprintf(out + n, size - n, " %s%s%s\n",
             d->missing & ENTRA_MISSING_TOKEN ? "t" : "",
             d->missing & ENTRA_MISSING_CERTIFICATE ? "c" : "",
             d->missing ? "" : "-");
}


static int
same(const entra_decision_t *a, const entra_decision_t *b)
{
    return a->outcome == b->outcome && a->status == b->status
           && a->missing == b->missing && a->reason == b->reason;
}


/* a permutation: the same decision, and the results go with the policies */

static void
check_order(run_t *run, const entra_signals_t *s, const entra_decision_t *d,
    const char *query)
{
    int                    bad;
    unsigned               i, k, t;
    unsigned               at[POLICIES_MAX];
    entra_decision_t       other;
    const entra_policy_t  *policies[POLICIES_MAX];

    for (i = 0; i < run->n; i++) {
        at[i] = i;
    }

    for (i = run->n; i > 1; i--) {
        k = rnd(i);
        t = at[k];
        at[k] = at[i - 1];
        at[i - 1] = t;
    }

    for (i = 0; i < run->n; i++) {
        policies[i] = run->policies[at[i]];
    }

    entra_decide(policies, run->n, s, &other);
    bad = !same(&other, d);

    for (i = 0; i < run->n; i++) {
        bad |= memcmp(&other.results[i], &d->results[at[i]],
                      sizeof(entra_policy_result_t)) != 0;
    }

    if (bad) {
        wrong(run, &run->order, "the order matters", query);
    }
}


/* without policy "skip", or without all that are not enabled */

static void
decide_without(run_t *run, const entra_signals_t *s, unsigned skip,
    entra_decision_t *d)
{
    unsigned               i, n;
    const entra_policy_t  *policies[POLICIES_MAX];

    for (i = 0, n = 0; i < run->n; i++) {
        if (skip < run->n ? i != skip
                          : run->policies[i]->state == ENTRA_POLICY_ENABLED)
        {
            policies[n++] = run->policies[i];
        }
    }

    entra_decide(policies, n, s, d);
}


static void
check_without(run_t *run, const entra_signals_t *s, const entra_decision_t *d,
    const char *query)
{
    unsigned          i;
    entra_decision_t  other;

    decide_without(run, s, run->n, &other);

    if (!same(&other, d)) {
        wrong(run, &run->neutral, "report_only or disabled matters", query);
    }

    for (i = 0; i < run->n && d->outcome == ENTRA_ALLOW; i++) {

        if (!run->policies[i]->block) {
            continue;
        }

        decide_without(run, s, i, &other);

        if (other.outcome != ENTRA_ALLOW) {
            wrong(run, &run->blocks, "a block allows", query);
        }
    }
}


static void
check_early(run_t *run, entra_signals_t *s, const entra_decision_t *d,
    const char *query)
{
    entra_decision_t  other;

    if (s->early) {
        return;
    }

    s->early = 1;
    entra_decide(run->policies, run->n, s, &other);
    s->early = 0;

    if (other.outcome != ENTRA_ALLOW && d->outcome == ENTRA_ALLOW) {
        wrong(run, &run->early, "denied early, allowed later", query);
    }
}


/* "? EARLY QUERY" or "! EARLY QUERY", and the line with what it has to be */

static void
judge(run_t *run, char *line, const char *want)
{
    char              got[256];
    entra_err_t       err;
    entra_what_if_t   w;
    entra_decision_t  d;

    line[strcspn(line, "\n")] = '\0';
    run->cases++;

    if (entra_what_if_parse(&w, entra_str_c(line + 4), RULES_NOW, &err) != 0) {
        wrong(run, &run->unequal, err.text, line);
        entra_what_if_free(&w);
        return;
    }

    w.signals.early = line[2] == '1';

    entra_decide(run->policies, run->n, &w.signals, &d);
    as_text(&d, got, sizeof(got));

    if (strcmp(got, want) != 0) {
        printf("# got:  %s# want: %s", got, want);
        wrong(run, &run->unequal, "not as the model", line);
    }

    if (line[0] == '!' && run->before == ENTRA_ALLOW
        && d.outcome != ENTRA_ALLOW)
    {
        wrong(run, &run->refined, "unknown was better", line);
    }

    run->before = d.outcome;
    run->allowed += d.outcome == ENTRA_ALLOW;

    check_order(run, &w.signals, &d, line);
    check_without(run, &w.signals, &d, line);
    check_early(run, &w.signals, &d, line);

    entra_what_if_free(&w);
}


int
main(void)
{
    int       rc;
    FILE     *model;
    char      line[8192], want[256], command[256];
    const char  *cases, *number;

    static run_t  run;

    cases = getenv("ENTRA_MODEL_CASES");
    number = getenv("ENTRA_MODEL_SEED");

    snprintf(command, sizeof(command), "/usr/bin/env python3 " MODEL
             " --cases %ld --seed %ld", cases ? atol(cases) : 30000,
             number ? atol(number) : 1);

    model = popen(command, "r");
    if (model == NULL) {
        return 1;
    }

    printf("# %s\n", command);

    while (fgets(line, sizeof(line), model)) {

        if (strcmp(line, "config\n") == 0) {
            load(&run, model);

        } else if (fgets(want, sizeof(want), model)) {
            judge(&run, line, want);
        }
    }

    rc = pclose(model);

    ok(rc == 0 && run.cases > 0, "the model has no objection to itself");
    ok(run.allowed > run.cases / 20, "%u requests, %u configurations, %u"
       " allowed", run.cases, run.configs, run.allowed);
    ok(run.unequal == 0, "each is decided as the model says: %u are not",
       run.unequal);
    ok(run.order == 0, "in any order: %u times not", run.order);
    ok(run.neutral == 0, "report_only changes nothing: %u times it does",
       run.neutral);
    ok(run.blocks == 0, "a block allows nothing: %u times it does",
       run.blocks);
    ok(run.refined == 0, "to be unknown never helps: %u times it does",
       run.refined);
    ok(run.early == 0, "what is denied early is denied: %u times not",
       run.early);

    entra_rules_free(run.rules);

    return done();
}
