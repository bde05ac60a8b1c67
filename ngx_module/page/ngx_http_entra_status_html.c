
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_status for a person: one page without scripts.
 */

#include "ngx_http_entra_module.h"


static void ngx_http_entra_html_text(entra_buf_t *b, entra_str_t text);
static void ngx_http_entra_html_c(entra_buf_t *b, const char *text);
static void ngx_http_entra_html_number(entra_buf_t *b, ngx_atomic_uint_t n);
static void ngx_http_entra_html_time(entra_buf_t *b, int64_t seconds);
static void ngx_http_entra_html_badge(entra_buf_t *b, const char *state,
    const char *class);
static void ngx_http_entra_html_summary(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b, int64_t now);
static void ngx_http_entra_html_credentials(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b, int64_t now);
static void ngx_http_entra_html_credential(entra_buf_t *b,
    ngx_http_entra_token_t *token, entra_store_snapshot_t *rec, int64_t now);
static void ngx_http_entra_html_state(entra_buf_t *b,
    ngx_http_entra_token_t *token, entra_store_snapshot_t *rec, int64_t now);
static void ngx_http_entra_html_scope(entra_buf_t *b, entra_str_t scope);
static void ngx_http_entra_html_error(entra_buf_t *b,
    entra_store_snapshot_t *rec, const char *columns);
static void ngx_http_entra_html_policies(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);
static void ngx_http_entra_html_lists(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b, int64_t now);
static void ngx_http_entra_html_keys(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b, int64_t now);


static const char  ngx_http_entra_html_head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>nginx-entra</title>\n<style>\n"
    ":root{color-scheme:light dark;--line:#8884;--soft:#8881;--good:#1a7f37;"
    "--bad:#c5221f;--warn:#9a6700}\n"
    "@media(prefers-color-scheme:dark){:root{--good:#4ac26b;--bad:#ff7b72;"
    "--warn:#d4a72c}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;"
    "max-width:72rem;padding:0 1.5rem}\n"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}\n"
    "p{margin:.3rem 0}.wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;padding:.4rem;vertical-align:top;"
    "border-bottom:1px solid var(--line)}\n"
    "th{font-weight:600;font-size:.8rem;background:var(--soft)}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".good,.bad,.warn,.off{font-weight:600}td>span{white-space:nowrap}\n"
    ".good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}\n"
    ".note td{font-size:.9rem;padding-top:0;overflow-wrap:anywhere}\n"
    ".note div{position:sticky;left:.4rem;"
    "max-width:min(100%,calc(100vw - 5rem))}\n"
    ".more td{border-bottom:0}.soft{opacity:.7}\n"
    ".scope{display:block;min-width:13rem;font-size:.8rem;"
    "white-space:normal;overflow-wrap:anywhere}\n"
    "</style>\n</head>\n<body>\n<h1>nginx-entra</h1>\n";


/* for elements and for quoted attributes */

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
        case '\'':
            entra_buf_add_c(b, "&#39;");
            break;
        default:
            entra_buf_add_char(b, text.data[i]);
        }
    }
}


static void
ngx_http_entra_html_c(entra_buf_t *b, const char *text)
{
    ngx_http_entra_html_text(b, entra_str_c(text));
}


static void
ngx_http_entra_html_number(entra_buf_t *b, ngx_atomic_uint_t n)
{
    entra_buf_addf(b, "<td class=\"n\">%lu</td>", (unsigned long) n);
}


/* a cell: "59 min", "2 h 5 min" */

static void
ngx_http_entra_html_time(entra_buf_t *b, int64_t seconds)
{
    long long  s;

    s = (long long) ngx_max(seconds, 0);

    entra_buf_add_c(b, "<td class=\"n\">");

    if (s < 120) {
        entra_buf_addf(b, "%lld s", s);

    } else if (s < 7200) {
        entra_buf_addf(b, "%lld min", s / 60);

    } else if (s < 2 * 86400) {
        entra_buf_addf(b, "%lld h %lld min", s / 3600, s % 3600 / 60);

    } else {
        entra_buf_addf(b, "%lld days", s / 86400);
    }

    entra_buf_add_c(b, "</td>");
}


static void
ngx_http_entra_html_badge(entra_buf_t *b, const char *state, const char *class)
{
    entra_buf_addf(b, "<td><span class=\"%s\">%s</span></td>", class, state);
}


void
ngx_http_entra_status_html(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b)
{
    int64_t  now;

    now = ngx_http_entra_clock();

    entra_buf_add_c(b, ngx_http_entra_html_head);

    ngx_http_entra_html_summary(mcf, b, now);
    ngx_http_entra_html_credentials(mcf, b, now);
    ngx_http_entra_html_policies(mcf, b);
    ngx_http_entra_html_lists(mcf, b, now);

    entra_buf_addf(b, "<p class=\"soft\" style=\"margin-top:2rem\">Version "
                   NGX_HTTP_ENTRA_VERSION ", %.*s, worker %d. The same as "
                   "<a href=\"?format=json\">JSON</a> and for <a href=\""
                   "?format=prometheus\">Prometheus</a>.</p>\n</body>\n"
                   "</html>\n", (int) ngx_cached_http_time.len,
                   ngx_cached_http_time.data, (int) ngx_pid);
}


static void
ngx_http_entra_html_summary(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b,
    int64_t now)
{
    ngx_uint_t                 i, missing;
    ngx_atomic_t              *counters;
    ngx_http_entra_token_t   **token;

    token = mcf->tokens.elts;
    missing = 0;

    for (i = 0; i < mcf->tokens.nelts; i++) {
        missing += token[i]->preload
                   && !ngx_http_entra_token_usable(token[i], now);
    }

    if (missing) {
        entra_buf_addf(b, "<p class=\"bad\">Not ready: %lu of the tokens that "
                       "are kept fresh %s missing.</p>\n",
                       (unsigned long) missing, missing == 1 ? "is" : "are");

    } else {
        entra_buf_add_c(b, "<p class=\"good\">Ready: all tokens that are kept "
                        "fresh are valid.</p>\n");
    }

    if (mcf->zone == NULL) {
        return;
    }

    counters = ngx_http_entra_zone_counters(mcf);

    entra_buf_addf(b, "<p>Decisions: %lu allowed, %lu denied, %lu "
                   "undetermined. Egress guard: %lu blocked. Ambiguous paths: "
                   "%lu refused.</p>\n",
                   (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_ALLOW],
                   (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_DENY],
                   (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_UNDETERMINED],
                   (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_EGRESS],
                   (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_PATH]);
}


static void
ngx_http_entra_html_credentials(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b, int64_t now)
{
    ngx_uint_t                 i;
    ngx_http_entra_token_t   **token;
    entra_store_snapshot_t    rec;

    token = mcf->tokens.elts;

    entra_buf_add_c(b, "<h2>Credentials</h2>\n<div class=\"wide\"><table>\n"
                    "<tr><th>Credential</th>"
                    "<th>Token</th><th class=\"n\">Expires in</th>"
                    "<th class=\"n\">Refresh in</th>"
                    "<th class=\"n\">Fetched</th>"
                    "<th class=\"n\">Failed</th>"
                    "<th class=\"n\">HIT</th>"
                    "<th class=\"n\">WAIT</th><th class=\"n\">ERROR</th>"
                    "<th class=\"n\">BLOCKED</th><th class=\"n\">Replays</th>"
                    "</tr>\n");

    for (i = 0; i < mcf->tokens.nelts; i++) {
        if (token[i]->record && token[i] != ngx_http_entra_keys_token(mcf)) {
            ngx_http_entra_status_record(mcf, token[i], &rec);
            ngx_http_entra_html_credential(b, token[i], &rec, now);
        }
    }

    entra_buf_add_c(b, "</table></div>\n");
}


static void
ngx_http_entra_html_credential(entra_buf_t *b, ngx_http_entra_token_t *token,
    entra_store_snapshot_t *rec, int64_t now)
{
    ngx_uint_t                    note;
    ngx_http_entra_credential_t  *c;

    c = token->credential;

    /* of a chain that fails, it is what the error says */

    note = rec->note[0]
           && !(rec->failed && ngx_strcmp(rec->note, rec->error_text) == 0);

    entra_buf_addf(b, "<tr%s><td>",
                   rec->failed || note ? " class=\"more\"" : "");
    ngx_http_entra_html_text(b, (entra_str_t) { c->name.len,
                                                (char *) c->name.data });
    entra_buf_addf(b, " <span class=\"soft\">%s</span>"
                   "<span class=\"scope\">", c->core->type->name);
    ngx_http_entra_html_scope(b, (entra_str_t) { token->scope.len,
                                                 (char *) token->scope.data });
    entra_buf_add_c(b, "</span></td>");

    ngx_http_entra_html_state(b, token, rec, now);

    if (token->header.len) {
        ngx_http_entra_html_time(b, (token->expires - now) / 1000);
        ngx_http_entra_html_time(b, (token->refresh - now) / 1000);

    } else {
        entra_buf_add_c(b, "<td class=\"n\">-</td><td class=\"n\">-</td>");
    }

    ngx_http_entra_html_number(b, rec->fetches);
    ngx_http_entra_html_number(b, rec->failures);
    ngx_http_entra_html_number(b, rec->counters[NGX_HTTP_ENTRA_HIT]);
    ngx_http_entra_html_number(b, rec->counters[NGX_HTTP_ENTRA_WAIT]);
    ngx_http_entra_html_number(b, rec->counters[NGX_HTTP_ENTRA_EXPIRED]
                                  + rec->counters[NGX_HTTP_ENTRA_ERROR]);
    ngx_http_entra_html_number(b, rec->counters[NGX_HTTP_ENTRA_BLOCKED]);
    ngx_http_entra_html_number(b, rec->replays);
    entra_buf_add_c(b, "</tr>\n");

    if (note) {
        entra_buf_addf(b, "<tr class=\"note%s\"><td colspan=\"11\"><div>",
                       rec->failed ? " more" : "");
        ngx_http_entra_html_c(b, (char *) rec->note);
        entra_buf_add_c(b, "</div></td></tr>\n");
    }

    ngx_http_entra_html_error(b, rec, "11");
}


/* best broken before its last slash, where it has to be */

static void
ngx_http_entra_html_scope(entra_buf_t *b, entra_str_t scope)
{
    size_t  n;

    for (n = scope.len; n > 0 && scope.data[n - 1] != '/'; n--) {
        /* void */
    }

    n -= n > 0;

    ngx_http_entra_html_text(b, (entra_str_t) { n, scope.data });
    entra_buf_add_c(b, "<wbr>");
    ngx_http_entra_html_text(b, (entra_str_t) { scope.len - n,
                                                scope.data + n });
}


static void
ngx_http_entra_html_state(entra_buf_t *b, ngx_http_entra_token_t *token,
    entra_store_snapshot_t *rec, int64_t now)
{
    const char  *state, *class;

    state = ngx_http_entra_status_state(token, rec, now);

    if (ngx_strcmp(state, "valid") == 0) {
        class = "good";

    } else if (ngx_strncmp(state, "valid", 5) == 0
               || ngx_strcmp(state, "fetching") == 0)
    {
        class = "warn";

    } else {
        class = token->preload || rec->fails ? "bad" : "off";
    }

    ngx_http_entra_html_badge(b, state, class);
}


/* the last one, also when it is over */

static void
ngx_http_entra_html_error(entra_buf_t *b, entra_store_snapshot_t *rec,
    const char *columns)
{
    u_char  time[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];

    if (rec->failed == 0) {
        return;
    }

    *ngx_http_time(time, rec->failed) = '\0';

    entra_buf_addf(b, "<tr class=\"note\"><td colspan=\"%s\"><div>"
                   "<span class=\"%s\">%s</span> (%s): ", columns,
                   rec->fails ? "bad" : "soft",
                   rec->fails ? "Failing" : "Last error", (char *) time);

    ngx_http_entra_html_c(b, (char *) rec->error_text);

    if (rec->error_aadsts) {
        entra_buf_addf(b, " <b>AADSTS%u</b>", (unsigned) rec->error_aadsts);
    }

    if (rec->error_advice[0]) {
        entra_buf_add_c(b, "; ");
        ngx_http_entra_html_c(b, (char *) rec->error_advice);
    }

    if (rec->error_id[0]) {
        entra_buf_add_c(b, " <span class=\"soft\">correlation id ");
        ngx_http_entra_html_c(b, (char *) rec->error_id);
        entra_buf_add_c(b, "</span>");
    }

    entra_buf_add_c(b, "</div></td></tr>\n");
}


static void
ngx_http_entra_html_policies(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b)
{
    ngx_uint_t                i;
    ngx_atomic_t             *n;
    const char               *state;
    entra_policy_t           *policy;
    entra_store_atomics_t    *rec;

    if (entra_rules_policy_nth(mcf->rules, 0) == NULL) {
        return;
    }

    entra_buf_add_c(b, "<h2>Policies</h2>\n<div class=\"wide\"><table>\n<tr>"
                    "<th>Policy</th><th>State</th><th class=\"n\">Success</th>"
                    "<th class=\"n\">Failure</th>"
                    "<th class=\"n\">Not applied</th>"
                    "<th class=\"n\">Would deny</th></tr>\n");

    for (i = 0; (policy = entra_rules_policy_nth(mcf->rules, i)) != NULL; i++)
    {
        rec = policy->data;
        state = ngx_http_entra_policy_state(policy);

        entra_buf_add_c(b, "<tr><td>");
        ngx_http_entra_html_c(b, policy->name);
        entra_buf_add_c(b, "</td>");

        if (rec == NULL) {
            ngx_http_entra_html_badge(b, "not used", "off");
            entra_buf_add_c(b, "<td colspan=\"4\"></td></tr>\n");
            continue;
        }

        n = rec->counters;

        ngx_http_entra_html_badge(b, state,
            policy->state == ENTRA_POLICY_ENABLED ? "good"
            : policy->state == ENTRA_POLICY_REPORT_ONLY ? "warn" : "off");

        ngx_http_entra_html_number(b, n[ENTRA_RESULT_SUCCESS]
                                      + n[ENTRA_RESULT_REPORT_ONLY_SUCCESS]);
        ngx_http_entra_html_number(b, n[ENTRA_RESULT_FAILURE]);
        ngx_http_entra_html_number(b, n[ENTRA_RESULT_NOT_APPLIED]
                                  + n[ENTRA_RESULT_REPORT_ONLY_NOT_APPLIED]);
        ngx_http_entra_html_number(b, n[ENTRA_RESULT_REPORT_ONLY_FAILURE]);
        entra_buf_add_c(b, "</tr>\n");
    }

    entra_buf_add_c(b, "</table></div>\n");
}


static void
ngx_http_entra_html_lists(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b,
    int64_t now)
{
    ngx_uint_t                     i;
    const entra_named_location_t  *location;

    if (entra_rules_location_nth(mcf->rules, 0) == NULL && mcf->keys == NULL) {
        return;
    }

    entra_buf_add_c(b, "<h2>Lists and keys</h2>\n<div class=\"wide\"><table>\n"
                    "<tr><th>Name</th><th>What</th><th class=\"n\">Entries</th>"
                    "<th class=\"n\">Age</th>"
                    "<th class=\"n\">Failed</th></tr>\n");

    for (i = 0;
         (location = entra_rules_location_nth(mcf->rules, i)) != NULL;
         i++)
    {
        entra_buf_addf(b, "<tr%s><td>",
                       location->error[0] ? " class=\"more\"" : "");
        ngx_http_entra_html_c(b, location->name);
        entra_buf_add_c(b, "</td><td>named location</td>");
        ngx_http_entra_html_number(b, entra_named_location_entries(location));
        ngx_http_entra_html_time(b, ngx_time() - location->loaded_at);
        ngx_http_entra_html_number(b, location->failures);
        entra_buf_add_c(b, "</tr>\n");

        if (location->error[0]) {
            entra_buf_add_c(b, "<tr class=\"note\"><td colspan=\"5\"><div>"
                            "<span class=\"bad\">The last good list is in "
                            "use</span>: ");
            ngx_http_entra_html_c(b, location->error);
            entra_buf_add_c(b, "</div></td></tr>\n");
        }
    }

    ngx_http_entra_html_keys(mcf, b, now);

    entra_buf_add_c(b, "</table></div>\n");
}


static void
ngx_http_entra_html_keys(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b,
    int64_t now)
{
    ngx_http_entra_token_t   *token;
    entra_store_snapshot_t   rec;

    token = ngx_http_entra_keys_token(mcf);

    if (token == NULL || token->record == NULL) {
        return;
    }

    ngx_http_entra_status_record(mcf, token, &rec);

    entra_buf_addf(b, "<tr%s><td>entra_caller_token</td><td>keys of callers' "
                   "tokens</td>", rec.failed ? " class=\"more\"" : "");
    ngx_http_entra_html_number(b, ngx_http_entra_keys_number(mcf));

    if (token->header.len) {
        ngx_http_entra_html_time(b, (now - rec.obtained) / 1000);

    } else {
        ngx_http_entra_html_badge(b, "none yet", "bad");
    }

    ngx_http_entra_html_number(b, rec.failures);
    entra_buf_add_c(b, "</tr>\n");

    ngx_http_entra_html_error(b, &rec, "5");
}
