
/*
 * Copyright (C) nginx-entra authors
 *
 * All named things of a configuration: locations, callers, operations,
 * policies; read block by block, line by line, in any order.
 */

#ifndef ENTRA_RULES_H
#define ENTRA_RULES_H


#include "entra_iface.h"
#include "entra_policy.h"


#define ENTRA_RULES_MAX  4096              /* blocks of a kind */


typedef struct entra_rules_s  entra_rules_t;


typedef enum {
    ENTRA_RULE_LOCATION = 0,    /* entra_named_location */
    ENTRA_RULE_CALLER,          /* entra_caller */
    ENTRA_RULE_OPERATIONS,      /* entra_operations */
    ENTRA_RULE_POLICY,          /* entra_policy */
    ENTRA_RULES
} entra_rule_e;


entra_rules_t *entra_rules_create(void);                /* NULL: no memory */
void entra_rules_free(entra_rules_t *rules);            /* NULL is allowed */

/*
 * A block: begin (a name that is taken or not a name is refused), a line per
 * call, end (what is empty or incomplete is refused).  Paths of "file" have
 * to be absolute.  now: seconds since the epoch.  0; or -1 and err.
 */
int entra_rules_begin(entra_rules_t *rules, entra_rule_e kind,
    entra_str_t name, entra_err_t *err);
int entra_rules_line(entra_rules_t *rules, const entra_str_t *words,
    unsigned nwords, entra_err_t *err);
int entra_rules_end(entra_rules_t *rules, int64_t now, entra_err_t *err);

/*
 * Before each of these: " in FILE:LINE", which has to stay as long as rules.
 * It is for what is found out later.  After end() has failed: the line at
 * fault, or NULL.
 */
void entra_rules_where(entra_rules_t *rules, const char *where);
const char *entra_rules_fault(const entra_rules_t *rules);

/* the block being read: words[0] of a line could be that */
int entra_rules_is_param(const entra_rules_t *rules, entra_str_t name);

/*
 * After all blocks: resolves the names.  An unknown one is an error that
 * says which ones there are.
 */
int entra_rules_finish(entra_rules_t *rules, entra_err_t *err);

/* NULL: unknown; entra_rules_unknown() makes the error of it, returns -1 */
entra_policy_t *entra_rules_policy(const entra_rules_t *rules,
    entra_str_t name);
int entra_rules_unknown(const entra_rules_t *rules, entra_rule_e kind,
    entra_str_t name, entra_err_t *err);

/* the i-th of the configuration, or NULL */
entra_policy_t *entra_rules_policy_nth(const entra_rules_t *rules, unsigned i);
const entra_named_location_t *entra_rules_location_nth(
    const entra_rules_t *rules, unsigned i);
const entra_caller_t *entra_rules_caller_nth(const entra_rules_t *rules,
    unsigned i);

/*
 * Those of a kind that no policy names; policies: whose used nobody has set.
 */
typedef void (*entra_rules_unused_pt)(void *data, const char *directive,
    const char *name, const char *where);
void entra_rules_unused(const entra_rules_t *rules, entra_rule_e kind,
    entra_rules_unused_pt unused, void *data);

/*
 * In a worker, every few seconds: reads the files of locations that changed.
 * What happened goes to log, a line per change: a new list is a notice, a bad
 * one (the last good is kept) an error.  1: a long list is not all read yet,
 * this is to be called again at once; then it looks at nothing else.
 */
typedef void (*entra_rules_log_pt)(void *data, entra_log_level_e level,
    const char *text);
int entra_rules_watch(entra_rules_t *rules, int64_t now,
    entra_rules_log_pt log, void *data);

/*
 * Names of the locations that the address is in, and of the callers that
 * match for certain, as "a,b"; nothing when there are none.  At most
 * out->max bytes, whole names.  For logs: a search in all of them.
 */
void entra_rules_locations_of(const entra_rules_t *rules,
    const entra_addr_t *addr, entra_buf_t *out);
void entra_rules_callers_of(const entra_rules_t *rules,
    const entra_signals_t *signals, entra_buf_t *out);


#endif /* ENTRA_RULES_H */
