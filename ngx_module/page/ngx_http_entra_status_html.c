
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_status for a person, to be left open: it reloads itself, failures come
 * first, and it fits a phone.  No scripts.
 */

#include "ngx_http_entra_page.h"
#include "entra_enc.h"
#include "entra_html.h"
#include "entra_time.h"


#define NGX_HTTP_ENTRA_PAGE_ROWS  50
#define NGX_HTTP_ENTRA_CERT_SOON  (14 * 86400)      /* seconds */


static void ngx_http_entra_html_summary(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b);
static void ngx_http_entra_html_states(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b);
static void ngx_http_entra_html_search(const ngx_http_entra_view_t *view,
    entra_buf_t *b);
static void ngx_http_entra_html_credentials(
    const ngx_http_entra_snapshot_t *s, const ngx_http_entra_view_t *view,
    entra_buf_t *b);
static void ngx_http_entra_html_pages(const ngx_http_entra_view_t *view,
    ngx_uint_t found, entra_buf_t *b);
static void ngx_http_entra_html_credential(
    const ngx_http_entra_shown_token_t *t, time_t now, entra_buf_t *b);
static void ngx_http_entra_html_name(const ngx_http_entra_shown_token_t *t,
    time_t now, entra_buf_t *b);
static void ngx_http_entra_html_scope(entra_buf_t *b, entra_str_t scope);
static void ngx_http_entra_html_state(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b);
static void ngx_http_entra_html_life(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b);
static void ngx_http_entra_html_counts(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b);
static void ngx_http_entra_html_attempts(
    const ngx_http_entra_attempts_t *attempts, entra_buf_t *b);
static void ngx_http_entra_html_denials(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_html_error(const ngx_http_entra_shown_token_t *t,
    const char *columns, entra_buf_t *b);
static void ngx_http_entra_html_policies(const ngx_http_entra_snapshot_t *s,
    ngx_uint_t block, entra_buf_t *b);
static void ngx_http_entra_html_lists(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
static void ngx_http_entra_html_keys(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);


/* what somebody has to look at comes first */

static const ngx_http_entra_state_e  ngx_http_entra_html_order[] = {
    NGX_HTTP_ENTRA_STATE_FAILING,
    NGX_HTTP_ENTRA_STATE_SIGN_IN_DUE,
    NGX_HTTP_ENTRA_STATE_EXPIRED,
    NGX_HTTP_ENTRA_STATE_FAILING_VALID,
    NGX_HTTP_ENTRA_STATE_FETCHING,
    NGX_HTTP_ENTRA_STATE_REFRESHING,
    NGX_HTTP_ENTRA_STATE_VALID,
    NGX_HTTP_ENTRA_STATE_EMPTY
};


/* by state: words, colour */

static const char *const  ngx_http_entra_html_words[][2] = {
    { "empty", "off" },
    { "fetching", "info" },
    { "valid", "good" },
    { "refreshing", "info" },
    { "valid, refresh failing", "warn" },
    { "failing", "bad" },
    { "sign-in due", "bad" },
    { "expired", "bad" }
};


/* "59 min", "2 h 5 min" */

static void
ngx_http_entra_html_time(entra_buf_t *b, int64_t seconds)
{
    long long  s;

    s = (long long) ngx_max(seconds, 0);

    if (s < 120) {
        entra_buf_addf(b, "%lld s", s);

    } else if (s < 7200) {
        entra_buf_addf(b, "%lld min", s / 60);

    } else if (s < 2 * 86400) {
        entra_buf_addf(b, "%lld h %lld min", s / 3600, s % 3600 / 60);

    } else {
        entra_buf_addf(b, "%lld days", s / 86400);
    }
}


static void
ngx_http_entra_html_number(entra_buf_t *b, const char *label,
    ngx_atomic_uint_t n)
{
    entra_buf_addf(b, "<td class=\"n\" data-label=\"%s\">%lu</td>", label,
                   (unsigned long) n);
}


/* the query of this view, with another state and page */

static void
ngx_http_entra_html_link(entra_buf_t *b, const ngx_http_entra_view_t *view,
    ngx_int_t state, ngx_uint_t page, ngx_int_t refresh)
{
    entra_buf_add_c(b, "<a href=\"?format=html");

    if (view->search.len) {
        entra_buf_add_c(b, "&amp;search=");
        entra_enc_form(b, (entra_str_t) { view->search.len,
                                          (char *) view->search.data });
    }

    if (state != NGX_ERROR) {
        entra_buf_addf(b, "&amp;state=%s", ngx_http_entra_states[state]);
    }

    if (page > 1) {
        entra_buf_addf(b, "&amp;page=%lu", (unsigned long) page);
    }

    if (refresh < 0) {
        entra_buf_add_c(b, "&amp;refresh=off");

    } else {
        entra_buf_addf(b, "&amp;refresh=%ld", (long) refresh);
    }

    entra_buf_add_c(b, "\"");
}


void
ngx_http_entra_status_html(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b)
{
    entra_html_head(b, "nginx-entra", (int) view->refresh, NULL);

    ngx_http_entra_html_summary(s, view, b);
    ngx_http_entra_html_credentials(s, view, b);
    ngx_http_entra_html_denials(s, b);
    ngx_http_entra_html_policies(s, 1, b);
    ngx_http_entra_html_policies(s, 0, b);
    ngx_http_entra_html_lists(s, b);

    entra_buf_addf(b, "<p class=\"soft\">Version " NGX_HTTP_ENTRA_VERSION
                   ", nginx " NGINX_VERSION ", worker %d, ", (int) ngx_pid);
    entra_time_format(s->time, b);
    entra_buf_add_c(b, ". ");

    if (view->refresh < 0) {
        ngx_http_entra_html_link(b, view, view->state, view->page, 10);
        entra_buf_add_c(b, ">Reload every 10 s</a>.");

    } else {
        entra_buf_addf(b, "Reloads every %ld s; ", (long) view->refresh);
        ngx_http_entra_html_link(b, view, view->state, view->page, -1);
        entra_buf_add_c(b, ">keep it still</a>.");
    }

    entra_buf_add_c(b, " The same as <a href=\"?format=json\">JSON</a> and for "
                    "<a href=\"?format=prometheus\">Prometheus</a>.</p>\n");
    entra_html_tail(b);
}


static void
ngx_http_entra_html_summary(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b)
{
    ngx_uint_t                i;
    const char               *sep;
    const ngx_atomic_uint_t  *n;

    if (s->missing) {
        entra_buf_addf(b, "<p class=\"bad\">Not ready: %lu of %lu tokens that "
                       "are kept fresh %s missing.</p>\n",
                       (unsigned long) s->missing,
                       (unsigned long) s->preloaded,
                       s->missing == 1 ? "is" : "are");

    } else {
        entra_buf_add_c(b, "<p class=\"good\">Ready: all tokens that are kept "
                        "fresh are valid.</p>\n");
    }

    ngx_http_entra_html_states(s, view, b);

    if (!s->zone) {
        return;
    }

    n = s->counters;

    entra_buf_addf(b, "<p>Decisions: %lu allowed, %lu denied, %lu "
                   "undetermined",
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_ALLOW],
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_DENY],
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_UNDETERMINED]);

    sep = " (";

    for (i = 1; i <= ENTRA_REASON_WORKSPACE; i++) {
        if (n[NGX_HTTP_ENTRA_COUNT_REASON + i]) {
            entra_buf_addf(b, "%s%s %lu", sep, ngx_http_entra_reason(i),
                           (unsigned long)
                           n[NGX_HTTP_ENTRA_COUNT_REASON + i]);
            sep = ", ";
        }
    }

    entra_buf_addf(b, "%s. Egress guard: %lu blocked. Ambiguous paths: %lu "
                   "refused.</p>\n", sep[0] == ',' ? ")" : "",
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_EGRESS],
                   (unsigned long) n[NGX_HTTP_ENTRA_COUNT_PATH]);
}


/* how many there are of each, as a choice */

static void
ngx_http_entra_html_states(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b)
{
    ngx_int_t   state;
    ngx_uint_t  i;

    entra_buf_add_c(b, "<ul class=\"states\"><li>");
    ngx_http_entra_html_link(b, view, NGX_ERROR, 1, view->refresh);
    entra_buf_addf(b, "%s>all %lu</a></li>\n",
                   view->state == NGX_ERROR ? " aria-current=\"true\"" : "",
                   (unsigned long) s->ntokens);

    for (i = 0; i < NGX_HTTP_ENTRA_STATES; i++) {
        state = ngx_http_entra_html_order[i];

        if (s->states[state] == 0 && state != view->state) {
            continue;
        }

        entra_buf_add_c(b, "<li>");
        ngx_http_entra_html_link(b, view, state, 1, view->refresh);
        entra_buf_addf(b, "%s class=\"%s\">%s %lu</a></li>\n",
                       view->state == state ? " aria-current=\"true\"" : "",
                       ngx_http_entra_html_words[state][1],
                       ngx_http_entra_html_words[state][0],
                       (unsigned long) s->states[state]);
    }

    entra_buf_add_c(b, "</ul>\n");
}


static void
ngx_http_entra_html_search(const ngx_http_entra_view_t *view, entra_buf_t *b)
{
    entra_buf_add_c(b, "<form class=\"row\" role=\"search\"><input "
                    "type=\"hidden\" name=\"format\" value=\"html\">");

    if (view->state != NGX_ERROR) {
        entra_buf_addf(b, "<input type=\"hidden\" name=\"state\" value=\"%s\">",
                       ngx_http_entra_states[view->state]);
    }

    entra_buf_add_c(b, "<input type=\"search\" name=\"search\" "
                    "aria-label=\"Name, type or scope\" placeholder=\"Name, "
                    "type or scope\" value=\"");
    entra_enc_html(b, (entra_str_t) { view->search.len,
                                       (char *) view->search.data });
    entra_buf_add_c(b, "\"><button>Search</button></form>\n");
}


static void
ngx_http_entra_html_credentials(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b)
{
    ngx_uint_t                     i, n, found, first;
    ngx_http_entra_shown_token_t  *t;

    entra_buf_add_c(b, "<h2>Credentials</h2>\n");

    if (s->ntokens > 10 || view->search.len) {
        ngx_http_entra_html_search(view, b);
    }

    entra_buf_add_c(b, "<table class=\"wide most\">\n<thead><tr>"
                    "<th>Credential</th>"
                    "<th>Token</th><th>Lifetime</th><th>Fetches</th>"
                    "<th>Requests</th><th>Upstream</th></tr></thead>\n"
                    "<tbody>\n");

    first = (view->page - 1) * NGX_HTTP_ENTRA_PAGE_ROWS;
    found = 0;

    for (n = 0; n < NGX_HTTP_ENTRA_STATES; n++) {

        for (i = 0; i < s->ntokens; i++) {
            t = &s->tokens[i];

            if (t->state != ngx_http_entra_html_order[n]
                || !ngx_http_entra_view_has(view, t))
            {
                continue;
            }

            if (found >= first && found < first + NGX_HTTP_ENTRA_PAGE_ROWS) {
                ngx_http_entra_html_credential(t, s->time, b);
            }

            found++;
        }
    }

    entra_buf_add_c(b, "</tbody></table>\n");

    if (found == 0) {
        entra_buf_add_c(b, s->ntokens ? "<p>None is like that.</p>\n"
                        : "<p>There are no credentials.</p>\n");
    }

    ngx_http_entra_html_pages(view, found, b);
}


static void
ngx_http_entra_html_pages(const ngx_http_entra_view_t *view, ngx_uint_t found,
    entra_buf_t *b)
{
    ngx_uint_t  last;

    last = (found + NGX_HTTP_ENTRA_PAGE_ROWS - 1) / NGX_HTTP_ENTRA_PAGE_ROWS;

    if (last <= 1 && view->page == 1) {
        return;
    }

    entra_buf_add_c(b, "<p>");

    if (view->page > 1) {
        ngx_http_entra_html_link(b, view, view->state,
                                 ngx_min(view->page - 1, ngx_max(last, 1)),
                                 view->refresh);
        entra_buf_add_c(b, " rel=\"prev\">Previous</a> ");
    }

    entra_buf_addf(b, "Page %lu of %lu", (unsigned long) view->page,
                   (unsigned long) last);

    if (view->page < last) {
        entra_buf_add_char(b, ' ');
        ngx_http_entra_html_link(b, view, view->state, view->page + 1,
                                 view->refresh);
        entra_buf_add_c(b, " rel=\"next\">Next</a>");
    }

    entra_buf_add_c(b, "</p>\n");
}


static void
ngx_http_entra_html_credential(const ngx_http_entra_shown_token_t *t,
    time_t now, entra_buf_t *b)
{
    ngx_uint_t  note;

    /* of a chain that fails, it is what the error says */

    note = t->note[0]
           && !(t->error && ngx_strcmp(t->note, t->error->text) == 0);

    entra_buf_addf(b, "<tr%s>", t->error || note ? " class=\"more\"" : "");

    ngx_http_entra_html_name(t, now, b);
    ngx_http_entra_html_state(t, b);
    ngx_http_entra_html_life(t, b);
    ngx_http_entra_html_counts(t, b);

    entra_buf_add_c(b, "</tr>\n");

    if (note) {
        entra_buf_addf(b, "<tr class=\"note%s\"><td colspan=\"6\" "
                       "class=\"break\">", t->error ? " more" : "");
        entra_html_c(b, t->note);
        entra_buf_add_c(b, "</td></tr>\n");
    }

    ngx_http_entra_html_error(t, "6", b);
}


static void
ngx_http_entra_html_name(const ngx_http_entra_shown_token_t *t, time_t now,
    entra_buf_t *b)
{
    entra_buf_add_c(b, "<td><b class=\"break\">");
    entra_enc_html(b, (entra_str_t) { t->credential.len,
                                       (char *) t->credential.data });
    entra_buf_addf(b, "</b> <small>%s", t->type);

    if (t->member[0]) {
        entra_buf_add_c(b, ", by ");
        entra_html_c(b, t->member);
    }

    entra_buf_add_c(b, "<br><span class=\"break\">");
    ngx_http_entra_html_scope(b, (entra_str_t) { t->scope.len,
                                                 (char *) t->scope.data });
    entra_buf_add_c(b, "</span></small>");

    if (t->cert_expires) {
        entra_buf_addf(b, "<br><small>certificate %s <span class=\"%s\">",
                       t->cert_expires > now ? "until" : "expired on",
                       t->cert_expires <= now ? "bad"
                       : t->cert_expires - now < NGX_HTTP_ENTRA_CERT_SOON
                         ? "warn" : "soft");
        entra_time_format(t->cert_expires, b);
        entra_buf_add_c(b, "</span></small>");
    }

    if (t->stale_files) {
        entra_buf_addf(b, "<br><span class=\"warn\">%lu file%s cannot be "
                       "used, the last good content is</span>",
                       (unsigned long) t->stale_files,
                       t->stale_files == 1 ? "" : "s");
    }

    entra_buf_add_c(b, "</td>");
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

    entra_enc_html(b, (entra_str_t) { n, scope.data });
    entra_buf_add_c(b, "<wbr>");
    entra_enc_html(b, (entra_str_t) { scope.len - n, scope.data + n });
}


static void
ngx_http_entra_html_state(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b)
{
    const char  *class;

    class = ngx_http_entra_html_words[t->state][1];

    if (t->state == NGX_HTTP_ENTRA_STATE_EXPIRED && !t->preload) {
        class = "off";
    }

    entra_buf_addf(b, "<td data-label=\"Token\"><span class=\"%s\">%s</span>",
                   class, ngx_http_entra_html_words[t->state][0]);

    if (t->fetching) {
        entra_buf_add_c(b, " <small>an attempt is under way</small>");

    } else if (t->fails) {
        entra_buf_addf(b, " <small>%lu failure%s, next attempt in ",
                       (unsigned long) t->fails, t->fails == 1 ? "" : "s");
        ngx_http_entra_html_time(b, (t->next_attempt_in + 999) / 1000);
        entra_buf_add_c(b, "</small>");

    } else if (t->usable) {
        entra_buf_add_c(b, " <small>next attempt in ");
        ngx_http_entra_html_time(b, t->refresh_in / 1000);
        entra_buf_add_c(b, "</small>");

    } else if (!t->preload) {
        entra_buf_add_c(b, " <small>fetched when it is asked for</small>");
    }

    if (t->state == NGX_HTTP_ENTRA_STATE_SIGN_IN_DUE && t->page) {
        entra_buf_add_c(b, "<br><a href=\"");
        entra_html_c(b, t->page);
        entra_buf_add_c(b, "\">Sign in</a>");
    }

    entra_buf_add_c(b, "</td>");
}


/* what is left of the lifetime, and where in it the refresh is */

static void
ngx_http_entra_html_life(const ngx_http_entra_shown_token_t *t, entra_buf_t *b)
{
    int64_t      all, at;
    entra_buf_t  label;

    if (!t->usable) {
        entra_buf_add_c(b, "<td></td>");
        return;
    }

    all = ngx_max(t->age + t->expires_in, 1);
    at = ngx_max(t->expires_in - t->refresh_in, 0);

    entra_buf_init(&label, 128);
    entra_buf_add_c(&label, "expires in ");
    ngx_http_entra_html_time(&label, t->expires_in / 1000);
    entra_buf_add_c(&label, ", refresh in ");
    ngx_http_entra_html_time(&label, t->refresh_in / 1000);

    entra_buf_add_c(b, "<td>");
    entra_html_bar(b, t->fails ? "warn" : "good",
                   (int) (t->expires_in * 1000 / all), (int) (at * 1000 / all),
                   label.data ? label.data : "");
    entra_buf_add_c(b, "<small>");
    entra_buf_add_str(b, entra_buf_str(&label));
    entra_buf_add_c(b, "</small></td>");

    entra_buf_free(&label);
}


static void
ngx_http_entra_html_counts(const ngx_http_entra_shown_token_t *t,
    entra_buf_t *b)
{
    ngx_uint_t         i, n;
    ngx_atomic_uint_t  ended;

    ended = 0;

    for (i = 0; i < NGX_HTTP_ENTRA_FETCH_BUCKETS; i++) {
        ended += t->took[i];
    }

    entra_buf_addf(b, "<td data-label=\"Fetches\">%lu",
                   (unsigned long) t->fetches);

    if (t->failures) {
        entra_buf_addf(b, ", %lu failed", (unsigned long) t->failures);
    }

    if (ended) {
        entra_buf_addf(b, " <small>%.2f s each</small>",
                       (double) t->fetch_ms / 1000 / (double) ended);
    }

    if (t->attempts && t->attempts->n) {
        ngx_http_entra_html_attempts(t->attempts, b);
    }

    entra_buf_add_c(b, "</td><td data-label=\"Requests\">");

    n = 0;

    for (i = NGX_HTTP_ENTRA_HIT; i < NGX_HTTP_ENTRA_STATUSES; i++) {
        if (t->requests[i]) {
            entra_buf_addf(b, "%s<i>%s %lu</i>", n++ ? ", " : "",
                           (char *) ngx_http_entra_status_names[i].data,
                           (unsigned long) t->requests[i]);
        }
    }

    if (t->replays) {
        entra_buf_addf(b, "%s<i>replayed %lu</i>", n ? ", " : "",
                       (unsigned long) t->replays);
    }

    entra_buf_add_c(b, "</td><td data-label=\"Upstream\">");

    n = 0;

    for (i = 0; i < NGX_HTTP_ENTRA_REFUSALS; i++) {
        if (t->upstream[i]) {
            entra_buf_addf(b, "%s<i>%lu: %lu</i>", n++ ? ", " : "",
                           (unsigned long) ngx_http_entra_refusals[i],
                           (unsigned long) t->upstream[i]);
        }
    }

    entra_buf_add_c(b, "</td>");
}


/*
 * The last attempts, a bar each, oldest first: higher for one that took
 * longer (up to 10 s, by the square root), in the colour of its end
 */

static void
ngx_http_entra_html_attempts(const ngx_http_entra_attempts_t *attempts,
    entra_buf_t *b)
{
    int                              high, limit;
    ngx_uint_t                       i, n, failed;
    const ngx_http_entra_attempt_t  *a;

    n = ngx_min(attempts->n, NGX_HTTP_ENTRA_ATTEMPTS);
    failed = 0;

    for (i = 0; i < n; i++) {
        failed += attempts->ring[i].class != ENTRA_ERR_NONE;
    }

    entra_buf_addf(b, "<svg class=\"times\" viewBox=\"0 0 %d 20\" "
                   "preserveAspectRatio=\"none\" role=\"img\" aria-label=\""
                   "of the last %lu attempts %lu failed\">",
                   NGX_HTTP_ENTRA_ATTEMPTS * 4, (unsigned long) n,
                   (unsigned long) failed);

    for (i = 0; i < n; i++) {
        a = &attempts->ring[(attempts->n - n + i) % NGX_HTTP_ENTRA_ATTEMPTS];

        /* 4 for none, 20 for 10 s: (high - 4)^2 = 256 * took / 1000 */

        limit = 256 * ngx_min(a->took, 1000) / 1000;

        for (high = 4; (high - 4) * (high - 4) < limit; high++) {
            /* void */
        }

        entra_buf_addf(b, "<rect class=\"%s\" x=\"%lu\" y=\"%d\" width=\"3\" "
                       "height=\"%d\"/>",
                       a->class == ENTRA_ERR_NONE ? "good" : "bad",
                       (unsigned long) i * 4, 20 - high, high);
    }

    entra_buf_add_c(b, "</svg>");
}


static void
ngx_http_entra_html_denials(const ngx_http_entra_snapshot_t *s, entra_buf_t *b)
{
    ngx_uint_t                      i;
    const ngx_http_entra_denial_t  *d;

    if (s->ndenials == 0) {
        return;
    }

    entra_buf_add_c(b, "<h2>Last denials</h2>\n<table class=\"wide\">\n"
                    "<thead><tr><th>When</th><th>Status</th><th>Reason</th>"
                    "<th>Credential</th><th>Why</th></tr></thead>\n"
                    "<tbody>\n");

    for (i = 0; i < s->ndenials; i++) {
        d = &s->denials[i];

        entra_buf_add_c(b, "<tr><td><i>");
        entra_time_format(d->time, b);
        entra_buf_addf(b, "</i></td><td data-label=\"Status\">%lu</td>"
                       "<td data-label=\"Reason\">%s</td>"
                       "<td class=\"break\" data-label=\"Credential\">",
                       (unsigned long) d->status,
                       ngx_http_entra_reason(d->reason));
        entra_html_c(b, (char *) d->credential);
        entra_buf_add_c(b, "</td><td class=\"break\">");
        entra_html_c(b, (char *) d->text);
        entra_buf_add_c(b, "</td></tr>\n");
    }

    entra_buf_add_c(b, "</tbody></table>\n");
}


/* the last one, also when it is over */

static void
ngx_http_entra_html_error(const ngx_http_entra_shown_token_t *t,
    const char *columns, entra_buf_t *b)
{
    const ngx_http_entra_shown_error_t  *err;

    err = t->error;

    if (err == NULL) {
        return;
    }

    entra_buf_addf(b, "<tr class=\"note\"><td colspan=\"%s\" class=\"break\">"
                   "<span class=\"%s\">%s</span> (", columns,
                   t->fails ? "bad" : "soft",
                   t->fails ? "Failing" : "Last error");
    entra_time_format(err->time, b);
    entra_buf_add_c(b, "): ");
    entra_html_c(b, err->text);

    if (err->aadsts) {
        entra_buf_addf(b, " <b>AADSTS%u</b>", (unsigned) err->aadsts);
    }

    if (err->advice[0]) {
        entra_buf_add_c(b, "; ");
        entra_html_c(b, err->advice);
    }

    if (err->id[0]) {
        entra_buf_add_c(b, " <span class=\"soft\">correlation id ");
        entra_html_c(b, err->id);
        entra_buf_add_c(b, "</span>");
    }

    entra_buf_add_c(b, "</td></tr>\n");
}


static void
ngx_http_entra_html_policies(const ngx_http_entra_snapshot_t *s,
    ngx_uint_t block, entra_buf_t *b)
{
    ngx_uint_t                            i, n;
    const ngx_http_entra_shown_policy_t  *p;

    n = 0;

    for (i = 0; i < s->npolicies; i++) {
        p = &s->policies[i];

        if (p->block != block) {
            continue;
        }

        if (n++ == 0) {
            entra_buf_addf(b, "<h2>Policies that %s</h2>\n"
                           "<table class=\"wide\">\n<thead><tr><th>Policy</th>"
                           "<th>State</th>%s<th class=\"n\">Denied</th>"
                           "<th class=\"n\">Not applied</th>"
                           "<th class=\"n\">Would deny</th></tr></thead>\n"
                           "<tbody>\n", block ? "block" : "grant",
                           block ? "" : "<th class=\"n\">Granted</th>");
        }

        entra_buf_add_c(b, "<tr><td class=\"break\"><b>");
        entra_html_c(b, p->name);
        entra_buf_addf(b, "</b></td><td data-label=\"State\"><span "
                       "class=\"%s\">%s</span>",
                       !p->used ? "off" : p->state[0] == 'e' ? "good"
                       : p->state[0] == 'r' ? "warn" : "off",
                       p->used ? p->state : "not used");

        if (p->until) {
            entra_buf_add_c(b, " <small>until ");
            entra_time_format(p->until, b);
            entra_buf_add_c(b, "</small>");
        }

        entra_buf_add_c(b, "</td>");

        if (!block) {
            ngx_http_entra_html_number(b, "Granted",
                p->results[ENTRA_RESULT_SUCCESS]
                + p->results[ENTRA_RESULT_REPORT_ONLY_SUCCESS]);
        }

        ngx_http_entra_html_number(b, "Denied",
                                   p->results[ENTRA_RESULT_FAILURE]);
        ngx_http_entra_html_number(b, "Not applied",
            p->results[ENTRA_RESULT_NOT_APPLIED]
            + p->results[ENTRA_RESULT_REPORT_ONLY_NOT_APPLIED]);
        ngx_http_entra_html_number(b, "Would deny",
            p->results[ENTRA_RESULT_REPORT_ONLY_FAILURE]);
        entra_buf_add_c(b, "</tr>\n");
    }

    if (n) {
        entra_buf_add_c(b, "</tbody></table>\n");
    }
}


static void
ngx_http_entra_html_lists(const ngx_http_entra_snapshot_t *s, entra_buf_t *b)
{
    ngx_uint_t                          i;
    const ngx_http_entra_shown_list_t  *l;

    if (s->nlists == 0 && s->keys == NULL) {
        return;
    }

    entra_buf_add_c(b, "<h2>Lists and keys</h2>\n<table class=\"wide\">\n"
                    "<thead><tr><th>Name</th><th>What</th>"
                    "<th class=\"n\">Entries</th><th class=\"n\">Age</th>"
                    "<th class=\"n\">Failed</th></tr></thead>\n<tbody>\n");

    for (i = 0; i < s->nlists; i++) {
        l = &s->lists[i];

        entra_buf_addf(b, "<tr%s><td class=\"break\"><b>",
                       l->error[0] ? " class=\"more\"" : "");
        entra_html_c(b, l->name);
        entra_buf_add_c(b, "</b></td><td>named location</td>");
        ngx_http_entra_html_number(b, "Entries", l->entries);
        entra_buf_add_c(b, "<td class=\"n\" data-label=\"Age\">");
        ngx_http_entra_html_time(b, l->age);
        entra_buf_add_c(b, "</td>");
        ngx_http_entra_html_number(b, "Failed", l->failures);
        entra_buf_add_c(b, "</tr>\n");

        if (l->error[0]) {
            entra_buf_add_c(b, "<tr class=\"note\"><td colspan=\"5\" "
                            "class=\"break\"><span class=\"bad\">The last good "
                            "list is in use</span>: ");
            entra_html_c(b, l->error);
            entra_buf_add_c(b, "</td></tr>\n");
        }
    }

    ngx_http_entra_html_keys(s, b);

    entra_buf_add_c(b, "</tbody></table>\n");
}


static void
ngx_http_entra_html_keys(const ngx_http_entra_snapshot_t *s, entra_buf_t *b)
{
    const ngx_http_entra_shown_token_t  *t;

    t = s->keys;

    if (t == NULL) {
        return;
    }

    entra_buf_addf(b, "<tr%s><td><b>entra_caller_token</b></td><td>keys of "
                   "callers' tokens</td>",
                   t->error ? " class=\"more\"" : "");
    ngx_http_entra_html_number(b, "Entries", s->keys_entries);
    entra_buf_add_c(b, "<td class=\"n\" data-label=\"Age\">");

    if (t->held) {
        ngx_http_entra_html_time(b, t->age / 1000);

    } else {
        entra_buf_add_c(b, "<span class=\"bad\">none yet</span>");
    }

    entra_buf_add_c(b, "</td>");
    ngx_http_entra_html_number(b, "Failed", t->failures);
    entra_buf_add_c(b, "</tr>\n");

    ngx_http_entra_html_error(t, "5", b);
}
