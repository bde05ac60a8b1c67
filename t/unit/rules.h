
/*
 * Copyright (C) nginx-entra authors
 *
 * Rules from a text, for tests: a block per line, "location corp: 10.0.0.0/8;
 * unix", "policy office: locations any except corp; block".
 */

#ifndef RULES_H
#define RULES_H


#include <stdio.h>
#include <stdlib.h>

#include "entra_rules.h"
#include "words.h"


#define RULES_NOW  1795464000                   /* 2026-11-23T20:00:00Z */


/* -1: not a kind */

__attribute__((unused))
static int
rules_kind(const char *text, size_t len)
{
    int  i;

    static const char *const  kinds[] = {
        "location", "caller", "operations", "policy"
    };

    for (i = 0; i < 4; i++) {
        if (strlen(kinds[i]) == len && memcmp(text, kinds[i], len) == 0) {
            return i;
        }
    }

    return -1;
}


/* "KIND NAME: LINE; LINE" */

__attribute__((unused))
static int
rules_block(entra_rules_t *rules, const char *text, entra_err_t *err)
{
    int          kind;
    char         copy[4096], *name, *p, *line;
    unsigned     n;
    entra_str_t  words[WORDS_MAX];

    snprintf(copy, sizeof(copy), "%s", text);

    name = strchr(copy, ' ');
    p = name ? strchr(name, ':') : NULL;

    if (p == NULL) {
        return -1;
    }

    *name++ = '\0';
    *p++ = '\0';

    kind = rules_kind(copy, strlen(copy));

    if (kind < 0 || entra_rules_begin(rules, (entra_rule_e) kind,
                                      entra_str_c(name), err)
                    != 0)
    {
        return -1;
    }

    while (p) {
        line = p;
        p = strchr(p, ';');

        if (p) {
            *p++ = '\0';
        }

        n = words_of(line, words);

        if (n && entra_rules_line(rules, words, n, err) != 0) {
            return -1;
        }
    }

    return entra_rules_end(rules, RULES_NOW, err);
}


/* blocks separated by new lines; NULL and err */

__attribute__((unused))
static entra_rules_t *
rules_of(const char *text, entra_err_t *err)
{
    char            block[4096];
    size_t          n;
    const char     *end;
    entra_rules_t  *rules;

    entra_err_clear(err);
    rules = entra_rules_create();

    while (*text) {
        end = strchr(text, '\n');
        n = end ? (size_t) (end - text) : strlen(text);

        snprintf(block, sizeof(block), "%.*s", (int) n, text);
        text += n + (end != NULL);

        if (block[0] && rules_block(rules, block, err) != 0) {
            entra_rules_free(rules);
            return NULL;
        }
    }

    if (entra_rules_finish(rules, err) != 0) {
        entra_rules_free(rules);
        return NULL;
    }

    return rules;
}


/* all policies of the rules, in their order */

__attribute__((unused))
static unsigned
rules_policies(const entra_rules_t *rules, const entra_policy_t **policies,
    unsigned max)
{
    unsigned  n;

    for (n = 0; n < max; n++) {
        policies[n] = entra_rules_policy_nth(rules, n);

        if (policies[n] == NULL) {
            break;
        }
    }

    return n;
}


#endif /* RULES_H */
