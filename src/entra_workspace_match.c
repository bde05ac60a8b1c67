
/*
 * Copyright (C) nginx-entra authors
 *
 * Does a request's path lie in the workspace?
 */

#include <string.h>

#include "entra_workspace.h"


#define ENTRA_WORKSPACE_PROVIDER  "Microsoft.MachineLearningServices"


static int
entra_match_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/*
 * %XX that stands for something an upstream could read as structure, or
 * that is not one at all
 */

static int
entra_match_escape_ok(const char *p, const char *end)
{
    int  hi, lo, c;

    if (end - p < 3) {
        return 0;
    }

    hi = entra_match_hex(p[1]);
    lo = entra_match_hex(p[2]);

    if (hi < 0 || lo < 0) {
        return 0;
    }

    c = hi * 16 + lo;

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


/* /mlflow/v1.0 before /subscriptions, as on *.api.azureml.ms */

static entra_str_t
entra_match_service(entra_str_t path)
{
    entra_str_t  rest = path, service, version;

    service = entra_match_segment(&rest);
    version = entra_match_segment(&rest);

    if (entra_str_case_eq_c(service, "subscriptions")
        || entra_str_case_eq_c(service, "providers")
        || version.len < 2
        || (version.data[0] != 'v' && version.data[0] != 'V')
        || version.data[1] < '0' || version.data[1] > '9')
    {
        return path;
    }

    return rest;
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

    rest = entra_match_service(path);

    for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        segment = entra_match_segment(&rest);

        if (segment.len && memchr(segment.data, '%', segment.len)) {
            return ENTRA_WORKSPACE_UNCLEAR;
        }

        if (segment.len == 0 || !entra_str_case_eq_c(segment, want[i])) {
            return ENTRA_WORKSPACE_OTHER;
        }
    }

    return ENTRA_WORKSPACE_SAME;
}
