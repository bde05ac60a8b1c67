
/*
 * Copyright (C) nginx-entra authors
 */

#include "fake_platform.h"
#include "tap.h"


/* what each step of the type under test returns, and what was seen */

typedef struct {
    const char          *script;        /* H P S C D F, one letter a step */
    entra_credential_t  *other;
    int                  steps;
    int                  states_freed;
    int                  last_status;
    int                  last_started;
    int                  in_chain;
    unsigned             depth;
    char                 seen[256];     /* of the inner acquisition */
} script_t;


static entra_next_e
script_step(entra_acquire_t *a)
{
    char       c;
    size_t     n;
    script_t  *s = *(script_t **) a->credential->conf;

    s->steps++;
    s->depth = a->depth;
    s->in_chain = a->in_chain;

    if (a->reply) {
        s->last_status = a->reply->status;
    }

    if (a->result) {
        s->last_started = a->result->started;
    }

    if (a->inner) {
        snprintf(s->seen, sizeof(s->seen), "%s %.40s %s %s",
                 a->inner->token.value ? a->inner->token.value : "-",
                 a->inner->err.text, a->inner->scope,
                 a->inner->claims ? a->inner->claims : "-");
    }

    /* the last letter repeats */
    n = strlen(s->script);
    c = s->script[a->step < n ? a->step : n - 1];

    switch (c) {

    case 'H':
        a->request.url = entra_str_dup(entra_str("https://x/"));
        return ENTRA_NEXT_HTTP;

    case 'P':
        a->process.path = entra_str_dup(entra_str("/bin/x"));
        return ENTRA_NEXT_PROCESS;

    case 'S':
        a->sleep = 1500;
        return ENTRA_NEXT_SLEEP;

    case 'C':
        a->other = s->other;
        a->other_in_chain = 1;
        a->other_scope = entra_str_dup(entra_str("inner"));
        return ENTRA_NEXT_CREDENTIAL;

    case 'D':
        (void) entra_token_set(&a->token, entra_str("tok"), 100, 0, &a->err);
        return ENTRA_NEXT_DONE;

    case 'E':
        return ENTRA_NEXT_DONE;

    case 'F':
        (void) entra_err_set(&a->err, ENTRA_ERR_DENIED, "no");
        return ENTRA_NEXT_FAILED;
    }

    return ENTRA_NEXT_FAILED;
}


static void
script_state_free(entra_acquire_t *a)
{
    (*(script_t **) a->credential->conf)->states_freed++;
}


static const entra_credential_type_t  script_type = {
    .name = "script",
    .conf_size = sizeof(script_t *),
    .state_size = 64,
    .step = script_step,
    .state_free = script_state_free
};


static entra_credential_t *
script(script_t *s, const char *text, entra_credential_t *other)
{
    entra_credential_t  *c;

    memset(s, 0, sizeof(script_t));
    s->script = text;
    s->other = other;

    c = entra_credential_create(&script_type, entra_str("s"), NULL);
    *(script_t **) c->conf = s;

    return c;
}


static void
test_steps(void)
{
    script_t             s;
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c;

    fake_init(&w);
    fake_reply(&w, 200, "");
    fake_result(&w, 0, "", "");

    c = script(&s, "HSPD", NULL);
    (void) fake_start(&w, c, "scope", NULL, NULL);
    ok(s.steps == 0 && w.outcome.done == 0, "nothing happens inside start");

    fake_run(&w);
    o = &w.outcome;
    ok(o->done == 1 && o->ok, "one end, and a good one");
    is(o->token, "tok", "token");
    ok(s.steps == 4 && s.states_freed == 1, "each step once, state freed");
    ok(s.last_status == 200 && s.last_started == 1, "outcomes were seen");
    ok(w.nsleeps == 1 && w.sleeps[0] == 1500, "slept");
    ok(fake_pending(&w) == 0, "nothing is left");
    entra_credential_free(c);

    c = script(&s, "F", NULL);
    o = fake_acquire(&w, c, "scope", NULL);
    ok(o->done == 1 && o->err.class == ENTRA_ERR_DENIED, "failed");
    is(o->err.text, "no", "with its text");
    entra_credential_free(c);

    c = script(&s, "E", NULL);
    o = fake_acquire(&w, c, "scope", NULL);
    ok(o->err.class == ENTRA_ERR_PROTOCOL, "done without a token is an error");
    entra_credential_free(c);

    c = script(&s, "x", NULL);
    o = fake_acquire(&w, c, "scope", NULL);
    ok(o->err.class == ENTRA_ERR_PROTOCOL, "so is failing without a reason");
    entra_credential_free(c);

    c = script(&s, "S", NULL);
    o = fake_acquire(&w, c, "scope", NULL);
    ok(o->done == 1 && o->err.class == ENTRA_ERR_PROTOCOL, "runaway ends");
    ok(s.steps == ENTRA_ACQUIRE_STEPS_MAX, "at the limit");
    entra_credential_free(c);

    fake_free(&w);
}


static void
test_inner(void)
{
    script_t             s, inner;
    fake_platform_t      w;
    fake_outcome_t      *o;
    entra_credential_t  *c, *in;

    fake_init(&w);

    in = script(&inner, "SD", NULL);
    c = script(&s, "CD", in);
    o = fake_acquire(&w, c, "outer", "{}");
    ok(o->done == 1 && o->ok, "uses another credential");
    is(s.seen, "tok  inner {}", "sees its token; scope and claims went in");
    ok(inner.depth == 1 && inner.in_chain, "it knows where it is");
    ok(inner.states_freed == 1, "and is freed");
    entra_credential_free(c);
    entra_credential_free(in);

    in = script(&inner, "F", NULL);
    c = script(&s, "CD", in);
    o = fake_acquire(&w, c, "outer", NULL);
    is(s.seen, "- no inner -", "sees its error");
    ok(o->ok, "and may go on");
    entra_credential_free(c);
    entra_credential_free(in);

    c = script(&s, "CF", NULL);
    o = fake_acquire(&w, c, "outer", NULL);
    ok(o->err.class == ENTRA_ERR_CONFIG, "no other credential");
    s.other = c;
    o = fake_acquire(&w, c, "outer", NULL);
    ok(o->done == 1 && o->err.class == ENTRA_ERR_DENIED, "a circle ends");
    ok(s.depth == 0 && fake_pending(&w) == 0, "back at the top");
    entra_credential_free(c);

    fake_free(&w);
}


static void
test_cancel(void)
{
    int                  i;
    script_t             s, inner;
    fake_platform_t      w;
    entra_acquire_t     *a;
    entra_credential_t  *c, *in;

    fake_init(&w);

    in = script(&inner, "SHPD", NULL);
    c = script(&s, "SCD", in);

    /* after each event, with the inner one in each of its states */

    for (i = 0; i < 8; i++) {
        a = fake_start(&w, c, "scope", NULL, NULL);

        while (w.outcome.done == 0 && s.steps + inner.steps < i) {
            if (!fake_step(&w)) {
                if (inner.steps == 2) {
                    fake_reply(&w, 200, "");
                } else {
                    fake_result(&w, 0, "", "");
                }
            }
        }

        if (w.outcome.done == 0) {
            entra_acquire_cancel(a);
        }

        fake_run(&w);
        ok(fake_pending(&w) == 0 && w.outcome.done == (i >= 6),
           "cancelled after %d steps", i);

        s.steps = 0;
        inner.steps = 0;
    }

    entra_credential_free(c);
    entra_credential_free(in);
    fake_free(&w);
}


static void
cancel_in_done(void *data, entra_acquire_t *a)
{
    entra_acquire_cancel(a);
    (*(int *) data)++;
}


static void
test_refused(void)
{
    int                  n = 0;
    script_t             s;
    fake_platform_t      w;
    entra_acquire_t     *a;
    entra_credential_t  *c;

    fake_init(&w);

    c = script(&s, "HPF", NULL);
    w.refuse = 1;
    a = fake_start(&w, c, "scope", NULL, NULL);
    ok(a == NULL && s.steps == 0, "cannot be started");

    w.refuse = 0;
    s.last_status = -1;
    s.last_started = -1;
    (void) fake_start(&w, c, "scope", NULL, NULL);
    w.refuse = 1;
    fake_run(&w);
    ok(w.outcome.done == 1 && s.steps == 3, "goes on without");
    ok(s.last_status == 0, "sees no answer");
    ok(s.last_started == 0, "sees no process");
    entra_credential_free(c);

    w.refuse = 0;
    c = script(&s, "SD", NULL);
    (void) fake_start(&w, c, "scope", NULL, NULL);
    w.refuse = 1;
    fake_run(&w);
    ok(w.outcome.done == 1
       && w.outcome.err.class == ENTRA_ERR_TRANSIENT, "no timer");
    entra_credential_free(c);

    w.refuse = 0;
    c = script(&s, "D", NULL);
    (void) entra_acquire_start(&w.platform, c, entra_str("x"), NULL, NULL,
                               cancel_in_done, &n);
    fake_run(&w);
    ok(n == 1, "cancel inside done does nothing");
    entra_credential_free(c);

    fake_free(&w);
}


int
main(void)
{
    test_steps();
    test_inner();
    test_cancel();
    test_refused();

    return done();
}
