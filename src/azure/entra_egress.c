
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_egress.h"
#include "entra_url.h"


#define ENTRA_EGRESS_HOST_MAX  255          /* RFC 1035 */


void
entra_egress_free(entra_egress_t *egress)
{
    unsigned  i;

    for (i = 0; i < egress->n; i++) {
        free(egress->rules[i].host);
    }

    free(egress->rules);
    egress->rules = NULL;
    egress->n = 0;
}


static int
entra_egress_parse(entra_egress_rule_t *rule, entra_str_t text,
    entra_err_t *err)
{
    entra_str_t  host, rest = text;

    memset(rule, 0, sizeof(entra_egress_rule_t));

    if (entra_str_starts(rest, "http://")) {
        rule->plain = 1;
        rest.data += 7;
        rest.len -= 7;

    } else if (entra_str_starts(rest, "https://")) {
        rest.data += 8;
        rest.len -= 8;
    }

    if (rule->plain && entra_str_starts(rest, "unix:/")) {
        rule->host = entra_str_dup(rest);
        return rule->host ? 0 : entra_err_no_memory(err);
    }

    if (rest.len && rest.data[rest.len - 1] == '/') {
        rest.len--;
    }

    if (entra_str_starts(rest, "*.")) {
        rule->suffix = 1;
        rest.data += 2;
        rest.len -= 2;
    }

    host = (entra_str_t) { entra_url_host(rest), rest.data };
    rest.data += host.len;
    rest.len -= host.len;

    if (host.len == 0 || host.len > ENTRA_EGRESS_HOST_MAX
        || entra_url_port(rest, &rule->port) != 0
        || (rule->suffix && (host.len < 3 || host.data[0] == '[')))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "invalid upstream \"%.*s\"; write HOST, "
                             "HOST:PORT, *.SUFFIX or, for plain http, "
                             "http://HOST[:PORT] or http://unix:PATH",
                             (int) text.len, text.data);
    }

    if (host.data[0] == '[') {
        host.data++;
        host.len -= 2;
    }

    if (rule->suffix) {
        host.data--;                            /* with its dot */
        host.len++;
    }

    rule->host = entra_str_dup_lower(host);
    if (rule->host == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


int
entra_egress_add(entra_egress_t *egress, entra_str_t text, entra_err_t *err)
{
    entra_egress_rule_t  *rules;

    if (entra_str_eq_c(text, "verify=off")) {
        egress->unverified = 1;
        return 0;
    }

    if (entra_str_eq_c(text, "verify=on")) {
        egress->unverified = 0;
        return 0;
    }

    if (egress->n == ENTRA_EGRESS_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "more than %d upstreams", ENTRA_EGRESS_MAX);
    }

    rules = realloc(egress->rules,
                    (egress->n + 1) * sizeof(entra_egress_rule_t));
    if (rules == NULL) {
        return entra_err_no_memory(err);
    }

    egress->rules = rules;

    if (entra_egress_parse(&rules[egress->n], text, err) != 0) {
        return -1;
    }

    egress->n++;

    return 0;
}


/* a trailing dot names the same host; brackets are the URL's, not the host's */

static entra_str_t
entra_egress_bare(entra_str_t host)
{
    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
        host.data++;
        host.len -= 2;
    }

    if (host.len > 1 && host.data[host.len - 1] == '.') {
        host.len--;
    }

    return host;
}


static int
entra_egress_match(const entra_egress_rule_t *rule, entra_str_t host)
{
    size_t  n = strlen(rule->host);

    if (strncmp(rule->host, "unix:", 5) == 0) {
        return entra_str_eq_c(host, rule->host);
    }

    if (!rule->suffix) {
        return entra_str_case_eq_c(host, rule->host);
    }

    if (host.len <= n) {
        return 0;
    }

    host.data += host.len - n;
    host.len = n;

    return entra_str_case_eq_c(host, rule->host);
}


const char *
entra_egress_refusal(const entra_egress_t *egress,
    const entra_egress_target_t *target)
{
    unsigned                    i, port, host_found = 0, port_found = 0;
    entra_str_t                 host;
    const entra_egress_rule_t  *rule;

    host = entra_egress_bare(target->host);
    port = target->port ? target->port : target->tls ? 443 : 80;

    for (i = 0; i < egress->n; i++) {
        rule = &egress->rules[i];

        if (!entra_egress_match(rule, host)) {
            continue;
        }

        host_found = 1;

        if (rule->port && rule->port != port) {
            continue;
        }

        port_found = 1;

        if (!target->tls) {
            if (rule->plain) {
                return NULL;
            }

            continue;
        }

        if (target->verified || egress->unverified) {
            return NULL;
        }
    }

    if (!host_found) {
        return "the host is not in the credential's upstreams";
    }

    if (!port_found) {
        return "the port is not in the credential's upstreams";
    }

    if (!target->tls) {
        return "plain http; write https, or http://HOST in upstreams";
    }

    return "the upstream's certificate is not verified; write "
           "\"proxy_ssl_verify on\" or include entra_proxy.conf (gRPC: "
           "grpc_ssl_verify, entra_grpc.conf)";
}


int
entra_egress_host(const entra_egress_t *egress, entra_str_t host)
{
    unsigned  i;

    host = entra_egress_bare(host);

    for (i = 0; i < egress->n; i++) {
        if (entra_egress_match(&egress->rules[i], host)) {
            return 1;
        }
    }

    return 0;
}


int
entra_egress_public(const entra_egress_rule_t *rule)
{
    unsigned  i;

    static const char *const  suffixes[] = {
        ".windows.net", ".azure.com", ".azure.net", ".azurewebsites.net",
        ".azurefd.net", ".azureedge.net", ".cloudapp.net",
        ".cloudapp.azure.com", ".trafficmanager.net", ".azure.cn",
        ".azure.us", ".chinacloudapi.cn", ".usgovcloudapi.net",
        ".azurestaticapps.net", ".azurecontainerapps.io", NULL
    };

    if (!rule->suffix) {
        return 0;
    }

    for (i = 0; suffixes[i]; i++) {
        if (strcmp(rule->host, suffixes[i]) == 0) {
            return 1;
        }
    }

    return strchr(rule->host + 1, '.') == NULL;
}
