
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_status for Prometheus and for a person.
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
static void ngx_http_entra_html_text(entra_buf_t *b, entra_str_t text);
static void ngx_http_entra_html_row(entra_buf_t *b,
    ngx_http_entra_token_t *token, ngx_http_entra_record_t *rec, int64_t now);


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

    ngx_http_entra_prometheus_rules(mcf, b);
}


static void
ngx_http_entra_prometheus_tokens(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b)
{
    int64_t                    now;
    ngx_uint_t                 i, n;
    ngx_http_entra_token_t   **token;
    ngx_http_entra_record_t    rec;

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

            if (token[i]->record == NULL) {
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

        if (token[i]->record == NULL) {
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
    ngx_http_entra_record_t   *rec;

    static const unsigned  status[] = { 401, 403, 424, 429 };

    token = mcf->tokens.elts;

    ngx_http_entra_prometheus_head(b, "entra_upstream_refused_total",
                                   "counter", "Answers of the upstream with "
                                   "the status 401, 403, 424 or 429.");

    for (i = 0; i < mcf->tokens.nelts; i++) {

        rec = token[i]->record;

        if (rec == NULL) {
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


static void
ngx_http_entra_html_text(entra_buf_t *b, entra_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '<':
            entra_buf_add_c(b, "&lt;");
            break;
        case '>':
            entra_buf_add_c(b, "&gt;");
            break;
        case '&':
            entra_buf_add_c(b, "&amp;");
            break;
        case '"':
            entra_buf_add_c(b, "&quot;");
            break;
        default:
            entra_buf_add_char(b, text.data[i]);
        }
    }
}


void
ngx_http_entra_status_html(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b)
{
    int64_t                    now;
    ngx_uint_t                 i;
    ngx_http_entra_token_t   **token;
    ngx_http_entra_record_t    rec;

    now = ngx_http_entra_clock();
    token = mcf->tokens.elts;

    entra_buf_add_c(b, "<!doctype html>\n<html lang=\"en\"><head>"
                    "<meta charset=\"utf-8\"><title>nginx-entra</title>"
                    "<style>body{font:15px sans-serif;margin:2em}"
                    "table{border-collapse:collapse}"
                    "td,th{border:1px solid #999;padding:.3em .6em;"
                    "text-align:left;vertical-align:top}"
                    ".bad{background:#fdd}</style></head><body>\n"
                    "<h1>nginx-entra</h1>\n<h2>Credentials</h2>\n"
                    "<table><tr><th>credential</th><th>type</th>"
                    "<th>scope</th><th>state</th><th>expires in</th>"
                    "<th>refresh in</th><th>fetches</th><th>failures</th>"
                    "<th>replays</th><th>last error</th></tr>\n");

    for (i = 0; i < mcf->tokens.nelts; i++) {
        if (token[i]->record) {
            ngx_http_entra_status_record(mcf, token[i], &rec);
            ngx_http_entra_html_row(b, token[i], &rec, now);
        }
    }

    entra_buf_add_c(b, "</table>\n");
    ngx_http_entra_html_rules(mcf, b);
    entra_buf_add_c(b, "</body></html>\n");
}


static void
ngx_http_entra_html_row(entra_buf_t *b, ngx_http_entra_token_t *token,
    ngx_http_entra_record_t *rec, int64_t now)
{
    const char                   *state;
    ngx_http_entra_credential_t  *c;

    c = token->credential;
    state = ngx_http_entra_status_state(token, rec, now);

    entra_buf_addf(b, "<tr%s><td>",
                   ngx_strcmp(state, "valid") == 0 ? "" : " class=\"bad\"");
    ngx_http_entra_html_text(b, (entra_str_t) { c->name.len,
                                                (char *) c->name.data });
    entra_buf_addf(b, "</td><td>%s</td><td>", c->core->type->name);
    ngx_http_entra_html_text(b, (entra_str_t) { token->scope.len,
                                                (char *) token->scope.data });
    entra_buf_addf(b, "</td><td>%s</td>", state);

    if (token->header.len) {
        entra_buf_addf(b, "<td>%lld s</td><td>%lld s</td>",
                       (long long) ngx_max((token->expires - now) / 1000, 0),
                       (long long) ngx_max((token->refresh - now) / 1000, 0));

    } else {
        entra_buf_add_c(b, "<td>-</td><td>-</td>");
    }

    entra_buf_addf(b, "<td>%lu</td><td>%lu</td><td>%lu</td><td>",
                   (unsigned long) rec->fetches, (unsigned long) rec->failures,
                   (unsigned long) rec->replays);

    if (rec->failed) {
        ngx_http_entra_html_text(b, entra_str_c((char *) rec->error_text));

        if (rec->error_aadsts) {
            entra_buf_addf(b, " (AADSTS%u)", (unsigned) rec->error_aadsts);
        }

        if (rec->error_advice[0]) {
            entra_buf_add_c(b, "; ");
            ngx_http_entra_html_text(b,
                entra_str_c((char *) rec->error_advice));
        }
    }

    entra_buf_add_c(b, "</td></tr>\n");

    if (rec->note[0]) {
        entra_buf_add_c(b, "<tr><td></td><td colspan=\"9\">");
        ngx_http_entra_html_text(b, entra_str_c((char *) rec->note));
        entra_buf_add_c(b, "</td></tr>\n");
    }
}
