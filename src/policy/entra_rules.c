
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_rules.h"
#include "entra_suggest.h"


/* names of one kind; the things themselves stay where they are */

typedef struct {
    void      **items;
    unsigned    n;
    unsigned    capacity;

    /* by name, once sorted by entra_rules_finish() */
    void      **sorted;
} entra_rules_list_t;


struct entra_rules_s {
    entra_rules_list_t   lists[ENTRA_RULES];

    /* the block that is being read */
    entra_rule_e         kind;
    void                *open;
    unsigned             lines;
    const char          *where;
    const char          *fault;
};


/* what differs from kind to kind; the name comes first in all */

typedef struct {
    const char    *directive;
    const char    *noun;
    size_t         size;
    size_t         name;                /* offset of char * */
    size_t         where;               /* of const char * */
    size_t         used;                /* of unsigned */
} entra_rules_kind_t;


static const entra_rules_kind_t  entra_rules_kinds[] = {

    { "entra_named_location", "location", sizeof(entra_named_location_t),
      offsetof(entra_named_location_t, name),
      offsetof(entra_named_location_t, where),
      offsetof(entra_named_location_t, used) },

    { "entra_caller", "caller", sizeof(entra_caller_t),
      offsetof(entra_caller_t, name), offsetof(entra_caller_t, where),
      offsetof(entra_caller_t, used) },

    { "entra_operations", "operations", sizeof(entra_operation_list_t),
      offsetof(entra_operation_list_t, name),
      offsetof(entra_operation_list_t, where),
      offsetof(entra_operation_list_t, used) },

    { "entra_policy", "policy", sizeof(entra_policy_t),
      offsetof(entra_policy_t, name), offsetof(entra_policy_t, where),
      offsetof(entra_policy_t, used) }
};


static char **
entra_rules_name(entra_rule_e kind, const void *item)
{
    return (char **) ((char *) item + entra_rules_kinds[kind].name);
}


entra_rules_t *
entra_rules_create(void)
{
    return calloc(1, sizeof(entra_rules_t));
}


static void
entra_rules_item_free(entra_rule_e kind, void *item)
{
    switch (kind) {

    case ENTRA_RULE_LOCATION:
        entra_named_location_free(item);
        break;

    case ENTRA_RULE_CALLER:
        entra_caller_free(item);
        break;

    case ENTRA_RULE_OPERATIONS:
        entra_operation_list_free(item);
        break;

    default:
        entra_policy_free(item);
    }

    free(item);
}


void
entra_rules_free(entra_rules_t *rules)
{
    unsigned             i, kind;
    entra_rules_list_t  *list;

    if (rules == NULL) {
        return;
    }

    for (kind = 0; kind < ENTRA_RULES; kind++) {
        list = &rules->lists[kind];

        for (i = 0; i < list->n; i++) {
            entra_rules_item_free((entra_rule_e) kind, list->items[i]);
        }

        free(list->items);
        free(list->sorted);
    }

    free(rules);
}


static void *
entra_rules_nth(const entra_rules_t *rules, entra_rule_e kind, unsigned i)
{
    return i < rules->lists[kind].n ? rules->lists[kind].items[i] : NULL;
}


entra_policy_t *
entra_rules_policy_nth(const entra_rules_t *rules, unsigned i)
{
    return entra_rules_nth(rules, ENTRA_RULE_POLICY, i);
}


const entra_named_location_t *
entra_rules_location_nth(const entra_rules_t *rules, unsigned i)
{
    return entra_rules_nth(rules, ENTRA_RULE_LOCATION, i);
}


const entra_caller_t *
entra_rules_caller_nth(const entra_rules_t *rules, unsigned i)
{
    return entra_rules_nth(rules, ENTRA_RULE_CALLER, i);
}


static int
entra_rules_cmp(entra_str_t a, entra_str_t b)
{
    int     rc;
    size_t  n;

    n = a.len < b.len ? a.len : b.len;
    rc = n ? memcmp(a.data, b.data, n) : 0;

    return rc ? rc : (a.len > b.len) - (a.len < b.len);
}


/* where the name is in the sorted list, or would be */

static unsigned
entra_rules_place(const entra_rules_t *rules, entra_rule_e kind,
    entra_str_t name, int *found)
{
    int                        rc;
    unsigned                   lo, hi, mid;
    const entra_rules_list_t  *list = &rules->lists[kind];

    lo = 0;
    hi = list->n;

    while (lo < hi) {
        mid = (lo + hi) / 2;

        rc = entra_rules_cmp(name, entra_str_c(*entra_rules_name(kind,
                                                   list->sorted[mid])));
        if (rc == 0) {
            *found = 1;
            return mid;
        }

        if (rc < 0) {
            hi = mid;

        } else {
            lo = mid + 1;
        }
    }

    *found = 0;

    return lo;
}


static void *
entra_rules_find(const entra_rules_t *rules, entra_rule_e kind,
    entra_str_t name)
{
    int       found;
    unsigned  i;

    i = entra_rules_place(rules, kind, name, &found);

    return found ? rules->lists[kind].sorted[i] : NULL;
}


entra_policy_t *
entra_rules_policy(const entra_rules_t *rules, entra_str_t name)
{
    return entra_rules_find(rules, ENTRA_RULE_POLICY, name);
}


/* the name that was meant, or all that there are */

static void
entra_rules_meant(const entra_rules_t *rules, entra_rule_e kind,
    entra_str_t name, entra_buf_t *out)
{
    unsigned                   i;
    entra_suggest_t            s;
    const entra_rules_list_t  *list = &rules->lists[kind];

    entra_suggest_begin(&s, name);

    for (i = 0; i < list->n; i++) {
        entra_suggest_offer(&s, entra_str_c(*entra_rules_name(kind,
                                                list->sorted[i])));
    }

    if (entra_suggest_add(&s, out)) {
        return;
    }

    for (i = 0; i < list->n && out->len < 600; i++) {
        entra_buf_addf(out, "%s%s", i ? ", " : "; there are: ",
                       *entra_rules_name(kind, list->sorted[i]));
    }

    if (i < list->n) {
        entra_buf_add_c(out, ", ...");
    }
}


int
entra_rules_unknown(const entra_rules_t *rules, entra_rule_e kind,
    entra_str_t name, entra_err_t *err)
{
    entra_buf_t                names;
    const char                *text;
    const entra_rules_list_t  *list = &rules->lists[kind];

    entra_buf_init(&names, 700);
    entra_rules_meant(rules, kind, name, &names);

    text = list->n ? entra_buf_str(&names).data : "; there are none";

    (void) entra_err_set(err, ENTRA_ERR_CONFIG, "unknown %s \"%.*s\"%s",
                         entra_rules_kinds[kind].noun, (int) name.len,
                         name.data, text);

    entra_buf_free(&names);

    return -1;
}


static int
entra_rules_grow(entra_rules_list_t *list, entra_err_t *err)
{
    void      **items;
    unsigned    capacity;

    if (list->n == ENTRA_RULES_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "more than %u blocks of this kind",
                             ENTRA_RULES_MAX);
    }

    if (list->n < list->capacity) {
        return 0;
    }

    capacity = list->capacity ? 2 * list->capacity : 8;

    items = realloc(list->items, capacity * sizeof(void *));
    if (items == NULL) {
        return entra_err_no_memory(err);
    }

    list->items = items;

    items = realloc(list->sorted, capacity * sizeof(void *));
    if (items == NULL) {
        return entra_err_no_memory(err);
    }

    list->sorted = items;
    list->capacity = capacity;

    return 0;
}


void
entra_rules_where(entra_rules_t *rules, const char *where)
{
    rules->where = where;
}


const char *
entra_rules_fault(const entra_rules_t *rules)
{
    return rules->fault;
}


void
entra_rules_unused(const entra_rules_t *rules, entra_rule_e kind,
    entra_rules_unused_pt unused, void *data)
{
    unsigned                   i;
    const char                *item;
    const entra_rules_kind_t  *k = &entra_rules_kinds[kind];

    for (i = 0; i < rules->lists[kind].n; i++) {
        item = rules->lists[kind].items[i];

        if (*(const unsigned *) (item + k->used) == 0) {
            unused(data, k->directive, *entra_rules_name(kind, item),
                   *(const char *const *) (item + k->where));
        }
    }
}


int
entra_rules_is_param(const entra_rules_t *rules, entra_str_t name)
{
    return rules->open && rules->kind == ENTRA_RULE_POLICY
           && entra_policy_is_param(name);
}


int
entra_rules_begin(entra_rules_t *rules, entra_rule_e kind, entra_str_t name,
    entra_err_t *err)
{
    int                        found;
    void                      *item;
    char                      *copy;
    unsigned                   place;
    entra_rules_list_t        *list = &rules->lists[kind];
    const entra_rules_kind_t  *k = &entra_rules_kinds[kind];

    if (!entra_name_ok(name)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" cannot be the name of %s: up to %u"
                             " letters, digits, \"_\", \"-\" and \".\","
                             " beginning with a letter, and no word that has"
                             " a meaning in policies", (int) name.len,
                             name.data, k->directive, ENTRA_NAME_MAX);
    }

    place = entra_rules_place(rules, kind, name, &found);

    if (found) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "duplicate %s \"%.*s\"", k->directive,
                             (int) name.len, name.data);
    }

    if (entra_rules_grow(list, err) != 0) {
        return -1;
    }

    item = calloc(1, k->size);
    copy = entra_str_dup(name);

    if (item == NULL || copy == NULL) {
        free(item);
        free(copy);
        return entra_err_no_memory(err);
    }

    *entra_rules_name(kind, item) = copy;
    *(const char **) ((char *) item + k->where) = rules->where;

    memmove(list->sorted + place + 1, list->sorted + place,
            (list->n - place) * sizeof(void *));
    list->sorted[place] = item;

    if (kind == ENTRA_RULE_POLICY) {
        ((entra_policy_t *) item)->index = list->n;
    }

    list->items[list->n++] = item;

    rules->kind = kind;
    rules->open = item;
    rules->lines = 0;

    return 0;
}


int
entra_rules_line(entra_rules_t *rules, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    int                      rc;
    unsigned                 n;
    entra_caller_t          *caller;
    entra_named_location_t  *location;

    if (rules->open == NULL || nwords == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "a line without a block");
    }

    rules->lines++;

    switch (rules->kind) {

    case ENTRA_RULE_LOCATION:
        location = rules->open;
        n = location->nfiles;
        rc = entra_named_location_line(location, words, nwords, err);

        if (location->nfiles > n) {
            location->files[n].where = rules->where;
        }

        return rc;

    case ENTRA_RULE_CALLER:
        caller = rules->open;
        rc = entra_caller_line(caller, words, nwords, err);

        if (rc == 0) {
            caller->lines[caller->nlines - 1].where = rules->where;
        }

        return rc;

    case ENTRA_RULE_OPERATIONS:
        return entra_operation_list_line(rules->open, words, nwords, err);

    default:
        ((entra_policy_t *) rules->open)->line = rules->where;
        return entra_policy_line(rules->open, words, nwords, err);
    }
}


int
entra_rules_end(entra_rules_t *rules, int64_t now, entra_err_t *err)
{
    int                        rc;
    entra_err_t                inner;
    const entra_rules_kind_t  *k = &entra_rules_kinds[rules->kind];

    if (rules->open == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "the end of no block");
    }

    entra_err_clear(&inner);
    rc = 0;

    if (rules->lines == 0) {
        rc = entra_err_set(&inner, ENTRA_ERR_CONFIG, "an empty block");

    } else if (rules->kind == ENTRA_RULE_LOCATION) {
        rc = entra_named_location_done(rules->open, now, &inner);

    } else if (rules->kind == ENTRA_RULE_POLICY) {
        rc = entra_policy_done(rules->open, &inner);
        rules->fault = ((entra_policy_t *) rules->open)->fault;
    }

    if (rc != 0) {
        err->advice = inner.advice;
        (void) entra_err_set(err, inner.class, "%s \"%s\": %s", k->directive,
                             *entra_rules_name(rules->kind, rules->open),
                             inner.text);
    }

    rules->open = NULL;

    return rc;
}


static int
entra_rules_resolve(const entra_rules_t *rules, const entra_policy_t *policy,
    entra_dim_e dim, entra_refs_t *refs, entra_err_t *err)
{
    unsigned      i;
    entra_err_t   inner;
    entra_rule_e  kind;

    if (refs->nnames == 0 || dim == ENTRA_DIM_DEPLOYMENTS) {
        return 0;
    }

    kind = dim == ENTRA_DIM_CALLERS ? ENTRA_RULE_CALLER
           : dim == ENTRA_DIM_OPERATIONS ? ENTRA_RULE_OPERATIONS
                                         : ENTRA_RULE_LOCATION;

    free(refs->found.any);

    refs->found.any = calloc(refs->nnames, sizeof(void *));
    if (refs->found.any == NULL) {
        return entra_err_no_memory(err);
    }

    for (i = 0; i < refs->nnames; i++) {
        refs->found.any[i] = entra_rules_find(rules, kind,
                                              entra_str_c(refs->names[i]));

        if (refs->found.any[i] == NULL) {
            entra_err_clear(&inner);
            (void) entra_rules_unknown(rules, kind,
                                       entra_str_c(refs->names[i]), &inner);
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "entra_policy \"%s\", \"%s\": %s%s%s",
                                 policy->name, entra_dim_name(dim),
                                 inner.text,
                                 entra_policy_is_param(
                                     entra_str_c(refs->names[i]))
                                     ? ", is a ';' missing before it?" : "",
                                 policy->lines[dim] ? policy->lines[dim] : "");
        }

        *(unsigned *) ((char *) refs->found.any[i]
                       + entra_rules_kinds[kind].used) = 1;
    }

    return 0;
}


int
entra_rules_finish(entra_rules_t *rules, entra_err_t *err)
{
    unsigned             i, dim;
    entra_policy_t      *policy;
    entra_assignment_t  *assignment;

    for (i = 0; (policy = entra_rules_policy_nth(rules, i)) != NULL; i++) {

        for (dim = 0; dim < ENTRA_DIM_TIME; dim++) {
            assignment = &policy->assignments[dim];

            if (entra_rules_resolve(rules, policy, (entra_dim_e) dim,
                                    &assignment->include, err)
                != 0
                || entra_rules_resolve(rules, policy, (entra_dim_e) dim,
                                       &assignment->except, err)
                   != 0)
            {
                return -1;
            }
        }
    }

    return 0;
}


static int
entra_rules_busy(const entra_rules_t *rules)
{
    unsigned                       i;
    const entra_named_location_t  *location;

    for (i = 0; (location = entra_rules_location_nth(rules, i)) != NULL; i++) {
        if (location->busy) {
            return 1;
        }
    }

    return 0;
}


int
entra_rules_watch(entra_rules_t *rules, int64_t now, entra_rules_log_pt log,
    void *data)
{
    int                        rc, busy;
    unsigned                   i;
    entra_buf_t                line;
    entra_err_t                err;
    entra_named_location_t    *location;
    const entra_rules_list_t  *list = &rules->lists[ENTRA_RULE_LOCATION];

    busy = entra_rules_busy(rules);

    for (i = 0; i < list->n; i++) {
        location = list->items[i];

        if (busy && !location->busy) {
            continue;
        }

        entra_err_clear(&err);
        rc = entra_named_location_watch(location, now, &err);

        if (rc == 0) {
            continue;
        }

        entra_buf_init(&line, 2048);
        entra_buf_addf(&line, "entra_named_location \"%s\": ", location->name);

        if (rc == 1) {
            entra_buf_addf(&line, "new list, %zu ranges",
                           entra_named_location_entries(location));
            log(data, ENTRA_LOG_NOTICE, entra_buf_str(&line).data);

        } else {
            entra_err_line(&err, &line);
            entra_buf_add_c(&line, "; the last good list stays in use");
            log(data, ENTRA_LOG_ERR, entra_buf_str(&line).data);
        }

        entra_buf_free(&line);
    }

    return entra_rules_busy(rules);
}


static void
entra_rules_add_name(entra_buf_t *out, const char *name)
{
    size_t  len = strlen(name);

    if (out->len + len + 1 <= out->max) {
        if (out->len) {
            entra_buf_add_char(out, ',');
        }

        entra_buf_add(out, name, len);
    }
}


void
entra_rules_locations_of(const entra_rules_t *rules, const entra_addr_t *addr,
    entra_buf_t *out)
{
    unsigned                       i;
    const entra_named_location_t  *location;

    for (i = 0; (location = entra_rules_location_nth(rules, i)) != NULL; i++) {
        if (entra_cidr_set_has(&location->set, addr)) {
            entra_rules_add_name(out, location->name);
        }
    }
}


void
entra_rules_callers_of(const entra_rules_t *rules,
    const entra_signals_t *signals, entra_buf_t *out)
{
    unsigned               i;
    const entra_caller_t  *caller;

    for (i = 0; (caller = entra_rules_caller_nth(rules, i)) != NULL; i++) {
        if (entra_caller_match(caller, signals, 0).lo == ENTRA_TRUE) {
            entra_rules_add_name(out, caller->name);
        }
    }
}
