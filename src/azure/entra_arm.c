
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_arm.h"
#include "entra_ascii.h"


typedef struct {
    const char  *p;                     /* rest of the path, at a slash */
    const char  *end;
    char        *out;
    size_t       len;
    unsigned     unclear:1;
} entra_arm_t;


/* the next segment, of length 0 at the end */

static entra_str_t
entra_arm_next(entra_arm_t *arm)
{
    const char   *slash;
    entra_str_t   segment;

    segment.len = 0;
    segment.data = arm->p;

    if (arm->p == arm->end) {
        return segment;
    }

    segment.data = ++arm->p;
    slash = memchr(arm->p, '/', (size_t) (arm->end - arm->p));

    arm->p = slash ? slash : arm->end;
    segment.len = (size_t) (arm->p - segment.data);

    return segment;
}


static void
entra_arm_add(entra_arm_t *arm, entra_str_t text)
{
    /* of a type: Resource Manager may or may not decode it */

    if (text.len + 1 > ENTRA_ARM_ACTION_MAX - arm->len
        || (text.len && memchr(text.data, '%', text.len)))
    {
        arm->unclear = 1;
        return;
    }

    if (arm->len) {
        arm->out[arm->len++] = '/';
    }

    entra_str_lower(arm->out + arm->len, text);
    arm->len += text.len;
}


static int
entra_arm_is(entra_str_t segment, const char *name)
{
    return entra_str_case_eq_c(segment, name);
}


/*
 * Names, encoded or not, are of no importance to the action, but for one:
 * who looks for "/providers/" in the text would find another provider.  What
 * is not ASCII may be folded to any letter.
 */

static void
entra_arm_name(entra_arm_t *arm, entra_str_t name)
{
    int          c;
    size_t       i, n;
    const char  *want = "providers";

    for (i = 0; i < name.len && *want; want++) {
        c = (unsigned char) name.data[i++];

        if (c == '%' && name.len - i >= 2) {
            c = entra_hex_byte(name.data + i);
            i += 2;

            /* the rest of a character of UTF-8 */

            for (n = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
                 n && name.len - i >= 3; n--)
            {
                i += 3;
            }
        }

        if (c >= 0 && c < 0x80 && entra_lower(c) != *want) {
            return;
        }
    }

    if (i == name.len && *want == '\0') {
        arm->unclear = 1;
    }
}


/*
 * Types and names after a provider or a subscription, up to the next
 * "/providers/".  The last type may have no name: it is a list then, or, for
 * POST, the name of an action.
 */

static void
entra_arm_types(entra_arm_t *arm)
{
    const char   *at;
    entra_str_t   type;

    while (arm->p < arm->end) {
        at = arm->p;
        type = entra_arm_next(arm);

        if (entra_arm_is(type, "providers") && arm->p < arm->end) {
            arm->p = at;
            return;
        }

        entra_arm_add(arm, type);
        entra_arm_name(arm, entra_arm_next(arm));
    }
}


/* the verb at the end, from the method; 0: not a method of ARM */

static const char *
entra_arm_verb(entra_str_t method)
{
    unsigned  i;

    static const char *const  verbs[][2] = {
        { "GET", "read" },
        { "HEAD", "read" },
        { "PUT", "write" },
        { "PATCH", "write" },
        { "DELETE", "delete" },
        { "POST", "action" }
    };

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (entra_str_eq_c(method, verbs[i][0])) {
            return verbs[i][1];
        }
    }

    return NULL;
}


/* from "/providers/NAMESPACE" on; the last provider of the path counts */

static void
entra_arm_provider(entra_arm_t *arm, int post)
{
    entra_str_t  providers, namespace;

    while (arm->p < arm->end) {
        providers = entra_arm_next(arm);
        namespace = entra_arm_next(arm);

        if (arm->p == arm->end && !post) {

            /* what is known of a provider, which is none of its resources */

            entra_arm_add(arm, providers);
            return;
        }

        arm->len = 0;
        entra_arm_add(arm, namespace);
        entra_arm_types(arm);
    }
}


/* what comes before the first provider; the path is behind its first segment */

static void
entra_arm_scope(entra_arm_t *arm, entra_str_t first, const char *start)
{
    entra_arm_add(arm, entra_str("microsoft.resources"));

    if (entra_arm_is(first, "providers")) {

        if (arm->p < arm->end) {
            arm->p = start;

        } else {
            entra_arm_add(arm, first);
        }

        return;
    }

    entra_arm_add(arm, first);

    if (entra_arm_is(first, "subscriptions")) {
        entra_arm_name(arm, entra_arm_next(arm));       /* its id */
        entra_arm_types(arm);

    } else if (arm->p < arm->end) {
        arm->unclear = 1;
    }
}


/* most paths are not Resource Manager's, which is soon seen */

static int
entra_arm_begins(entra_str_t first)
{
    switch (first.len ? entra_lower(first.data[0]) : 0) {

    case 's':
        return entra_arm_is(first, "subscriptions");

    case 'p':
        return entra_arm_is(first, "providers");

    case 't':
        return entra_arm_is(first, "tenants");

    case 'b':
        return entra_arm_is(first, "batch");

    default:
        return 0;
    }
}


entra_arm_e
entra_arm_action(entra_str_t method, entra_str_t path,
    char action[ENTRA_ARM_ACTION_MAX], size_t *len)
{
    const char   *verb;
    entra_arm_t   arm;
    entra_str_t   first;

    arm.p = path.data;
    arm.end = path.data + path.len;
    arm.out = action;
    arm.len = 0;
    arm.unclear = 0;

    *len = 0;

    if (path.len == 0 || path.data[0] != '/') {
        return ENTRA_ARM_OTHER;
    }

    first = entra_arm_next(&arm);

    if (!entra_arm_begins(first)) {
        return ENTRA_ARM_OTHER;
    }

    verb = entra_arm_verb(method);

    if (verb == NULL) {
        return ENTRA_ARM_UNKNOWN;
    }

    if (arm.end[-1] == '/') {
        arm.end--;
    }

    entra_arm_scope(&arm, first, path.data);
    entra_arm_provider(&arm, entra_str_eq_c(method, "POST"));
    entra_arm_add(&arm, entra_str_c(verb));

    if (arm.unclear) {
        return ENTRA_ARM_UNKNOWN;
    }

    *len = arm.len;

    return ENTRA_ARM_ACTION;
}


char *
entra_arm_pattern(entra_str_t text, entra_err_t *err)
{
    char    *copy;
    size_t   i;

    if (text.len == 0 || text.len > ENTRA_ARM_PATTERN_MAX) {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "an action has 1 to %u bytes",
                             ENTRA_ARM_PATTERN_MAX);
        return NULL;
    }

    for (i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f
            || strchr("%?#\\;\"", text.data[i]))
        {
            break;
        }
    }

    if (i < text.len || text.data[0] == '/'
        || memchr(text.data, text.data[0] == '*' ? '*' : '/', text.len)
           == NULL)
    {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" is not an action of Azure RBAC, as"
                             " Microsoft.MachineLearningServices/workspaces/"
                             "onlineEndpoints/score/action or */read",
                             (int) text.len, text.data);
        return NULL;
    }

    copy = entra_str_dup_lower(text);

    if (copy == NULL) {
        (void) entra_err_no_memory(err);
    }

    return copy;
}


int
entra_arm_match(const char *pattern, entra_str_t action)
{
    const char  *p, *star, *s, *mark, *end;

    p = pattern;
    star = NULL;
    mark = NULL;
    s = action.data;
    end = s + action.len;

    while (s < end) {

        if (*p == '*') {
            while (*p == '*') {
                p++;
            }

            if (*p == '\0') {
                return 1;
            }

            star = p;
            mark = s;

        } else if (*p == *s) {
            p++;
            s++;

        } else if (star) {

            /* the last "*" takes more bytes; earlier ones need not */

            mark++;
            mark = memchr(mark, *star, (size_t) (end - mark));

            if (mark == NULL) {
                return 0;
            }

            p = star;
            s = mark;

        } else {
            return 0;
        }
    }

    while (*p == '*') {
        p++;
    }

    return *p == '\0';
}
