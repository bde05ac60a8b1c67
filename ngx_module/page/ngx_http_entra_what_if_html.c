
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_what_if for a browser: a form, and the answer as a table.
 */

#include "ngx_http_entra_page.h"
#include "ngx_http_entra_what_if.h"
#include "entra_enc.h"
#include "entra_form.h"
#include "entra_html.h"


#define NGX_HTTP_ENTRA_WHAT_IF_NAMES  200       /* that the form suggests */


typedef struct {
    const char  *name;
    const char  *label;
    const char  *hint;          /* "a|b": a choice */
} ngx_http_entra_what_if_field_t;


static void ngx_http_entra_what_if_field(
    const ngx_http_entra_what_if_field_t *field, entra_str_t query,
    entra_buf_t *b);
static void ngx_http_entra_what_if_choice(const char *choices,
    entra_str_t chosen, entra_buf_t *b);
static void ngx_http_entra_what_if_policy(const entra_policy_t *policy,
    const entra_policy_result_t *result, entra_buf_t *b);
static void ngx_http_entra_what_if_dims(const char *text, unsigned mask,
    entra_buf_t *b);


static const ngx_http_entra_what_if_field_t  ngx_http_entra_what_if_fields[] = {
    { "credential", "Credential", "" },
    { "method", "Method", "POST" },
    { "path", "Path, as the upstream gets it", "/score" },
    { "address", "Client address", "198.51.100.7" },
    { "peer", "Address of the TCP peer", "10.0.0.4" },
    { "location", "Location, as written", "/" },
    { "server", "Server name", "" },
    { "time", "Time", "2026-11-23T12:00:00Z" },
    { "deployment", "Deployment", "" },
    { "certificate", "Client certificate", "none|valid|invalid|unknown" },
    { "san_uri", "URI of the certificate", "spiffe://..." },
    { "san_dns", "DNS name of the certificate", "" },
    { "token", "Caller's token", "none|valid|invalid|unknown" },
    { "appid", "appid", "" },
    { "oid", "oid", "" },
    { "idtyp", "idtyp", "app" },
    { "roles", "A role", "" },
    { "groups", "A group", "" },
    { "scp", "A scope", "" },
    { "amr", "amr", "mfa" },
    { "acrs", "acrs", "c1" }
};


void
ngx_http_entra_what_if_form(ngx_http_request_t *r, entra_str_t query,
    entra_buf_t *b)
{
    ngx_uint_t                     i;
    ngx_http_entra_main_conf_t    *mcf;
    ngx_http_entra_credential_t  **c;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);
    c = mcf->credentials.elts;

    entra_html_head(b, "What if", -1, NULL);
    entra_buf_add_c(b, "<p>What the running configuration would decide about "
                    "a request. What is left empty is unknown, or absent; "
                    "lists of several values are for <a href=\"?format=json\">"
                    "JSON</a>.</p>\n<form class=\"grid\"><input "
                    "type=\"hidden\" name=\"format\" value=\"html\">\n");

    for (i = 0; i < sizeof(ngx_http_entra_what_if_fields)
                    / sizeof(ngx_http_entra_what_if_fields[0]); i++)
    {
        ngx_http_entra_what_if_field(&ngx_http_entra_what_if_fields[i], query,
                                     b);
    }

    entra_buf_add_c(b, "<datalist id=\"credentials\">");

    for (i = 0;
         i < mcf->credentials.nelts && i < NGX_HTTP_ENTRA_WHAT_IF_NAMES;
         i++)
    {
        entra_buf_add_c(b, "<option>");
        entra_enc_html(b, (entra_str_t) { c[i]->name.len,
                                           (char *) c[i]->name.data });
        entra_buf_add_c(b, "</option>");
    }

    entra_buf_add_c(b, "</datalist>\n<p><button>Decide</button></p></form>\n");
}


static void
ngx_http_entra_what_if_field(const ngx_http_entra_what_if_field_t *field,
    entra_str_t query, entra_buf_t *b)
{
    entra_buf_t  value;

    entra_buf_init(&value, 4096);

    if (entra_form_field(query, field->name, &value) != 1) {
        entra_buf_free(&value);
        entra_buf_init(&value, 4096);
    }

    entra_buf_addf(b, "<label>%s", field->label);

    if (ngx_strchr(field->hint, '|')) {
        entra_buf_addf(b, "<select name=\"%s\">", field->name);
        ngx_http_entra_what_if_choice(field->hint, entra_buf_str(&value), b);
        entra_buf_add_c(b, "</select></label>\n");

    } else {
        entra_buf_addf(b, "<input name=\"%s\" placeholder=\"%s\"%s value=\"",
                       field->name, field->hint,
                       ngx_strcmp(field->name, "credential") == 0
                       ? " list=\"credentials\" required" : "");
        entra_enc_html(b, entra_buf_str(&value));
        entra_buf_add_c(b, "\"></label>\n");
    }

    entra_buf_free(&value);
}


static void
ngx_http_entra_what_if_choice(const char *choices, entra_str_t chosen,
    entra_buf_t *b)
{
    entra_str_t  left, one;

    entra_buf_add_c(b, "<option value=\"\"></option>");

    left = entra_str_c(choices);

    while (left.len) {
        one = entra_str_cut(&left, '|');

        entra_buf_addf(b, "<option%s>", entra_str_eq(one, chosen)
                                        ? " selected" : "");
        entra_buf_add_str(b, one);
        entra_buf_add_c(b, "</option>");
    }
}


void
ngx_http_entra_what_if_table(const entra_what_if_t *what_if,
    const entra_decision_t *decision, entra_buf_t *b)
{
    unsigned     i;
    const char  *class;
    entra_buf_t  line;

    class = decision->outcome == ENTRA_ALLOW ? "good"
            : decision->outcome == ENTRA_DENY ? "bad" : "warn";

    entra_buf_addf(b, "<h2 id=\"answer\"><span class=\"%s\">%s</span>, "
                   "%u</h2>\n", class, entra_outcome_name(decision->outcome),
                   decision->status);

    entra_buf_init(&line, 8192);
    entra_decision_line(decision, &what_if->signals, &line);
    entra_buf_add_c(b, "<p class=\"break\">");
    entra_enc_html(b, entra_buf_str(&line));
    entra_buf_add_c(b, "</p>\n");
    entra_buf_free(&line);

    entra_buf_add_c(b, "<table class=\"wide\">\n<thead><tr><th>Policy</th>"
                    "<th>Control</th><th>Result</th><th>Why</th></tr></thead>"
                    "\n<tbody>\n");

    for (i = 0; i < decision->npolicies; i++) {
        ngx_http_entra_what_if_policy(decision->policies[i],
                                      &decision->results[i], b);
    }

    entra_buf_add_c(b, "</tbody></table>\n");
}


static void
ngx_http_entra_what_if_policy(const entra_policy_t *policy,
    const entra_policy_result_t *result, entra_buf_t *b)
{
    unsigned     i;
    const char  *class, *sep;

    class = result->result == ENTRA_RESULT_SUCCESS ? "good"
            : result->result == ENTRA_RESULT_FAILURE ? "bad"
            : result->result == ENTRA_RESULT_REPORT_ONLY_FAILURE ? "warn"
            : "off";

    entra_buf_add_c(b, "<tr><td class=\"break\"><b>");
    entra_html_c(b, policy->name);
    entra_buf_addf(b, "</b></td><td data-label=\"Control\">%s</td>"
                   "<td data-label=\"Result\"><span class=\"%s\">%s</span>"
                   "</td><td>", policy->block ? "block" : "grant", class,
                   entra_result_name((entra_result_e) result->result));

    ngx_http_entra_what_if_dims("not met: ", result->not_satisfied, b);
    ngx_http_entra_what_if_dims("unknown: ", result->unknown, b);

    sep = "<i>controls not met:</i> ";

    for (i = 0; i < policy->ncontrols; i++) {
        if (result->controls_unmet >> i & 1) {
            entra_buf_add_c(b, sep);
            entra_html_c(b, policy->controls[i].text);
            sep = ", ";
        }
    }

    entra_buf_add_c(b, "</td></tr>\n");
}


static void
ngx_http_entra_what_if_dims(const char *text, unsigned mask, entra_buf_t *b)
{
    unsigned  i;

    if (mask == 0) {
        return;
    }

    entra_buf_addf(b, "<i>%s</i>", text);

    for (i = 0; i <= ENTRA_DIM_TIME; i++) {
        if (mask >> i & 1) {
            entra_buf_addf(b, "%s%s", mask & ((1u << i) - 1) ? ", " : "",
                           entra_dim_name((entra_dim_e) i));
        }
    }

    entra_buf_add_c(b, ". ");
}
