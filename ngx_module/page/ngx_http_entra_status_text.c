
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_status for Prometheus.
 */

#include "ngx_http_entra_module.h"


static void ngx_http_entra_prometheus_label(entra_buf_t *b, const char *name,
    ngx_str_t *value);
static void ngx_http_entra_prometheus_tokens(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);
static void ngx_http_entra_prometheus_requests(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);
static void ngx_http_entra_prometheus_upstream(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);
static void ngx_http_entra_prometheus_keys(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);


/* text exposition format 0.0.4: backslash, quote and line feed are escaped */

static void
ngx_http_entra_prometheus_label(entra_buf_t *b, const char *name,
    ngx_str_t *value)
{
    ngx_uint_t  i;

    entra_buf_addf(b, "%s=\"", name);

    for (i = 0; i < value->len; i++) {
        switch (value->data[i]) {
        case '\\':
            entra_buf_add_c(b, "\\\\");
            break;
        case '"':
            entra_buf_add_c(b, "\\\"");
            break;
        case LF:
            entra_buf_add_c(b, "\\n");
            break;
        default:
            entra_buf_add_char(b, value->data[i]);
        }
    }

    entra_buf_add_char(b, '"');
}


static void
ngx_http_entra_prometheus_head(entra_buf_t *b, const char *name,
    const char *type, const char *help)
{
    entra_buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}


static void
ngx_http_entra_prometheus_sample(entra_buf_t *b, const char *name,
    ngx_http_entra_token_t *token, const char *result, double value)
{
    entra_buf_addf(b, "%s{", name);
    ngx_http_entra_prometheus_label(b, "credential", &token->credential->name);
    entra_buf_add_char(b, ',');
    ngx_http_entra_prometheus_label(b, "scope", &token->scope);

    if (result) {
        entra_buf_addf(b, ",result=\"%s\"", result);
    }

    entra_buf_addf(b, "} %.10g\n", value);
}


void
ngx_http_entra_status_prometheus(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b)
{
    ngx_uint_t     i;
    ngx_atomic_t  *counters;

    static const char  *decisions[] = { "allow", "deny", "undetermined" };

    ngx_http_entra_prometheus_tokens(mcf, b);
    ngx_http_entra_prometheus_requests(mcf, b);
    ngx_http_entra_prometheus_upstream(mcf, b);

    if (mcf->zone == NULL) {
        return;
    }

    counters = ngx_http_entra_zone_counters(mcf);

    ngx_http_entra_prometheus_head(b, "entra_decisions_total", "counter",
                                   "Decisions of Conditional Access.");

    for (i = 0; i < 3; i++) {
        entra_buf_addf(b, "entra_decisions_total{decision=\"%s\"} %lu\n",
                       decisions[i], (unsigned long)
                       counters[NGX_HTTP_ENTRA_COUNT_ALLOW + i]);
    }

    ngx_http_entra_prometheus_head(b, "entra_egress_blocked_total", "counter",
                                   "Requests that the egress guard stopped.");
    entra_buf_addf(b, "entra_egress_blocked_total %lu\n",
                   (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_EGRESS]);

    ngx_http_entra_prometheus_head(b, "entra_ambiguous_paths_total", "counter",
                                   "Requests that entra_path strict refused.");
    entra_buf_addf(b, "entra_ambiguous_paths_total %lu\n",
                   (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_PATH]);

    ngx_http_entra_prometheus_keys(mcf, b);

    ngx_http_entra_prometheus_rules(mcf, b);
}


static void
ngx_http_entra_prometheus_tokens(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b)
{
    int64_t                    now;
    ngx_uint_t                 i, n;
    ngx_http_entra_token_t   **token;
    entra_store_snapshot_t    rec;

    static const char  *names[][3] = {
        { "entra_token_expiry_seconds", "gauge",
          "Seconds until the token expires, 0 without one." },
        { "entra_token_refresh_total", "counter",
          "Attempts to get a token." },
        { "entra_token_fetch_seconds_sum", "counter",
          "Time that attempts took." },
        { "entra_token_fetch_seconds_count", "counter",
          "Attempts that ended." },
        { "entra_replays_total", "counter",
          "Requests sent again after a 401." },
        { "entra_waits_total", "counter",
          "Requests that waited for a token." }
    };

    now = ngx_http_entra_clock();
    token = mcf->tokens.elts;

    for (n = 0; n < 6; n++) {

        if (n == 2) {
            ngx_http_entra_prometheus_head(b, "entra_token_fetch_seconds",
                                           "summary", names[2][2]);

        } else if (n != 3) {
            ngx_http_entra_prometheus_head(b, names[n][0], names[n][1],
                                           names[n][2]);
        }

        for (i = 0; i < mcf->tokens.nelts; i++) {

            if (token[i]->record == NULL
                || token[i] == ngx_http_entra_keys_token(mcf))
            {
                continue;
            }

            ngx_http_entra_status_record(mcf, token[i], &rec);

            switch (n) {

            case 0:
                ngx_http_entra_prometheus_sample(b, names[n][0], token[i],
                    NULL, token[i]->header.len
                          ? (double) ngx_max(token[i]->expires - now, 0) / 1000
                          : 0);
                break;

            case 1:
                ngx_http_entra_prometheus_sample(b, names[n][0], token[i],
                    "success", (double) rec.generation);
                ngx_http_entra_prometheus_sample(b, names[n][0], token[i],
                    "failure", (double) rec.failures);
                break;

            case 2:
                ngx_http_entra_prometheus_sample(b, names[n][0], token[i],
                    NULL, (double) rec.fetch_ms / 1000);
                break;

            case 3:
                ngx_http_entra_prometheus_sample(b, names[n][0], token[i],
                    NULL, (double) (rec.generation + rec.failures));
                break;

            case 4:
                ngx_http_entra_prometheus_sample(b, names[n][0], token[i],
                    NULL, (double) rec.replays);
                break;

            default:
                ngx_http_entra_prometheus_sample(b, names[n][0], token[i],
                    NULL, (double) rec.waits);
            }
        }
    }
}


/* the keys that sign callers' tokens */

static void
ngx_http_entra_prometheus_keys(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b)
{
    int64_t                   now;
    ngx_http_entra_token_t   *token;
    entra_store_snapshot_t   rec;

    token = ngx_http_entra_keys_token(mcf);

    if (token == NULL || token->record == NULL) {
        return;
    }

    now = ngx_http_entra_clock();
    ngx_http_entra_status_record(mcf, token, &rec);

    ngx_http_entra_prometheus_head(b, "entra_caller_keys", "gauge",
                                   "Keys that sign callers' tokens.");
    entra_buf_addf(b, "entra_caller_keys %lu\n",
                   (unsigned long) ngx_http_entra_keys_number(mcf));

    if (token->header.len) {
        ngx_http_entra_prometheus_head(b, "entra_caller_keys_age_seconds",
                                       "gauge", "Since they were fetched.");
        entra_buf_addf(b, "entra_caller_keys_age_seconds %.10g\n",
                       (double) ngx_max(now - rec.obtained, 0) / 1000);
    }

    ngx_http_entra_prometheus_head(b, "entra_caller_keys_refresh_total",
                                   "counter", "Attempts to get them.");
    entra_buf_addf(b, "entra_caller_keys_refresh_total{result=\"success\"} "
                   "%lu\nentra_caller_keys_refresh_total{result=\"failure\"} "
                   "%lu\n", (unsigned long) rec.generation,
                   (unsigned long) rec.failures);
}


static void
ngx_http_entra_prometheus_requests(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b)
{
    ngx_uint_t                 i, s;
    ngx_http_entra_token_t   **token;

    token = mcf->tokens.elts;

    ngx_http_entra_prometheus_head(b, "entra_requests_total", "counter",
                                   "Requests by $entra_token_status.");

    for (i = 0; i < mcf->tokens.nelts; i++) {

        if (token[i]->record == NULL
            || token[i] == ngx_http_entra_keys_token(mcf))
        {
            continue;
        }

        for (s = NGX_HTTP_ENTRA_HIT; s < NGX_HTTP_ENTRA_STATUSES; s++) {
            entra_buf_add_c(b, "entra_requests_total{");
            ngx_http_entra_prometheus_label(b, "credential",
                                            &token[i]->credential->name);
            entra_buf_add_char(b, ',');
            ngx_http_entra_prometheus_label(b, "scope", &token[i]->scope);
            entra_buf_addf(b, ",status=\"%s\"} %lu\n",
                           (char *) ngx_http_entra_status_names[s].data,
                           (unsigned long) token[i]->record->counters[s]);
        }
    }
}


/* what Azure refused, by what an operator does about it */

static void
ngx_http_entra_prometheus_upstream(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b)
{
    ngx_uint_t                 i, n;
    ngx_atomic_t               count[4];
    ngx_http_entra_token_t   **token;
    entra_store_atomics_t     *rec;

    static const unsigned  status[] = { 401, 403, 424, 429 };

    token = mcf->tokens.elts;

    ngx_http_entra_prometheus_head(b, "entra_upstream_refused_total",
                                   "counter", "Answers of the upstream with "
                                   "the status 401, 403, 424 or 429.");

    for (i = 0; i < mcf->tokens.nelts; i++) {

        rec = token[i]->record;

        if (rec == NULL || token[i] == ngx_http_entra_keys_token(mcf)) {
            continue;
        }

        count[0] = rec->upstream_401;
        count[1] = rec->upstream_403;
        count[2] = rec->upstream_424;
        count[3] = rec->upstream_429;

        for (n = 0; n < 4; n++) {
            entra_buf_add_c(b, "entra_upstream_refused_total{");
            ngx_http_entra_prometheus_label(b, "credential",
                                            &token[i]->credential->name);
            entra_buf_add_char(b, ',');
            ngx_http_entra_prometheus_label(b, "scope", &token[i]->scope);
            entra_buf_addf(b, ",status=\"%u\"} %lu\n", status[n],
                           (unsigned long) count[n]);
        }
    }
}
