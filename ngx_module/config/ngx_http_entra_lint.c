
/*
 * Copyright (C) nginx-entra authors
 *
 * Policies that do not do what they seem to do: warnings when the
 * configuration is read, each once, with the place to look at.
 */

#include "ngx_http_entra_conf.h"
#include "entra_lint.h"


#define NGX_HTTP_ENTRA_LINT_TEXT  2048


typedef struct {
    ngx_conf_t                   *cf;
    ngx_http_entra_main_conf_t   *mcf;
    ngx_array_t                   said;         /* ngx_str_t */
    u_char                       *file;         /* where no policy is meant */
    ngx_uint_t                    line;
} ngx_http_entra_lint_t;


static void ngx_http_entra_lint_location(ngx_http_entra_lint_t *lint,
    ngx_http_entra_location_t *location);
static void ngx_http_entra_lint_set(ngx_http_entra_lint_t *lint,
    ngx_http_entra_location_t *location,
    ngx_http_entra_credential_t *credential, ngx_http_entra_policies_t *set);
static void ngx_http_entra_lint_ipv4_only(ngx_http_entra_lint_t *lint,
    ngx_http_entra_policies_t *set);
static ngx_uint_t ngx_http_entra_lint_ipv6(ngx_http_conf_addr_t *addr);
static ngx_uint_t ngx_http_entra_lint_tls(ngx_http_conf_addr_t *addr);
static void ngx_http_entra_lint_server(ngx_http_entra_lint_t *lint,
    ngx_http_entra_location_t *location, ngx_http_entra_policies_t *set);
static void ngx_http_entra_lint_servers(ngx_http_entra_lint_t *lint);
static void ngx_http_entra_lint_satisfy(ngx_http_entra_lint_t *lint,
    ngx_http_entra_location_t *location);
static void ngx_http_entra_lint_realip(ngx_http_entra_lint_t *lint);
static int ngx_http_entra_lint_used(void *data, const entra_policy_t *policy);
static void ngx_http_entra_lint_warn(void *data, const char *where,
    const char *text);


ngx_int_t
ngx_http_entra_lint(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_str_t                   caller = ngx_string("entra_caller");
    ngx_str_t                   place = ngx_string("entra_location");
    ngx_uint_t                  i;
    ngx_http_entra_lint_t       lint;
    ngx_http_entra_location_t  *location;

    ngx_memzero(&lint, sizeof(ngx_http_entra_lint_t));

    lint.cf = cf;
    lint.mcf = mcf;

    if (ngx_array_init(&lint.said, cf->temp_pool, 8, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_entra_lint_servers(&lint);

    entra_lint_rules(mcf->rules, ngx_time(), ngx_http_entra_lint_used,
                     ngx_http_entra_lint_warn, &lint);
    entra_lint_unused(mcf->rules, ngx_http_entra_conf_asked(cf, &caller),
                      ngx_http_entra_conf_asked(cf, &place),
                      ngx_http_entra_lint_warn, &lint);

    location = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        if (location[i].clcf->handler) {
            ngx_http_entra_lint_location(&lint, &location[i]);
        }
    }

    ngx_http_entra_lint_realip(&lint);

    return NGX_OK;
}


/* what clients can show in the servers in which a policy decides */

static void
ngx_http_entra_lint_servers(ngx_http_entra_lint_t *lint)
{
    ngx_uint_t                      i, j, n;
    ngx_http_entra_auth_t          *auth;
    ngx_http_entra_loc_conf_t      *lcf;
    ngx_http_entra_location_t      *location;
    ngx_http_entra_second_token_t  *second;

    location = lint->mcf->locations.elts;

    for (i = 0; i < lint->mcf->locations.nelts; i++) {
        lcf = location[i].lcf;
        auth = lcf->auth;
        n = auth == NULL ? 0 : auth->token ? 1 : auth->tokens->nelts;

        if (lcf->sent.pass == NULL) {
            continue;
        }

        for (j = 0; j < n; j++) {
            ngx_http_entra_lint_server(lint, &location[i], lcf->policies[j]);
        }

        second = lcf->second_tokens ? lcf->second_tokens->elts : NULL;

        for (j = 0; second && j < lcf->second_tokens->nelts; j++) {
            ngx_http_entra_lint_server(lint, &location[i],
                                       second[j].policies);
        }
    }
}


static void
ngx_http_entra_lint_server(ngx_http_entra_lint_t *lint,
    ngx_http_entra_location_t *location, ngx_http_entra_policies_t *set)
{
    ngx_uint_t                    i, tls, certificates;
    entra_policy_t               *policy;
    ngx_http_entra_guard_conf_t  *guard;

    guard = &location->lcf->guard;

    tls = set && (guard->ssl
                  || ngx_http_entra_some_address(lint->cf, location->cscf,
                                                 ngx_http_entra_lint_tls));
    certificates = tls && guard->certificates;

    for (i = 0; set && i < set->n; i++) {
        policy = entra_rules_policy(lint->mcf->rules,
                                    entra_str_c(set->policies[i]->name));
        if (policy == NULL) {
            continue;
        }

        policy->located = 1;
        policy->serves_tls |= tls != 0;
        policy->asks_certificates |= certificates != 0;
    }
}


/* all credentials that it may use */

static void
ngx_http_entra_lint_location(ngx_http_entra_lint_t *lint,
    ngx_http_entra_location_t *location)
{
    ngx_uint_t                  i;
    ngx_http_entra_auth_t      *auth;
    ngx_http_entra_token_t    **token;
    ngx_http_entra_second_token_t    *second;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = location->lcf;
    auth = lcf->auth;

    if (auth && auth->token) {
        ngx_http_entra_lint_set(lint, location, auth->token->credential,
                                lcf->policies[0]);

    } else if (auth) {
        token = auth->tokens->elts;

        for (i = 0; i < auth->tokens->nelts; i++) {
            ngx_http_entra_lint_set(lint, location, token[i]->credential,
                                    lcf->policies[i]);
        }
    }

    second = lcf->second_tokens ? lcf->second_tokens->elts : NULL;

    for (i = 0; second && i < lcf->second_tokens->nelts; i++) {
        ngx_http_entra_lint_set(lint, location,
                                second[i].auth->token->credential,
                                second[i].policies);
    }

    if (location->clcf->satisfy == NGX_HTTP_SATISFY_ANY && (auth || second)) {
        ngx_http_entra_lint_satisfy(lint, location);
    }
}


/* the location is named where its own policies make a difference */

static void
ngx_http_entra_lint_set(ngx_http_entra_lint_t *lint,
    ngx_http_entra_location_t *location,
    ngx_http_entra_credential_t *credential, ngx_http_entra_policies_t *set)
{
    char                    text[ENTRA_DECISION_TEXT_MAX];
    ngx_str_t              *name;
    const entra_cidr_set_t  *proxies;

    if (set == NULL) {
        return;
    }

    name = &location->clcf->name;

    if (location->lcf->policy_names) {
        lint->file = location->lcf->file;
        lint->line = location->lcf->line;
        (void) snprintf(text, sizeof(text),
                        "credential \"%.*s\" in location \"%.*s\"",
                        (int) credential->name.len, credential->name.data,
                        (int) name->len, name->data);

    } else {
        lint->file = credential->file;
        lint->line = credential->line;
        (void) snprintf(text, sizeof(text), "credential \"%.*s\"",
                        (int) credential->name.len, credential->name.data);
    }

    proxies = lint->mcf->address.has_trusted_proxies
              ? &lint->mcf->address.trusted_proxies : NULL;

    entra_lint_policies(set->policies, set->n, text, proxies,
                        ngx_http_entra_lint_warn, lint);

    if (ngx_http_entra_some_address(lint->cf, location->cscf,
                                    ngx_http_entra_lint_ipv6))
    {
        ngx_http_entra_lint_ipv4_only(lint, set);
    }
}


/* a list without IPv6 ranges, and a listener that IPv6 clients can reach */

static void
ngx_http_entra_lint_ipv4_only(ngx_http_entra_lint_t *lint,
    ngx_http_entra_policies_t *set)
{
    char         text[ENTRA_DECISION_TEXT_MAX];
    ngx_uint_t   i;
    const char  *name;

    for (i = 0; i < set->n; i++) {
        name = entra_lint_ipv4_only(set->policies[i]);

        if (name == NULL) {
            continue;
        }

        (void) snprintf(text, sizeof(text),
                        "entra_policy \"%s\": %s%s%s only IPv4 ranges, and a "
                        "server that it decides for listens on IPv6 too: all "
                        "IPv6 clients are outside of them; add the IPv6 "
                        "ranges, or listen on IPv4 only",
                        set->policies[i]->name,
                        name[0] ? "named location \"" : "its addresses are",
                        name, name[0] ? "\" has" : "");

        ngx_http_entra_lint_warn(lint, set->policies[i]->where, text);
    }
}


static ngx_uint_t
ngx_http_entra_lint_ipv6(ngx_http_conf_addr_t *addr)
{
    return addr->opt.sockaddr->sa_family == AF_INET6;
}


static ngx_uint_t
ngx_http_entra_lint_tls(ngx_http_conf_addr_t *addr)
{
#if (NGX_HTTP_V3)
    if (addr->opt.quic) {
        return 1;
    }
#endif

#if (NGX_HTTP_SSL)
    return addr->opt.ssl;
#else
    return 0;
#endif
}


static void
ngx_http_entra_lint_satisfy(ngx_http_entra_lint_t *lint,
    ngx_http_entra_location_t *location)
{
    char                        text[ENTRA_DECISION_TEXT_MAX];
    ngx_str_t                  *name;
    ngx_http_entra_second_token_t    *second;
    ngx_http_entra_loc_conf_t  *lcf;

    lcf = location->lcf;
    name = &location->clcf->name;

    if (lcf->auth) {
        lint->file = lcf->auth->file;
        lint->line = lcf->auth->line;

    } else {
        second = lcf->second_tokens->elts;
        lint->file = second[0].auth->file;
        lint->line = second[0].auth->line;
    }

    (void) snprintf(text, sizeof(text),
                    "location \"%.*s\" has \"satisfy any\" beside a "
                    "credential: what another module allows does not overrule "
                    "its policies, they decide again; write \"satisfy all;\"",
                    (int) name->len, name->data);

    ngx_http_entra_lint_warn(lint, NULL, text);
}


/* without a list of those who may, a proxy's own address is a client's */

static void
ngx_http_entra_lint_realip(ngx_http_entra_lint_t *lint)
{
    char                         text[ENTRA_DECISION_TEXT_MAX];
    ngx_uint_t                   i;
    const entra_policy_t        *policy;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = lint->mcf;

    if (mcf->address.realip.len == 0 || mcf->address.has_trusted_proxies) {
        return;
    }

    for (i = 0; (policy = entra_rules_policy_nth(mcf->rules, i)) != NULL; i++)
    {
        if (policy->data && entra_lint_sees_locations(policy)) {
            break;
        }
    }

    if (policy == NULL) {
        return;
    }

    (void) snprintf(text, sizeof(text),
                    "\"set_real_ip_from\" without \"entra_trusted_proxies\": "
                    "when a proxy conveys no address that can be read, its own "
                    "counts as the client's, which entra_policy \"%s\" looks "
                    "at; write \"entra_trusted_proxies %.*s;\" in http",
                    policy->name, (int) mcf->address.realip.len,
                    mcf->address.realip.data);

    lint->file = mcf->address.realip_file;
    lint->line = mcf->address.realip_line;

    ngx_http_entra_lint_warn(lint, NULL, text);
}


static int
ngx_http_entra_lint_used(void *data, const entra_policy_t *policy)
{
    return policy->data != NULL;
}


static void
ngx_http_entra_lint_warn(void *data, const char *where, const char *text)
{
    ngx_http_entra_lint_t *lint = data;

    u_char      *p, line[NGX_HTTP_ENTRA_LINT_TEXT];
    ngx_str_t   *said;
    ngx_uint_t   i;

    if (where) {
        p = ngx_snprintf(line, sizeof(line), "%s%s", text, where);

    } else {
        p = ngx_snprintf(line, sizeof(line), "%s in %s:%ui", text, lint->file,
                         lint->line);
    }

    said = lint->said.elts;

    for (i = 0; i < lint->said.nelts; i++) {
        if (said[i].len == (size_t) (p - line)
            && ngx_memcmp(said[i].data, line, said[i].len) == 0)
        {
            return;
        }
    }

    said = ngx_array_push(&lint->said);

    if (said) {
        said->len = p - line;
        said->data = ngx_pnalloc(lint->cf->temp_pool, said->len);

        if (said->data == NULL) {
            lint->said.nelts--;

        } else {
            ngx_memcpy(said->data, line, said->len);
        }
    }

    ngx_log_error(NGX_LOG_WARN, lint->cf->log, 0, "%*s",
                  (size_t) (p - line), line);
}
