
/*
 * Copyright (C) nginx-entra authors
 *
 * Does a request's path lie in the workspace?
 */

#include <string.h>

#include "entra_ascii.h"
#include "entra_workspace.h"


#define ENTRA_WORKSPACE_PROVIDER  "Microsoft.MachineLearningServices"


/*
 * %XX that stands for something an upstream could read as structure, or
 * that is not one at all
 */

static int
entra_match_escape_ok(const char *p, const char *end)
{
    int  c;

    c = end - p < 3 ? -1 : entra_hex_byte(p + 1);

    return c >= ' ' && c != 0x7f && strchr("./\\%;?#", c) == NULL;
}


static int
entra_match_dots(entra_str_t segment)
{
    return entra_str_eq_c(segment, ".") || entra_str_eq_c(segment, "..");
}


/* the next segment after the slash at the start of *rest */

static entra_str_t
entra_match_segment(entra_str_t *rest)
{
    size_t       i;
    entra_str_t  segment = entra_str_null;

    if (rest->len == 0) {
        return segment;
    }

    for (i = 1; i < rest->len && rest->data[i] != '/'; i++) {
        /* void */
    }

    segment.data = rest->data + 1;
    segment.len = i - 1;

    rest->data += i;
    rest->len -= i;

    return segment;
}


/* no dot segments, no empty ones but the last, no strange bytes */

static int
entra_match_plain(entra_str_t path)
{
    char         c;
    size_t       i;
    entra_str_t  rest, segment;

    if (path.len == 0 || path.data[0] != '/') {
        return 0;
    }

    for (i = 0; i < path.len; i++) {
        c = path.data[i];

        if (c <= ' ' || c >= 0x7f || strchr("\\;?#", c)) {
            return 0;
        }

        if (c == '%'
            && !entra_match_escape_ok(path.data + i, path.data + path.len))
        {
            return 0;
        }
    }

    for (rest = path; rest.len; /* void */ ) {
        segment = entra_match_segment(&rest);

        if (entra_match_dots(segment) || (segment.len == 0 && rest.len)) {
            return 0;
        }
    }

    return 1;
}


/* the word in any letter case, encoded or not */

static int
entra_match_word(entra_str_t segment, const char *word)
{
    char    c;
    size_t  i = 0;

    for ( /* void */ ; *word; word++) {

        if (i >= segment.len) {
            return 0;
        }

        c = segment.data[i++];

        if (c == '%' && segment.len - i >= 2) {
            c = (char) entra_hex_byte(segment.data + i);
            i += 2;
        }

        if (!entra_str_case_eq((entra_str_t) { 1, &c },
                               (entra_str_t) { 1, (char *) word }))
        {
            return 0;
        }
    }

    return i == segment.len;
}


/* /mlflow/v1.0 before /subscriptions, as on *.api.azureml.ms */

static entra_str_t
entra_match_service(entra_str_t path)
{
    entra_str_t  rest = path, service, version;

    service = entra_match_segment(&rest);
    version = entra_match_segment(&rest);

    if (entra_match_word(service, "subscriptions")
        || entra_match_word(service, "providers")
        || version.len < 2
        || (version.data[0] != 'v' && version.data[0] != 'V')
        || !entra_is_digit(version.data[1]))
    {
        return path;
    }

    return rest;
}


/* below the workspace nothing names another one */

static int
entra_match_nested(const entra_workspace_t *ws, entra_str_t rest)
{
    entra_str_t  segment;

    while (rest.len) {
        segment = entra_match_segment(&rest);

        if (!entra_match_word(segment, ENTRA_WORKSPACE_PROVIDER)) {
            continue;
        }

        segment = entra_match_segment(&rest);

        if (!entra_match_word(segment, "workspaces")) {
            continue;
        }

        segment = entra_match_segment(&rest);

        if (!entra_match_word(segment, ws->name)) {
            return 1;
        }
    }

    return 0;
}


/*
 * .../locations/REGION/mfeOperationsStatus/ID: what answers about long
 * operations refer to.  There is no workspace in it, but an ID that cannot be
 * guessed.
 */

static int
entra_match_operation(const entra_workspace_t *ws, entra_str_t path)
{
    unsigned     i;
    entra_str_t  segment, kind;

    const char  *const want[] = {
        "subscriptions", ws->subscription_id,
        "providers", ENTRA_WORKSPACE_PROVIDER, "locations"
    };

    static const char  *const ends[] = {
        "OperationsStatus", "OperationResults", "OperationsResults"
    };

    for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        segment = entra_match_segment(&path);

        if (!entra_match_word(segment, want[i])) {
            return 0;
        }
    }

    segment = entra_match_segment(&path);
    kind = entra_match_segment(&path);

    if (segment.len == 0 || entra_match_segment(&path).len == 0 || path.len) {
        return 0;
    }

    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        segment = entra_str_c(ends[i]);

        if (kind.len > segment.len
            && entra_str_case_eq((entra_str_t) { segment.len, kind.data
                                                 + kind.len - segment.len },
                                 segment))
        {
            return 1;
        }
    }

    return 0;
}


entra_workspace_match_e
entra_workspace_match(const entra_workspace_t *ws, entra_str_t path)
{
    unsigned     i;
    entra_str_t  rest, segment;

    const char  *const want[] = {
        "subscriptions", ws->subscription_id,
        "resourceGroups", ws->resource_group,
        "providers", ENTRA_WORKSPACE_PROVIDER,
        "workspaces", ws->name
    };

    if (!entra_match_plain(path)) {
        return ENTRA_WORKSPACE_UNCLEAR;
    }

    if (entra_match_operation(ws, path)) {
        return ENTRA_WORKSPACE_SAME;
    }

    rest = entra_match_service(path);

    for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        segment = entra_match_segment(&rest);

        if (!entra_match_word(segment, want[i])) {
            return ENTRA_WORKSPACE_OTHER;
        }
    }

    return entra_match_nested(ws, rest) ? ENTRA_WORKSPACE_OTHER
                                        : ENTRA_WORKSPACE_SAME;
}
