
/*
 * Copyright (C) nginx-entra authors
 *
 * What-if queries: what is understood is answered with JSON, whatever is in
 * it, and the line for the log has no control characters.
 */

#include <stdlib.h>
#include <string.h>

#include "../unit/rules.h"
#include "entra_json.h"
#include "entra_what_if.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
answer(const entra_what_if_t *w, const entra_rules_t *rules)
{
    size_t                 i;
    entra_buf_t            out;
    entra_json_t          *root;
    entra_decision_t       d;
    entra_decision_info_t  info;
    const entra_policy_t  *policies[16];

    memset(&info, 0, sizeof(info));
    info.credential = w->credential;
    info.location = w->location;
    info.micros = -1;

    entra_decide(policies, rules_policies(rules, policies, 16), &w->signals,
                 &d);

    entra_buf_init(&out, 256 * 1024);
    entra_what_if_answer(w, &d, rules, &info, &out);

    root = entra_json_parse(entra_buf_str(&out), 0, ENTRA_JSON_UNIQUE);

    if (root == NULL || out.len > ENTRA_DECISION_JSON_MAX + 16384) {
        abort();
    }

    entra_json_free(root);
    entra_buf_reset(&out);
    entra_decision_line(&d, &w->signals, &out);

    for (i = 0; i < out.len; i++) {
        if (out.data[i] < ' ' || out.data[i] > '~') {
            abort();
        }
    }

    entra_buf_free(&out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_err_t      err;
    entra_str_t      query;
    entra_rules_t   *rules;
    entra_what_if_t  w;

    rules = rules_of("location corp: 10.0.0.0/8\n"
                     "caller c: token roles=a; certificate san_dns=a.b\n"
                     "policy a: locations any except corp; block\n"
                     "policy b: callers c; operations \"POST /score\" preset"
                     " read; grant\n"
                     "policy d: state report_only; deployments blue; grant"
                     " any acrs=c1 tls=1.3", &err);

    query.data = (const char *) data;
    query.len = size;
    entra_err_clear(&err);

    if (entra_what_if_parse(&w, query, RULES_NOW, &err) == 0) {
        answer(&w, rules);

    } else if (err.text[0] == '\0') {
        abort();
    }

    entra_what_if_free(&w);
    entra_rules_free(rules);

    return 0;
}
