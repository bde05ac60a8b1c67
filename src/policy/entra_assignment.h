
/*
 * Copyright (C) nginx-entra authors
 *
 * One line of a policy that says to what it applies:
 * any | ITEM ... [except ITEM ...].
 */

#ifndef ENTRA_ASSIGNMENT_H
#define ENTRA_ASSIGNMENT_H


#include "entra_caller.h"
#include "entra_named_location.h"
#include "entra_operation.h"
#include "entra_signals.h"


#define ENTRA_NAMES_MAX  256                    /* in one list */
#define ENTRA_NAME_MAX   64                     /* bytes */


/* what a policy can state; 1 << ENTRA_DIM_... in masks */

typedef enum {
    ENTRA_DIM_LOCATIONS = 0,
    ENTRA_DIM_PEERS,
    ENTRA_DIM_CALLERS,
    ENTRA_DIM_OPERATIONS,
    ENTRA_DIM_DEPLOYMENTS,
    ENTRA_DIM_TIME,
    ENTRA_DIMS
} entra_dim_e;


/* one side of an assignment, before or after "except" */

typedef struct {
    char                        **names;        /* as written, owned */
    unsigned                      nnames;

    /* what the names are, in the same order: borrowed */
    union {
        const entra_named_location_t   **locations;
        const entra_caller_t           **callers;
        const entra_operation_list_t   **operations;
        void                           **any;
    }                             found;

    /* written in the policy itself */
    entra_cidr_set_t              ranges;
    entra_operation_list_t        operations;

    unsigned                      any:1;
    unsigned                      none:1;       /* deployments: no header */
    unsigned                      has_ranges:1;
} entra_refs_t;


typedef struct {
    entra_refs_t                  include;
    entra_refs_t                  except;
} entra_assignment_t;


/* letters, digits, "_", "-" and ".", beginning with a letter; no word that
   means something where names are listed */
int entra_name_ok(entra_str_t name);

/* "locations", "peers", ...: as in nginx.conf */
const char *entra_dim_name(entra_dim_e dim);

/* not ENTRA_DIM_TIME; words[0] is the name of the dimension; 0, or -1, err */
int entra_assignment_parse(entra_assignment_t *assignment, entra_dim_e dim,
    const entra_str_t *words, unsigned nwords, entra_err_t *err);
void entra_assignment_free(entra_assignment_t *assignment);

/* says the same as if it were not there: "any" */
int entra_assignment_void(const entra_assignment_t *assignment);


/* there is nothing in it */

static inline int
entra_refs_empty(const entra_refs_t *refs)
{
    return refs->nnames == 0 && !refs->any && !refs->none && !refs->has_ranges
           && refs->operations.n == 0;
}


/*
 * Included and not excepted?  What is unknown is unknown, but for "any".  See
 * entra_truth.h for open.
 */
entra_truth_t entra_assignment_match(const entra_assignment_t *assignment,
    entra_dim_e dim, const entra_signals_t *signals, unsigned open);


#endif /* ENTRA_ASSIGNMENT_H */
