
/*
 * Copyright (C) nginx-entra authors
 *
 * Blocks of rules, "KIND NAME: LINE; LINE" by line: what is accepted can be
 * decided about, and the checks of a configuration have an opinion of it.
 */

#include <stdlib.h>
#include <string.h>

#include "../unit/rules.h"
#include "entra_decision.h"
#include "entra_lint.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
ignore(void *data, const char *where, const char *text)
{
    if (text[0] == '\0') {
        abort();
    }
}


static void
judge(const entra_rules_t *rules)
{
    unsigned              n, k;
    entra_buf_t           out;
    entra_claims_t        claims;
    entra_cert_t          cert;
    entra_signals_t       s;
    entra_operation_t     op;
    entra_decision_t      d, early;

    char                   scratch[2048];
    const entra_policy_t  *policies[ENTRA_POLICIES_MAX];

    memset(&s, 0, sizeof(s));
    memset(&claims, 0, sizeof(claims));
    memset(&cert, 0, sizeof(cert));

    n = rules_policies(rules, policies, ENTRA_POLICIES_MAX);
    entra_operation_init(&op, entra_str("POST"), entra_str("/score"), scratch);

    s.claims = &claims;
    s.cert = &cert;
    s.operation = &op;
    s.now = RULES_NOW;
    (void) entra_addr_parse(&s.address, entra_str("10.1.2.3"));

    for (k = 0; k < 16; k++) {
        s.certificate = (entra_signal_e) (k / 4);
        s.token = (entra_signal_e) (k % 4);

        s.early = 1;
        entra_decide(policies, n, &s, &early);
        s.early = 0;
        entra_decide(policies, n, &s, &d);

        if (d.outcome == ENTRA_ALLOW && early.outcome != ENTRA_ALLOW) {
            abort();
        }

        entra_buf_init(&out, ENTRA_DECISION_JSON_MAX);
        entra_decision_json(&d, &s, rules, NULL, 1, &out);

        if (!entra_buf_ok(&out)) {
            abort();
        }

        entra_buf_reset(&out);
        entra_decision_line(&d, &s, &out);
        entra_buf_free(&out);
    }

    entra_lint_rules(rules, RULES_NOW, NULL, ignore, NULL);
    entra_lint_unused(rules, 0, 0, ignore, NULL);
    entra_lint_policies(policies, n, "x", NULL, ignore, NULL);

    for (k = 0; k < n; k++) {
        (void) entra_lint_ipv4_only(policies[k]);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *text;
    entra_err_t     err;
    entra_rules_t  *rules;

    /* no files: what is read is not the input then */

    text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    if (strstr(text, "file") == NULL) {
        rules = rules_of(text, &err);

        if (rules) {
            judge(rules);

        } else if (memchr(err.text, '\n', strlen(err.text))) {
            abort();
        }

        entra_rules_free(rules);
    }

    free(text);

    return 0;
}
