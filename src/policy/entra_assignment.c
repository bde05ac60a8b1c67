
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_ascii.h"
#include "entra_assignment.h"


static const char *const  entra_dims[] = {
    "locations", "peers", "callers", "operations", "deployments", "time"
};


const char *
entra_dim_name(entra_dim_e dim)
{
    return entra_dims[dim];
}


int
entra_name_ok(entra_str_t name)
{
    unsigned  n;

    static const char *const  words[] = {
        "any", "except", "unix", "none", "arm", "preset", "file"
    };

    if (name.len > ENTRA_NAME_MAX || !entra_str_is_word(name, "_-.")
        || !entra_is_alpha(name.data[0]))
    {
        return 0;
    }

    for (n = 0; n < sizeof(words) / sizeof(words[0]); n++) {
        if (entra_str_eq_c(name, words[n])) {
            return 0;
        }
    }

    return 1;
}


static void
entra_refs_free(entra_refs_t *refs)
{
    unsigned  i;

    for (i = 0; i < refs->nnames; i++) {
        free(refs->names[i]);
    }

    free(refs->names);
    free(refs->found.any);

    entra_cidr_set_free(&refs->ranges);
    entra_operation_list_free(&refs->operations);
}


void
entra_assignment_free(entra_assignment_t *assignment)
{
    entra_refs_free(&assignment->include);
    entra_refs_free(&assignment->except);
}


static int
entra_refs_name(entra_refs_t *refs, const char *what, entra_str_t name,
    entra_err_t *err)
{
    char  *copy, **names;

    if (!entra_name_ok(name)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" is not a valid name in \"%s\"",
                             (int) name.len, name.data, what);
    }

    if (refs->nnames == ENTRA_NAMES_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "more than %u names",
                             ENTRA_NAMES_MAX);
    }

    names = realloc(refs->names, (refs->nnames + 1) * sizeof(char *));
    if (names == NULL) {
        return entra_err_no_memory(err);
    }

    refs->names = names;

    copy = entra_str_dup(name);
    if (copy == NULL) {
        return entra_err_no_memory(err);
    }

    names[refs->nnames++] = copy;

    return 0;
}


/* the word after "arm" or "preset" belongs to it */

static int
entra_refs_operation(entra_refs_t *refs, const entra_str_t *words,
    unsigned *i, unsigned nwords, entra_err_t *err)
{
    entra_str_t  word = words[*i];

    if (entra_str_eq_c(word, "arm") || entra_str_eq_c(word, "preset")) {

        if (++*i == nwords || entra_str_eq_c(words[*i], "except")) {
            return entra_operation_list_line(&refs->operations, &word, 1, err);
        }

        return entra_operation_list_line(&refs->operations, words + *i - 1, 2,
                                         err);
    }

    if ((word.len && memchr(word.data, ' ', word.len))
        || entra_str_starts(word, "/") || entra_method(word))
    {
        return entra_operation_list_line(&refs->operations, &word, 1, err);
    }

    return entra_refs_name(refs, "operations", word, err);
}


static int
entra_refs_address(entra_refs_t *refs, const char *what, entra_str_t word,
    entra_err_t *err)
{
    if (entra_str_eq_c(word, "unix")) {
        refs->ranges.unix_socket = 1;
        refs->has_ranges = 1;
        return 0;
    }

    if (word.len && (entra_is_digit(word.data[0])
                     || memchr(word.data, ':', word.len)
                     || memchr(word.data, '/', word.len)))
    {
        refs->has_ranges = 1;
        return entra_cidr_set_add(&refs->ranges, word, err);
    }

    return entra_refs_name(refs, what, word, err);
}


static int
entra_refs_word(entra_refs_t *refs, entra_dim_e dim, const entra_str_t *words,
    unsigned *i, unsigned nwords, entra_err_t *err)
{
    switch (dim) {

    case ENTRA_DIM_LOCATIONS:
    case ENTRA_DIM_PEERS:
        return entra_refs_address(refs, entra_dims[dim], words[*i], err);

    case ENTRA_DIM_OPERATIONS:
        return entra_refs_operation(refs, words, i, nwords, err);

    case ENTRA_DIM_DEPLOYMENTS:
        if (entra_str_eq_c(words[*i], "none")) {
            refs->none = 1;
            return 0;
        }

        /* fall through */

    default:
        return entra_refs_name(refs, entra_dims[dim], words[*i], err);
    }
}


static int
entra_refs_seal(entra_refs_t *refs, entra_err_t *err)
{
    if (refs->has_ranges && entra_cidr_set_seal(&refs->ranges) != 0) {
        return entra_err_no_memory(err);
    }

    return 0;
}


static int
entra_assignment_needs(entra_dim_e dim, int except, entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%s\" needs \"any\" or names%s: an empty list"
                         " means nothing", entra_dims[dim],
                         except ? " after \"except\"" : "");
}


/* the words before or after "except" */

static int
entra_assignment_side(entra_refs_t *refs, entra_dim_e dim,
    const entra_str_t *words, unsigned nwords, entra_err_t *err)
{
    unsigned  i;

    for (i = 0; i < nwords; i++) {

        if (entra_str_eq_c(words[i], "any")) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"%s\": \"any\" stands alone, or before"
                                 " \"except\"", entra_dims[dim]);
        }

        if (entra_str_eq_c(words[i], "except")) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"%s\": \"except\" comes once",
                                 entra_dims[dim]);
        }

        if (entra_refs_word(refs, dim, words, &i, nwords, err) != 0) {
            return -1;
        }
    }

    return entra_refs_seal(refs, err);
}


int
entra_assignment_parse(entra_assignment_t *assignment, entra_dim_e dim,
    const entra_str_t *words, unsigned nwords, entra_err_t *err)
{
    unsigned  except;

    words++;
    nwords--;

    for (except = 0; except < nwords; except++) {
        if (entra_str_eq_c(words[except], "except")) {
            break;
        }
    }

    if (except == 0) {
        return entra_assignment_needs(dim, 0, err);
    }

    if (except == 1 && entra_str_eq_c(words[0], "any")) {
        assignment->include.any = 1;

    } else if (entra_assignment_side(&assignment->include, dim, words, except,
                                     err)
               != 0)
    {
        return -1;
    }

    if (except == nwords) {
        return 0;
    }

    words += except + 1;
    nwords -= except + 1;

    if (nwords == 0) {
        return entra_assignment_needs(dim, 1, err);
    }

    return entra_assignment_side(&assignment->except, dim, words, nwords, err);
}


int
entra_assignment_void(const entra_assignment_t *assignment)
{
    return assignment->include.any && entra_refs_empty(&assignment->except);
}


static int
entra_refs_has(const entra_cidr_set_t *set, const entra_signals_t *signals,
    unsigned peer)
{
    int                 has;
    entra_looked_up_t  *last = signals->looked_up;

    if (last && last->set == set && last->peer == peer) {
        return last->has;
    }

    has = entra_cidr_set_has(set, peer ? &signals->peer : &signals->address);

    if (last) {
        last->set = set;
        last->peer = peer & 1;
        last->has = has & 1;
    }

    return has;
}


static entra_truth_t
entra_refs_addresses(const entra_refs_t *refs, const entra_signals_t *signals,
    unsigned peer, unsigned open)
{
    unsigned                       i;
    entra_truth_t                  match;
    const entra_addr_t            *addr;
    const entra_named_location_t  *location;

    addr = peer ? &signals->peer : &signals->address;

    if (addr->family == ENTRA_ADDR_UNKNOWN) {
        return entra_truth(ENTRA_UNKNOWN);
    }

    match = entra_truth_bool(refs->has_ranges
                             && entra_refs_has(&refs->ranges, signals, peer));

    for (i = 0; i < refs->nnames && match.lo != ENTRA_TRUE; i++) {
        location = refs->found.locations[i];

        if (entra_refs_has(&location->set, signals, peer)) {
            return entra_truth(ENTRA_TRUE);
        }

        if (location->incomplete) {
            match = entra_truth_or(match,
                                   entra_truth_open(ENTRA_UNKNOWN,
                                                    ENTRA_OPEN_OURS, open));
        }
    }

    return match;
}


static entra_truth_t
entra_refs_callers(const entra_refs_t *refs, const entra_signals_t *signals,
    unsigned open)
{
    unsigned       i;
    entra_truth_t  match;

    match = entra_truth(ENTRA_FALSE);

    for (i = 0; i < refs->nnames && match.lo != ENTRA_TRUE; i++) {
        match = entra_truth_or(match,
                               entra_caller_match(refs->found.callers[i],
                                                  signals, open));
    }

    return match;
}


static entra_truth_t
entra_refs_operations(const entra_refs_t *refs,
    const entra_signals_t *signals, unsigned open)
{
    unsigned  i, best, match;

    if (signals->early || signals->operation == NULL) {
        return entra_truth_open(ENTRA_UNKNOWN, ENTRA_OPEN_OPERATION, open);
    }

    best = entra_operation_list_match(&refs->operations, signals->operation);

    for (i = 0; i < refs->nnames && best != ENTRA_TRUE; i++) {
        match = entra_operation_list_match(refs->found.operations[i],
                                           signals->operation);
        best = match > best ? match : best;
    }

    return entra_truth(best);
}


/* letter case as in operations: equal without it is unknown */

static entra_truth_t
entra_refs_deployments(const entra_refs_t *refs,
    const entra_signals_t *signals, unsigned open)
{
    unsigned     i, best;
    entra_str_t  name = signals->deployment_name;

    if (signals->early || signals->deployment == ENTRA_DEPLOYMENT_UNKNOWN) {
        return entra_truth_open(ENTRA_UNKNOWN, ENTRA_OPEN_OPERATION, open);
    }

    if (signals->deployment == ENTRA_DEPLOYMENT_NONE) {
        return entra_truth_bool(refs->none);
    }

    best = ENTRA_FALSE;

    for (i = 0; i < refs->nnames; i++) {

        if (entra_str_eq_c(name, refs->names[i])) {
            return entra_truth(ENTRA_TRUE);
        }

        if (entra_str_case_eq_c(name, refs->names[i])) {
            best = ENTRA_UNKNOWN;
        }
    }

    return entra_truth(best);
}


static entra_truth_t
entra_refs_match(const entra_refs_t *refs, entra_dim_e dim,
    const entra_signals_t *signals, unsigned open)
{
    if (refs->any) {
        return entra_truth(ENTRA_TRUE);
    }

    switch (dim) {

    case ENTRA_DIM_LOCATIONS:
        return entra_refs_addresses(refs, signals, 0, open);

    case ENTRA_DIM_PEERS:
        return entra_refs_addresses(refs, signals, 1, open);

    case ENTRA_DIM_CALLERS:
        return entra_refs_callers(refs, signals, open);

    case ENTRA_DIM_OPERATIONS:
        return entra_refs_operations(refs, signals, open);

    case ENTRA_DIM_DEPLOYMENTS:
        return entra_refs_deployments(refs, signals, open);

    default:
        return entra_truth(ENTRA_UNKNOWN);
    }
}


entra_truth_t
entra_assignment_match(const entra_assignment_t *assignment, entra_dim_e dim,
    const entra_signals_t *signals, unsigned open)
{
    entra_truth_t  match;

    match = entra_refs_match(&assignment->include, dim, signals, open);

    if (entra_refs_empty(&assignment->except)) {
        return match;
    }

    return entra_truth_and(match, entra_truth_not(
                               entra_refs_match(&assignment->except, dim,
                                                signals, open)));
}
