
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_aadsts.h"
#include "entra_reply.h"
#include "refusals.h"


static entra_err_t         err;
static entra_token_t       token;
static entra_http_reply_t  reply;


static void
take(const refusal_t *row, unsigned flags)
{
    memset(&reply, 0, sizeof(entra_http_reply_t));

    reply.retry_after = -1;
    reply.status = row->status;
    reply.body = entra_str_c(refusal_body(row, NULL));

    entra_err_clear(&err);
    (void) entra_reply_token(&reply, "host", flags, 0, &token, &err);
}


static void
rows(void)
{
    int               pass;
    unsigned          i;
    const refusal_t  *row;

    for (i = 0; i < REFUSALS; i++) {
        row = &refusals[i];
        take(row, ENTRA_REPLY_USER);

        pass = err.class == row->class && err.remedy == row->remedy
               && (row->advice == NULL
                   || (err.advice && strstr(err.advice, row->advice)));

        ok(pass, "%s", refusal_name(row));

        if (!pass) {
            printf("# class %s, remedy %d, advice %s\n",
                   entra_err_class_name(err.class), (int) err.remedy,
                   err.advice ? err.advice : "-");
        }
    }

    ok(REFUSALS >= 40, "%d rows", (int) REFUSALS);
}


/* whose policy it is depends on whose token it is */

static void
whose(void)
{
    unsigned               i, bad = 0;
    const refusal_t        blocked = { "", GRANT, "message_only", "53003", D,
                                       POLICY, NULL };
    const refusal_t        assigned = { "", GRANT, NULL, "50105", D, POLICY,
                                        NULL };
    const entra_aadsts_t  *a;

    take(&blocked, 0);
    ok(strstr(err.advice, "blocks this service principal"),
       "53003 of an application: %s", err.advice);
    take(&blocked, ENTRA_REPLY_USER);
    ok(strstr(err.advice, "blocks this user"), "of a user: %s", err.advice);
    take(&assigned, 0);
    ok(strstr(err.advice, "app role"), "50105 of an application: %s",
       err.advice);
    take(&assigned, ENTRA_REPLY_USER);
    ok(strstr(err.advice, "assign the user"), "of a user: %s", err.advice);

    for (i = 0; (a = entra_aadsts_nth(i)) != NULL; i++) {
        if (a->advice == NULL && a->class != ENTRA_ERR_TRANSIENT
            && a->class != ENTRA_ERR_THROTTLED)
        {
            printf("# AADSTS%u has no advice\n", (unsigned) a->code);
            bad++;
        }
    }

    ok(bad == 0, "what does not pass by itself has an advice");
}


static void
several(void)
{
    const refusal_t  row = { "", GRANT, "a\\r\\nb", "70002,500133,4711", D,
                             TOKEN, NULL };
    const refusal_t  odd = { "", GRANT, NULL, "\"x\",-1,5000000000,50076", D,
                             INTERACTION, NULL };
    const refusal_t  unknown = { "", GRANT, NULL, "4711,4712", D, INTERACTION,
                                 NULL };
    const refusal_t  secret = { "", 401, "invalid_client", NULL,
                                "70002,7000215", D, NOTHING, NULL };

    take(&row, 0);
    ok(err.aadsts == 500133, "the last one that is known");
    is(err.suberror, "a  b", "no control characters");
    ok(strstr(err.text, "invalid_grant, a  b: Something."), "%s", err.text);
    take(&odd, 0);
    ok(err.aadsts == 50076, "nonsense is passed over");
    take(&unknown, 0);
    ok(err.aadsts == 4711, "none is known: the first");
    take(&secret, 0);
    ok(err.aadsts == 7000215, "a wrong secret");
}


int
main(void)
{
    entra_token_init(&token);

    rows();
    whose();
    several();

    return done();
}
