
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_status for Prometheus: text exposition format 0.0.4.  A family is
 * HELP, TYPE and all of its samples; the number of series depends on the
 * configuration alone.
 */

#include "ngx_http_entra_page.h"


typedef double (*ngx_http_entra_sample_pt)(
    const ngx_http_entra_shown_token_t *t);


static void ngx_http_entra_prometheus_gateway(
    const ngx_http_entra_snapshot_t *s, entra_buf_t *b);
static void ngx_http_entra_prometheus_tokens(
    const ngx_http_entra_snapshot_t *s, entra_buf_t *b);
static void ngx_http_entra_prometheus_refresh(
    const ngx_http_entra_snapshot_t *s, entra_buf_t *b);
static void ngx_http_entra_prometheus_fetch(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_prometheus_credentials(
    const ngx_http_entra_snapshot_t *s, entra_buf_t *b);
static void ngx_http_entra_prometheus_requests(
    const ngx_http_entra_snapshot_t *s, entra_buf_t *b);
static void ngx_http_entra_prometheus_decisions(
    const ngx_http_entra_snapshot_t *s, entra_buf_t *b);
static void ngx_http_entra_prometheus_keys(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_prometheus_rules(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);


void
ngx_http_entra_status_prometheus(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_http_entra_prometheus_gateway(s, b);
    ngx_http_entra_prometheus_tokens(s, b);
    ngx_http_entra_prometheus_refresh(s, b);
    ngx_http_entra_prometheus_fetch(s, b);
    ngx_http_entra_prometheus_credentials(s, b);
    ngx_http_entra_prometheus_requests(s, b);

    if (s->zone) {
        ngx_http_entra_prometheus_decisions(s, b);
        ngx_http_entra_prometheus_keys(s, b);
        ngx_http_entra_prometheus_rules(s, b);
    }
}


static void
ngx_http_entra_prometheus_head(entra_buf_t *b, const char *name,
    const char *type, const char *help)
{
    entra_buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}


/*
 * Backslash, quote and line feed are escaped.  There are dozens of labels for
 * each token: what needs no escape is copied at once.
 */

static void
ngx_http_entra_prometheus_label(entra_buf_t *b, const char *name,
    const ngx_str_t *value)
{
    ngx_uint_t  i, from;

    entra_buf_add_c(b, name);
    entra_buf_add(b, "=\"", 2);

    from = 0;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] != '\\' && value->data[i] != '"'
            && value->data[i] != LF)
        {
            continue;
        }

        entra_buf_add(b, value->data + from, i - from);
        entra_buf_add_char(b, '\\');
        entra_buf_add_char(b, value->data[i] == LF ? 'n' : value->data[i]);
        from = i + 1;
    }

    entra_buf_add(b, value->data + from, value->len - from);
    entra_buf_add_char(b, '"');
}


static void
ngx_http_entra_prometheus_count(entra_buf_t *b, ngx_atomic_uint_t n)
{
    u_char  text[NGX_ATOMIC_T_LEN + 1], *last;

    last = ngx_sprintf(text, "%uA\n", n);
    entra_buf_add(b, text, last - text);
}


/* a sample up to its value, with one more label; or NULL */

static void
ngx_http_entra_prometheus_series(entra_buf_t *b, const char *name,
    const ngx_http_entra_shown_token_t *t, const char *label,
    const char *value)
{
    entra_buf_add_c(b, name);
    entra_buf_add_char(b, '{');
    ngx_http_entra_prometheus_label(b, "credential", &t->credential);
    entra_buf_add_char(b, ',');
    ngx_http_entra_prometheus_label(b, "scope", &t->scope);

    if (label) {
        entra_buf_add_char(b, ',');
        entra_buf_add_c(b, label);
        entra_buf_add(b, "=\"", 2);
        entra_buf_add_c(b, value);
        entra_buf_add_char(b, '"');
    }

    entra_buf_add(b, "} ", 2);
}


static void
ngx_http_entra_prometheus_gateway(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_uint_t  i;

    ngx_http_entra_prometheus_head(b, "entra_build_info", "gauge",
                                   "Always 1, with the versions as labels.");
    entra_buf_addf(b, "entra_build_info{version=\"%s\",nginx=\"%s\"} 1\n",
                   NGX_HTTP_ENTRA_VERSION, NGINX_VERSION);

    ngx_http_entra_prometheus_head(b, "entra_ready", "gauge",
                                   "1 when each preloaded credential holds a "
                                   "valid token.");
    entra_buf_addf(b, "entra_ready %d\n", s->missing == 0);

    ngx_http_entra_prometheus_head(b, "entra_tokens", "gauge",
                                   "Tokens by their state.");

    for (i = 0; i < NGX_HTTP_ENTRA_STATES; i++) {
        entra_buf_addf(b, "entra_tokens{state=\"%s\"} %lu\n",
                       ngx_http_entra_states[i],
                       (unsigned long) s->states[i]);
    }
}


/* nobody has asked for it */

static ngx_uint_t
ngx_http_entra_prometheus_idle(const ngx_http_entra_shown_token_t *t)
{
    return !t->preload && !t->held && t->fetches == 0;
}


static double
ngx_http_entra_sample_expiry(const ngx_http_entra_shown_token_t *t)
{
    return (double) t->expires_in / 1000;
}


static double
ngx_http_entra_sample_fails(const ngx_http_entra_shown_token_t *t)
{
    return (double) t->fails;
}


static double
ngx_http_entra_sample_replays(const ngx_http_entra_shown_token_t *t)
{
    return (double) t->replays;
}


static double
ngx_http_entra_sample_waits(const ngx_http_entra_shown_token_t *t)
{
    return (double) t->waits;
}


static void
ngx_http_entra_prometheus_tokens(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_uint_t                     i, n;
    ngx_http_entra_shown_token_t  *t;

    static const struct {
        const char                *name;
        const char                *type;
        const char                *help;
        ngx_http_entra_sample_pt   value;
    } families[] = {
        { "entra_token_expiry_seconds", "gauge",
          "Seconds until the token expires, 0 without one; no series while "
          "nobody has asked for it.", ngx_http_entra_sample_expiry },
        { "entra_token_consecutive_failures", "gauge",
          "Failed attempts since the last success.",
          ngx_http_entra_sample_fails },
        { "entra_replays_total", "counter",
          "Requests sent again after a 401.", ngx_http_entra_sample_replays },
        { "entra_waits_total", "counter",
          "Requests that waited for a token.", ngx_http_entra_sample_waits }
    };

    for (n = 0; n < sizeof(families) / sizeof(families[0]); n++) {

        ngx_http_entra_prometheus_head(b, families[n].name, families[n].type,
                                       families[n].help);

        for (i = 0; i < s->ntokens; i++) {
            t = &s->tokens[i];

            /*
             * an alert on "less than 10 minutes" must not fire for unused
             * tokens
             */

            if (n == 0 && ngx_http_entra_prometheus_idle(t)) {
                continue;
            }

            ngx_http_entra_prometheus_series(b, families[n].name, t, NULL,
                                             NULL);
            entra_buf_addf(b, "%.10g\n", families[n].value(t));
        }
    }
}


static void
ngx_http_entra_prometheus_refresh(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_uint_t                     i;
    ngx_http_entra_shown_token_t  *t;

    static const char  name[] = "entra_token_refresh_total";

    ngx_http_entra_prometheus_head(b, name, "counter",
                                   "Attempts to get a token.");

    for (i = 0; i < s->ntokens; i++) {
        t = &s->tokens[i];

        ngx_http_entra_prometheus_series(b, name, t, "result", "success");
        ngx_http_entra_prometheus_count(b, t->generation);
        ngx_http_entra_prometheus_series(b, name, t, "result", "failure");
        ngx_http_entra_prometheus_count(b, t->failures);
    }
}


static void
ngx_http_entra_prometheus_fetch(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    char                           le[NGX_INT64_LEN + 8];
    ngx_uint_t                     i, n;
    ngx_atomic_uint_t              sum;
    ngx_http_entra_shown_token_t  *t;

    ngx_http_entra_prometheus_head(b, "entra_token_fetch_seconds",
                                   "histogram", "How long attempts to get a "
                                   "token took.");

    for (i = 0; i < s->ntokens; i++) {
        t = &s->tokens[i];
        sum = 0;

        if (ngx_http_entra_prometheus_idle(t)) {
            continue;
        }

        for (n = 0; n < NGX_HTTP_ENTRA_FETCH_BUCKETS; n++) {
            sum += t->took[n];

            if (n < NGX_HTTP_ENTRA_FETCH_BUCKETS - 1) {
                (void) snprintf(le, sizeof(le), "%g", (double)
                                entra_store_took[n] / 1000);
            }

            ngx_http_entra_prometheus_series(b,
                "entra_token_fetch_seconds_bucket", t, "le",
                n < NGX_HTTP_ENTRA_FETCH_BUCKETS - 1 ? le : "+Inf");
            ngx_http_entra_prometheus_count(b, sum);
        }

        ngx_http_entra_prometheus_series(b, "entra_token_fetch_seconds_sum",
                                         t, NULL, NULL);
        entra_buf_addf(b, "%.10g\n", (double) t->fetch_ms / 1000);
        ngx_http_entra_prometheus_series(b, "entra_token_fetch_seconds_count",
                                         t, NULL, NULL);
        ngx_http_entra_prometheus_count(b, sum);
    }
}


/* once for a credential, however many scopes it has */

static void
ngx_http_entra_prometheus_credentials(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_uint_t                     i, n;
    ngx_http_entra_shown_token_t  *t;

    static const char *const  families[][2] = {
        { "entra_credential_stale_files", "Files whose current content is not"
          " in use: unreadable, or no secret or certificate." },
        { "entra_certificate_expiry_timestamp_seconds",
          "When the client certificate expires, Unix time." },
        { "entra_sign_in_due", "1 while a person has to sign in." }
    };

    for (n = 0; n < 3; n++) {

        ngx_http_entra_prometheus_head(b, families[n][0], "gauge",
                                       families[n][1]);

        for (i = 0; i < s->ntokens; i++) {
            t = &s->tokens[i];

            if (!t->first || (n == 1 && t->cert_expires == 0)
                || (n == 2 && !t->interactive))
            {
                continue;
            }

            entra_buf_addf(b, "%s{", families[n][0]);
            ngx_http_entra_prometheus_label(b, "credential", &t->credential);
            entra_buf_addf(b, "} %lld\n",
                           n == 0 ? (long long) t->stale_files
                           : n == 1 ? (long long) t->cert_expires
                           : t->state == NGX_HTTP_ENTRA_STATE_SIGN_IN_DUE);
        }
    }
}


static void
ngx_http_entra_prometheus_requests(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    char                           status[NGX_INT_T_LEN + 1];
    ngx_uint_t                     i, n;
    ngx_http_entra_shown_token_t  *t;

    static const char  requests[] = "entra_requests_total";
    static const char  refused[] = "entra_upstream_refused_total";

    ngx_http_entra_prometheus_head(b, requests, "counter",
                                   "Requests by $entra_token_status.");

    for (i = 0; i < s->ntokens; i++) {
        t = &s->tokens[i];

        for (n = NGX_HTTP_ENTRA_HIT; n < NGX_HTTP_ENTRA_STATUSES; n++) {
            ngx_http_entra_prometheus_series(b, requests, t, "status",
                (char *) ngx_http_entra_status_names[n].data);
            ngx_http_entra_prometheus_count(b, t->requests[n]);
        }
    }

    ngx_http_entra_prometheus_head(b, refused, "counter",
                                   "Upstream responses with status "
                                   "401, 403, 424 or 429.");

    for (i = 0; i < s->ntokens; i++) {
        t = &s->tokens[i];

        for (n = 0; n < NGX_HTTP_ENTRA_REFUSALS; n++) {
            (void) snprintf(status, sizeof(status), "%u",
                            (unsigned) ngx_http_entra_refusals[n]);
            ngx_http_entra_prometheus_series(b, refused, t, "status", status);
            ngx_http_entra_prometheus_count(b, t->upstream[n]);
        }
    }
}


static void
ngx_http_entra_prometheus_decisions(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_uint_t                i;
    const ngx_atomic_uint_t  *n;

    static const char *const  decisions[] = { "allow", "deny",
                                              "undetermined" };

    n = s->counters;

    ngx_http_entra_prometheus_head(b, "entra_decisions_total", "counter",
                                   "Decisions of the policies.");

    for (i = 0; i < 3; i++) {
        entra_buf_addf(b, "entra_decisions_total{decision=\"%s\"} %lu\n",
                       decisions[i], (unsigned long)
                       n[NGX_HTTP_ENTRA_COUNT_ALLOW + i]);
    }

    ngx_http_entra_prometheus_head(b, "entra_denials_total", "counter",
                                   "Requests that were not allowed, by "
                                   "reason.");

    for (i = 0; i <= ENTRA_REASON_WORKSPACE; i++) {
        entra_buf_addf(b, "entra_denials_total{reason=\"%s\"} %lu\n",
                       ngx_http_entra_reason(i),
                       (unsigned long) n[NGX_HTTP_ENTRA_COUNT_REASON + i]);
    }

    ngx_http_entra_prometheus_head(b, "entra_egress_blocked_total", "counter",
                                   "Requests that the egress guard stopped.");
    entra_buf_addf(b, "entra_egress_blocked_total %lu\n",
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_EGRESS]);

    ngx_http_entra_prometheus_head(b, "entra_ambiguous_paths_total", "counter",
                                   "Requests that entra_path strict refused.");
    entra_buf_addf(b, "entra_ambiguous_paths_total %lu\n",
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_PATH]);
}


/* the keys that sign callers' tokens */

static void
ngx_http_entra_prometheus_keys(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    const ngx_http_entra_shown_token_t  *t;

    t = s->keys;

    if (t == NULL) {
        return;
    }

    ngx_http_entra_prometheus_head(b, "entra_caller_keys", "gauge",
                                   "Keys that sign callers' tokens.");
    entra_buf_addf(b, "entra_caller_keys %lu\n",
                   (unsigned long) s->keys_entries);

    if (t->held) {
        ngx_http_entra_prometheus_head(b, "entra_caller_keys_age_seconds",
                                       "gauge", "Since they were fetched.");
        entra_buf_addf(b, "entra_caller_keys_age_seconds %.10g\n",
                       (double) t->age / 1000);
    }

    ngx_http_entra_prometheus_head(b, "entra_caller_keys_refresh_total",
                                   "counter", "Attempts to get them.");
    entra_buf_addf(b, "entra_caller_keys_refresh_total{result=\"success\"} "
                   "%lu\nentra_caller_keys_refresh_total{result=\"failure\"} "
                   "%lu\n", (unsigned long) t->generation,
                   (unsigned long) t->failures);
}


/* names of policies and locations are checked: no escapes needed */

static void
ngx_http_entra_prometheus_rules(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b)
{
    ngx_uint_t                            i, n;
    const ngx_http_entra_shown_list_t    *l;
    const ngx_http_entra_shown_policy_t  *p;

    static const char *const  lists[][3] = {
        { "entra_list_entries", "gauge", "Ranges of a named location." },
        { "entra_list_age_seconds", "gauge", "Since the list last changed." },
        { "entra_list_stale", "gauge", "1 while the file cannot be used and "
          "the last good list is." },
        { "entra_list_failures_total", "counter", "Reading it failed." }
    };

    ngx_http_entra_prometheus_head(b, "entra_policy_evaluations_total",
                                   "counter", "Evaluations of policies.");

    for (i = 0; i < s->npolicies; i++) {
        p = &s->policies[i];

        for (n = 0; p->used && n < ENTRA_RESULTS; n++) {
            entra_buf_addf(b, "entra_policy_evaluations_total{policy=\"%s\","
                           "result=\"%s\"} %lu\n", p->name,
                           entra_result_name(n),
                           (unsigned long) p->results[n]);
        }
    }

    for (n = 0; n < 4; n++) {
        ngx_http_entra_prometheus_head(b, lists[n][0], lists[n][1],
                                       lists[n][2]);

        for (i = 0; i < s->nlists; i++) {
            l = &s->lists[i];

            entra_buf_addf(b, "%s{name=\"%s\"} %lld\n", lists[n][0], l->name,
                           n == 0 ? (long long) l->entries
                           : n == 1 ? (long long) l->age
                           : n == 2 ? (long long) (l->error[0] != '\0')
                           : (long long) l->failures);
        }
    }
}
