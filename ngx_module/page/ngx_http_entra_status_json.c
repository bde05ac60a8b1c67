
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_status as JSON.
 */

#include "ngx_http_entra_page.h"
#include "entra_enc.h"


static void ngx_http_entra_json_states(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_json_token(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b);
static void ngx_http_entra_json_counts(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b);
static void ngx_http_entra_json_keys(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_json_decisions(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_json_denials(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_json_policies(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_json_lists(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);


void
ngx_http_entra_status_json(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b)
{
    ngx_uint_t  i, n;

    entra_buf_addf(b, "{\"version\":\"%s\",\"time\":%lld,\"worker\":%d,"
                   "\"ready\":%s,", NGX_HTTP_ENTRA_VERSION,
                   (long long) s->time, (int) ngx_pid,
                   s->missing ? "false" : "true");

    ngx_http_entra_json_states(s, b);

    entra_buf_add_c(b, ",\"credentials\":[");

    n = 0;

    for (i = 0; i < s->ntokens; i++) {
        if (ngx_http_entra_view_has(view, &s->tokens[i])) {
            entra_buf_add_c(b, n++ ? "," : "");
            ngx_http_entra_json_token(&s->tokens[i], b);
        }
    }

    entra_buf_add_char(b, ']');

    ngx_http_entra_json_keys(s, b);
    ngx_http_entra_json_decisions(s, b);
    ngx_http_entra_json_denials(s, b);
    ngx_http_entra_json_policies(s, b);
    ngx_http_entra_json_lists(s, b);

    entra_buf_add_c(b, "}\n");
}


static void
ngx_http_entra_json_states(const ngx_http_entra_snapshot_t *s, entra_buf_t *b)
{
    ngx_uint_t  i;

    entra_buf_add_c(b, "\"states\":{");

    for (i = 0; i < NGX_HTTP_ENTRA_STATES; i++) {
        entra_buf_addf(b, "%s\"%s\":%lu", i ? "," : "",
                       ngx_http_entra_states[i],
                       (unsigned long) s->states[i]);
    }

    entra_buf_add_char(b, '}');
}


static void
ngx_http_entra_json_string(entra_buf_t *b, const char *name, ngx_str_t *value)
{
    entra_buf_addf(b, "\"%s\":", name);
    entra_enc_json(b, (entra_str_t) { value->len, (char *) value->data });
}


static void
ngx_http_entra_json_c(entra_buf_t *b, const char *name, const char *value)
{
    entra_buf_addf(b, "\"%s\":", name);
    entra_enc_json(b, entra_str_c(value));
}


static void
ngx_http_entra_json_token(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b)
{
    entra_buf_add_char(b, '{');
    ngx_http_entra_json_string(b, "credential", (ngx_str_t *) &t->credential);
    entra_buf_addf(b, ",\"type\":\"%s\",", t->type);
    ngx_http_entra_json_string(b, "scope", (ngx_str_t *) &t->scope);
    entra_buf_addf(b, ",\"state\":\"%s\",\"preload\":%s",
                   ngx_http_entra_states[t->state],
                   t->preload ? "true" : "false");

    if (t->held) {
        entra_buf_addf(b, ",\"expires_in\":%lld,\"refresh_in\":%lld",
                       (long long) t->expires_in / 1000,
                       (long long) t->refresh_in / 1000);

    } else {
        entra_buf_add_c(b, ",\"expires_in\":null,\"refresh_in\":null");
    }

    ngx_http_entra_json_counts(t, b);

    if (t->member[0]) {
        entra_buf_add_char(b, ',');
        ngx_http_entra_json_c(b, "member", t->member);
    }

    if (t->note[0]) {
        entra_buf_add_char(b, ',');
        ngx_http_entra_json_c(b, "note", t->note);
    }

    if (t->page) {
        entra_buf_add_char(b, ',');
        ngx_http_entra_json_c(b, "sign_in", t->page);
    }

    if (t->cert_expires) {
        entra_buf_addf(b, ",\"certificate_expires\":%lld",
                       (long long) t->cert_expires);
    }

    entra_buf_addf(b, ",\"files_stale\":%lu,",
                   (unsigned long) t->stale_files);

    ngx_http_entra_status_json_error(t->error, b);
    entra_buf_add_char(b, '}');
}


static void
ngx_http_entra_json_counts(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b)
{
    ngx_uint_t  i;

    entra_buf_addf(b, ",\"fetching\":%s,\"next_attempt_in\":%lld"
                   ",\"fetches\":%lu,\"failures\":%lu,"
                   "\"failures_in_a_row\":%lu,\"fetch_seconds\":%.3f,"
                   "\"waits\":%lu,\"replays\":%lu,\"generation\":%lu,"
                   "\"upstream\":{", t->fetching ? "true" : "false",
                   (long long) t->next_attempt_in / 1000,
                   (unsigned long) t->fetches, (unsigned long) t->failures,
                   (unsigned long) t->fails, (double) t->fetch_ms / 1000,
                   (unsigned long) t->waits, (unsigned long) t->replays,
                   (unsigned long) t->generation);

    for (i = 0; i < NGX_HTTP_ENTRA_REFUSALS; i++) {
        entra_buf_addf(b, "%s\"%lu\":%lu", i ? "," : "",
                       (unsigned long) ngx_http_entra_refusals[i],
                       (unsigned long) t->upstream[i]);
    }

    entra_buf_add_c(b, "},\"requests\":{");

    for (i = NGX_HTTP_ENTRA_HIT; i < NGX_HTTP_ENTRA_STATUSES; i++) {
        entra_buf_addf(b, "%s\"%s\":%lu", i > NGX_HTTP_ENTRA_HIT ? "," : "",
                       (char *) ngx_http_entra_status_names[i].data,
                       (unsigned long) t->requests[i]);
    }

    entra_buf_add_char(b, '}');
}


void
ngx_http_entra_status_json_error(const ngx_http_entra_shown_error_t *err,
    entra_buf_t *b)
{
    if (err == NULL) {
        entra_buf_add_c(b, "\"last_error\":null");
        return;
    }

    entra_buf_addf(b, "\"last_error\":{\"time\":%lld,\"class\":\"%s\","
                   "\"http_status\":%lu,\"aadsts\":", (long long) err->time,
                   entra_err_class_name(err->class),
                   (unsigned long) err->status);

    if (err->aadsts) {
        entra_buf_addf(b, "\"AADSTS%u\",", (unsigned) err->aadsts);

    } else {
        entra_buf_add_c(b, "null,");
    }

    ngx_http_entra_json_c(b, "correlation_id", err->id);
    entra_buf_add_char(b, ',');
    ngx_http_entra_json_c(b, "text", err->text);

    if (err->advice[0]) {
        entra_buf_add_char(b, ',');
        ngx_http_entra_json_c(b, "advice", err->advice);
    }

    entra_buf_add_char(b, '}');
}


/* the keys that sign callers' tokens */

static void
ngx_http_entra_json_keys(const ngx_http_entra_snapshot_t *s, entra_buf_t *b)
{
    const ngx_http_entra_shown_token_t  *t;

    t = s->keys;

    if (t == NULL) {
        return;
    }

    entra_buf_addf(b, ",\"caller_keys\":{\"state\":\"%s\",\"entries\":%lu",
                   ngx_http_entra_states[t->state],
                   (unsigned long) s->keys_entries);

    if (t->held) {
        entra_buf_addf(b, ",\"age\":%lld,\"refresh_in\":%lld",
                       (long long) t->age / 1000,
                       (long long) t->refresh_in / 1000);

    } else {
        entra_buf_add_c(b, ",\"age\":null,\"refresh_in\":null");
    }

    entra_buf_addf(b, ",\"fetches\":%lu,\"failures\":%lu,"
                   "\"failures_in_a_row\":%lu,\"waits\":%lu,",
                   (unsigned long) t->fetches, (unsigned long) t->failures,
                   (unsigned long) t->fails, (unsigned long) t->waits);

    ngx_http_entra_status_json_error(t->error, b);
    entra_buf_add_char(b, '}');
}


static void
ngx_http_entra_json_decisions(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_uint_t                i;
    const ngx_atomic_uint_t  *n;

    if (!s->zone) {
        return;
    }

    n = s->counters;

    entra_buf_addf(b, ",\"decisions\":{\"allow\":%lu,\"deny\":%lu,"
                   "\"undetermined\":%lu},\"denials\":{",
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_ALLOW],
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_DENY],
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_UNDETERMINED]);

    for (i = 0; i <= ENTRA_REASON_WORKSPACE; i++) {
        entra_buf_addf(b, "%s\"%s\":%lu", i ? "," : "",
                       ngx_http_entra_reason(i),
                       (unsigned long) n[NGX_HTTP_ENTRA_COUNT_REASON + i]);
    }

    entra_buf_addf(b, "},\"egress_blocked\":%lu,\"ambiguous_paths\":%lu",
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_EGRESS],
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_PATH]);
}


static void
ngx_http_entra_json_denials(const ngx_http_entra_snapshot_t *s, entra_buf_t *b)
{
    ngx_uint_t                      i;
    const ngx_http_entra_denial_t  *d;

    entra_buf_add_c(b, ",\"last_denials\":[");

    for (i = 0; i < s->ndenials; i++) {
        d = &s->denials[i];

        entra_buf_addf(b, "%s{\"time\":%lld,\"status\":%lu,\"reason\":\"%s\",",
                       i ? "," : "", (long long) d->time,
                       (unsigned long) d->status,
                       ngx_http_entra_reason(d->reason));
        ngx_http_entra_json_c(b, "credential", (char *) d->credential);
        entra_buf_add_char(b, ',');
        ngx_http_entra_json_c(b, "text", (char *) d->text);
        entra_buf_add_char(b, '}');
    }

    entra_buf_add_char(b, ']');
}


static void
ngx_http_entra_json_policies(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_uint_t                            i, result;
    const ngx_http_entra_shown_policy_t  *p;

    entra_buf_add_c(b, ",\"policies\":[");

    for (i = 0; i < s->npolicies; i++) {
        p = &s->policies[i];

        entra_buf_add_c(b, i ? ",{" : "{");
        ngx_http_entra_json_c(b, "name", p->name);
        entra_buf_addf(b, ",\"control\":\"%s\",\"state\":\"%s\",",
                       p->block ? "block" : "grant", p->state);

        if (p->until) {
            entra_buf_addf(b, "\"until\":%lld,", (long long) p->until);
        }

        entra_buf_addf(b, "\"used\":%s,\"results\":{",
                       p->used ? "true" : "false");

        for (result = 0; result < ENTRA_RESULTS; result++) {
            entra_buf_addf(b, "%s\"%s\":%lu", result ? "," : "",
                           entra_result_name(result),
                           (unsigned long) p->results[result]);
        }

        entra_buf_addf(b, "},\"would_deny\":%lu}", (unsigned long)
                       p->results[ENTRA_RESULT_REPORT_ONLY_FAILURE]);
    }

    entra_buf_add_char(b, ']');
}


static void
ngx_http_entra_json_lists(const ngx_http_entra_snapshot_t *s, entra_buf_t *b)
{
    ngx_uint_t                          i;
    const ngx_http_entra_shown_list_t  *l;

    entra_buf_add_c(b, ",\"named_locations\":[");

    for (i = 0; i < s->nlists; i++) {
        l = &s->lists[i];

        entra_buf_add_c(b, i ? ",{" : "{");
        ngx_http_entra_json_c(b, "name", l->name);
        entra_buf_addf(b, ",\"entries\":%lu,\"age\":%lld,\"failures\":%lu",
                       (unsigned long) l->entries, (long long) l->age,
                       (unsigned long) l->failures);

        if (l->error[0]) {
            entra_buf_add_char(b, ',');
            ngx_http_entra_json_c(b, "error", l->error);
        }

        entra_buf_add_char(b, '}');
    }

    entra_buf_add_char(b, ']');
}
