
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_ascii.h"
#include "entra_enc.h"
#include "entra_form.h"
#include "entra_json.h"
#include "entra_json_write.h"
#include "entra_what_if.h"


typedef struct entra_what_if_param_s  entra_what_if_param_t;

typedef int (*entra_what_if_set_pt)(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err);

struct entra_what_if_param_s {
    const char            *name;
    entra_what_if_set_pt   set;
    size_t                 offset;
    unsigned               often:1;
};


static int
entra_what_if_bad(const entra_what_if_param_t *param, entra_str_t value,
    const char *want, entra_err_t *err)
{
    if (value.len > 128) {
        value.len = 128;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG, "\"%s=%.*s\": %s is %s",
                         param->name, (int) value.len, value.data,
                         param->name, want);
}


static int
entra_what_if_set_text(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    char  **text = &what_if->texts[param->offset];

    if (param->offset == ENTRA_WHAT_IF_DEPLOYMENT) {
        what_if->deployments++;
    }

    if (value.len && memchr(value.data, '\0', value.len)) {
        return entra_what_if_bad(param, value, "text without NUL", err);
    }

    free(*text);

    *text = entra_str_dup(value);
    if (*text == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


static int
entra_what_if_set_addr(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    entra_addr_t  *addr = (entra_addr_t *) ((char *) what_if + param->offset);

    if (entra_str_eq_c(value, "unknown")) {
        memset(addr, 0, sizeof(entra_addr_t));
        return 0;
    }

    if (entra_str_eq_c(value, "unix:") || entra_str_eq_c(value, "unix")) {
        entra_addr_unix(addr);
        return 0;
    }

    if (entra_addr_parse(addr, value) != 0) {
        return entra_what_if_bad(param, value, "an address, \"unix:\" or"
                                 " \"unknown\"", err);
    }

    return 0;
}


static int
entra_what_if_set_time(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    if (entra_time_moment(value, &what_if->signals.now) != 0) {
        return entra_what_if_bad(param, value, "written as in"
                                 " 2026-11-23T20:00:00Z", err);
    }

    return 0;
}


static int
entra_what_if_set_tls(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    if (entra_str_eq_c(value, "1.2")) {
        what_if->signals.tls = 0x0303;

    } else if (entra_str_eq_c(value, "1.3")) {
        what_if->signals.tls = 0x0304;

    } else if (!entra_str_eq_c(value, "none")) {
        return entra_what_if_bad(param, value, "1.2, 1.3 or none", err);
    }

    return 0;
}


static int
entra_what_if_set_state(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    unsigned         i;
    entra_signal_e  *state;

    static const char *const  states[] = {
        "unknown", "none", "valid", "invalid"
    };

    state = (entra_signal_e *) ((char *) what_if + param->offset);

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (entra_str_eq_c(value, states[i])) {
            *state = (entra_signal_e) i;
            return 0;
        }
    }

    return entra_what_if_bad(param, value, "none, valid, invalid or unknown",
                             err);
}


static int
entra_what_if_set_digest(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    int                 rc;
    entra_buf_t         word;
    entra_cert_match_t   test;

    entra_buf_init(&word, 256);
    entra_buf_addf(&word, "%s=", param->name);
    entra_buf_add_str(&word, value);

    rc = entra_cert_match_parse(&test, entra_buf_str(&word), err);

    if (rc == 0) {
        memcpy((char *) what_if + param->offset, test.digest, 32);
    }

    entra_buf_free(&word);

    return rc;
}


static int
entra_what_if_set_claim(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    char  **claim = (char **) ((char *) what_if + param->offset);

    *claim = entra_str_dup(value);
    if (*claim == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


static int
entra_what_if_set_list(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    char                 *p;
    entra_claims_list_t  *list;

    list = (entra_claims_list_t *) ((char *) what_if + param->offset);

    if (entra_claims_add(list, value) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "too many of \"%s\"",
                             param->name);
    }

    if (list == &what_if->cert.dns) {
        for (p = list->items[list->n - 1]; *p; p++) {
            *p = (char) entra_lower(*p);
        }
    }

    return 0;
}


static int
entra_what_if_set_iat(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    if (entra_str_int(value, &what_if->claims.iat) != 0
        && entra_time_moment(value, &what_if->claims.iat) != 0)
    {
        return entra_what_if_bad(param, value, "seconds since 1970, or a time"
                                 " as in 2026-11-23T20:00:00Z", err);
    }

    return 0;
}


static int
entra_what_if_set_flag(entra_what_if_t *what_if,
    const entra_what_if_param_t *param, entra_str_t value, entra_err_t *err)
{
    unsigned  on;

    on = entra_str_eq_c(value, "true") || entra_str_eq_c(value, "1");

    if (!on && !entra_str_eq_c(value, "false") && !entra_str_eq_c(value, "0")) {
        return entra_what_if_bad(param, value, "true or false", err);
    }

    if (param->name[0] == 'g') {
        what_if->claims.groups_overage = on & 1;

    } else {
        what_if->claims.claims_capable = on & 1;
    }

    return 0;
}


#define entra_what_if_at(member)  offsetof(entra_what_if_t, member)

static const entra_what_if_param_t  entra_what_if_params[] = {

    /* those that "notGiven" lists; all but the first are optional */

    { "address", entra_what_if_set_addr, entra_what_if_at(signals.address), 0 },
    { "peer", entra_what_if_set_addr, entra_what_if_at(signals.peer), 0 },
    { "method", entra_what_if_set_text, ENTRA_WHAT_IF_METHOD, 0 },
    { "path", entra_what_if_set_text, ENTRA_WHAT_IF_PATH, 0 },
    { "credential", entra_what_if_set_text, ENTRA_WHAT_IF_CREDENTIAL, 0 },
    { "certificate", entra_what_if_set_state,
      entra_what_if_at(signals.certificate), 0 },
    { "token", entra_what_if_set_state, entra_what_if_at(signals.token), 0 },
    { "time", entra_what_if_set_time, 0, 0 },
    { "tls", entra_what_if_set_tls, 0, 0 },
    { "deployment", entra_what_if_set_text, ENTRA_WHAT_IF_DEPLOYMENT, 1 },
    { "location", entra_what_if_set_text, ENTRA_WHAT_IF_LOCATION, 0 },
    { "server", entra_what_if_set_text, ENTRA_WHAT_IF_SERVER, 0 },

    /* of the certificate */

    { "san_uri", entra_what_if_set_list, entra_what_if_at(cert.uris), 1 },
    { "san_dns", entra_what_if_set_list, entra_what_if_at(cert.dns), 1 },
    { "cert_sha256", entra_what_if_set_digest, entra_what_if_at(cert.sha256),
      0 },
    { "spki_sha256", entra_what_if_set_digest,
      entra_what_if_at(cert.spki_sha256), 0 },

    /* of the token */

    { "appid", entra_what_if_set_claim, entra_what_if_at(claims.appid), 0 },
    { "oid", entra_what_if_set_claim, entra_what_if_at(claims.oid), 0 },
    { "tid", entra_what_if_set_claim, entra_what_if_at(claims.tid), 0 },
    { "sub", entra_what_if_set_claim, entra_what_if_at(claims.sub), 0 },
    { "idtyp", entra_what_if_set_claim, entra_what_if_at(claims.idtyp), 0 },
    { "azpacr", entra_what_if_set_claim, entra_what_if_at(claims.appidacr), 0 },
    { "roles", entra_what_if_set_list, entra_what_if_at(claims.roles), 1 },
    { "groups", entra_what_if_set_list, entra_what_if_at(claims.groups), 1 },
    { "wids", entra_what_if_set_list, entra_what_if_at(claims.wids), 1 },
    { "scp", entra_what_if_set_list, entra_what_if_at(claims.scp), 1 },
    { "amr", entra_what_if_set_list, entra_what_if_at(claims.amr), 1 },
    { "acrs", entra_what_if_set_list, entra_what_if_at(claims.acrs), 1 },
    { "iat", entra_what_if_set_iat, 0, 0 },
    { "groups_overage", entra_what_if_set_flag, 0, 0 },
    { "claims_capable", entra_what_if_set_flag, 0, 0 }
};

#define ENTRA_WHAT_IF_PARAMS                                                  \
    (sizeof(entra_what_if_params) / sizeof(entra_what_if_params[0]))

/* places in the list above */

#define ENTRA_WHAT_IF_ASKED        7
#define ENTRA_WHAT_IF_CERTIFICATE  5
#define ENTRA_WHAT_IF_TOKEN        6
#define ENTRA_WHAT_IF_CERT_FIRST   12
#define ENTRA_WHAT_IF_CLAIM_FIRST  16


static int
entra_what_if_unknown(entra_str_t name, entra_err_t *err)
{
    size_t       i;
    entra_buf_t  names;

    entra_buf_init(&names, 1024);

    for (i = 0; i < ENTRA_WHAT_IF_PARAMS; i++) {
        entra_buf_addf(&names, "%s%s", i ? ", " : "",
                       entra_what_if_params[i].name);
    }

    (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                         "unknown parameter \"%.*s\": there are %s",
                         (int) (name.len < 64 ? name.len : 64), name.data,
                         entra_buf_str(&names).data);
    entra_buf_free(&names);

    return -1;
}


static int
entra_what_if_set(entra_what_if_t *what_if, entra_str_t name,
    entra_str_t value, entra_err_t *err)
{
    size_t                        i;
    const entra_what_if_param_t  *param;

    for (i = 0; i < ENTRA_WHAT_IF_PARAMS; i++) {
        if (entra_str_eq_c(name, entra_what_if_params[i].name)) {
            break;
        }
    }

    if (i == ENTRA_WHAT_IF_PARAMS) {
        return entra_what_if_unknown(name, err);
    }

    param = &entra_what_if_params[i];

    if ((what_if->given >> i & 1) && !param->often) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "\"%s\" is given twice",
                             param->name);
    }

    if (++what_if->values > ENTRA_WHAT_IF_VALUES) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "more than %u values",
                             ENTRA_WHAT_IF_VALUES);
    }

    what_if->given |= (uint64_t) 1 << i;

    return param->set(what_if, param, value, err);
}


/* what describes a credential says that there is one */

static int
entra_what_if_credential(entra_what_if_t *what_if, unsigned param,
    uint64_t described, entra_signal_e *state, entra_err_t *err)
{
    if (!(what_if->given >> param & 1)) {
        *state = what_if->given & described ? ENTRA_SIGNAL_VALID
                                            : ENTRA_SIGNAL_ABSENT;
        return 0;
    }

    if (*state != ENTRA_SIGNAL_VALID && (what_if->given & described)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "the contents of a %s count for a valid one"
                             " only", entra_what_if_params[param].name);
    }

    return 0;
}


static int
entra_what_if_done(entra_what_if_t *what_if, entra_err_t *err)
{
    size_t            len;
    uint64_t          certs, claims;
    entra_signals_t  *signals = &what_if->signals;

    certs = ((uint64_t) 1 << ENTRA_WHAT_IF_CLAIM_FIRST)
            - ((uint64_t) 1 << ENTRA_WHAT_IF_CERT_FIRST);
    claims = ((uint64_t) 1 << ENTRA_WHAT_IF_PARAMS)
             - ((uint64_t) 1 << ENTRA_WHAT_IF_CLAIM_FIRST);

    if (entra_what_if_credential(what_if, ENTRA_WHAT_IF_CERTIFICATE, certs,
                                 &signals->certificate, err)
        != 0
        || entra_what_if_credential(what_if, ENTRA_WHAT_IF_TOKEN, claims,
                                    &signals->token, err)
           != 0)
    {
        return -1;
    }

    what_if->credential = entra_str_c(what_if->texts[ENTRA_WHAT_IF_CREDENTIAL]);
    what_if->location = entra_str_c(what_if->texts[ENTRA_WHAT_IF_LOCATION]);
    what_if->server = entra_str_c(what_if->texts[ENTRA_WHAT_IF_SERVER]);

    signals->cert = &what_if->cert;
    signals->claims = &what_if->claims;

    entra_signals_deployment(signals,
        entra_str_c(what_if->texts[ENTRA_WHAT_IF_DEPLOYMENT]),
        what_if->deployments);

    if (what_if->texts[ENTRA_WHAT_IF_METHOD] == NULL
        || what_if->texts[ENTRA_WHAT_IF_PATH] == NULL)
    {
        return 0;
    }

    len = strlen(what_if->texts[ENTRA_WHAT_IF_PATH]);

    what_if->scratch = malloc(entra_operation_scratch(len));
    if (what_if->scratch == NULL) {
        return entra_err_no_memory(err);
    }

    entra_operation_init(&what_if->operation,
                         entra_str_c(what_if->texts[ENTRA_WHAT_IF_METHOD]),
                         entra_str_c(what_if->texts[ENTRA_WHAT_IF_PATH]),
                         what_if->scratch);
    signals->operation = &what_if->operation;

    return 0;
}


void
entra_what_if_proxies(entra_what_if_t *what_if,
    const entra_cidr_set_t *trusted_proxies)
{
    entra_signals_t  *signals = &what_if->signals;

    if (signals->peer.family != ENTRA_ADDR_UNKNOWN) {
        entra_signals_address(signals, &signals->address, &signals->peer,
                              trusted_proxies);

    } else if (entra_cidr_set_has(trusted_proxies, &signals->address)) {
        memset(&signals->address, 0, sizeof(entra_addr_t));
    }
}


void
entra_what_if_free(entra_what_if_t *what_if)
{
    unsigned  i;

    for (i = 0; i < ENTRA_WHAT_IF_TEXTS; i++) {
        free(what_if->texts[i]);
    }

    free(what_if->scratch);
    entra_cert_free(&what_if->cert);
    entra_claims_free(&what_if->claims);

    memset(what_if, 0, sizeof(entra_what_if_t));
}


void
entra_what_if_answer(const entra_what_if_t *what_if,
    const entra_decision_t *decision, const entra_rules_t *rules,
    const entra_decision_info_t *info, entra_buf_t *out)
{
    unsigned     i;
    entra_buf_t  line;

    entra_buf_init(&line, 8192);
    entra_decision_line(decision, &what_if->signals, &line);

    entra_buf_add_char(out, '{');
    entra_json_add(out, "explanation", entra_buf_str(&line));
    entra_json_open(out, "notGiven", '[');

    for (i = 0; i < ENTRA_WHAT_IF_ASKED; i++) {
        if (!(what_if->given >> i & 1)) {
            entra_json_add_c(out, NULL, entra_what_if_params[i].name);
        }
    }

    entra_buf_add_c(out, "],\"decision\":");
    entra_decision_json(decision, &what_if->signals, rules, info, 1, out);
    entra_buf_add_char(out, '}');

    entra_buf_free(&line);
}


static int
entra_what_if_form(entra_what_if_t *what_if, entra_str_t query,
    entra_err_t *err)
{
    int          rc;
    entra_buf_t  name, value;
    entra_str_t  pair, left;

    entra_buf_init(&name, ENTRA_WHAT_IF_MAX);
    entra_buf_init(&value, ENTRA_WHAT_IF_MAX);
    rc = 0;

    while (query.len && rc == 0) {
        pair = entra_str_cut(&query, '&');

        if (pair.len == 0) {
            continue;
        }

        left = entra_str_cut(&pair, '=');

        entra_buf_reset(&name);
        entra_buf_reset(&value);

        if (entra_form_decode(left, &name) != 0
            || entra_form_decode(pair, &value) != 0)
        {
            rc = entra_err_set(err, ENTRA_ERR_CONFIG,
                               "a \"%%\" without two hexadecimal digits, or a"
                               " NUL");
            break;
        }

        rc = entra_what_if_set(what_if, entra_buf_str(&name),
                               entra_buf_str(&value), err);
    }

    entra_buf_free(&name);
    entra_buf_free(&value);

    return rc;
}


static int
entra_what_if_json_value(entra_what_if_t *what_if, entra_str_t name,
    const entra_json_t *value, entra_err_t *err)
{
    int          flag, rc;
    int64_t      number;
    entra_buf_t  text;
    entra_str_t  string;

    if (entra_json_string(value, &string) == 0) {
        return entra_what_if_set(what_if, name, string, err);
    }

    if (entra_json_bool(value, &flag) == 0) {
        return entra_what_if_set(what_if, name,
                                 entra_str_c(flag ? "true" : "false"), err);
    }

    if (entra_json_int64(value, &number) == 0) {
        entra_buf_init(&text, 32);
        entra_buf_addf(&text, "%lld", (long long) number);
        rc = entra_what_if_set(what_if, name, entra_buf_str(&text), err);
        entra_buf_free(&text);
        return rc;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.*s\" is text, a whole number, true, false or a"
                         " list of such",
                         (int) (name.len < 64 ? name.len : 64), name.data);
}


static int
entra_what_if_json(entra_what_if_t *what_if, entra_str_t query,
    entra_err_t *err)
{
    int                  rc;
    entra_str_t          name;
    entra_json_t        *root;
    const entra_json_t  *item, *element;

    root = entra_json_parse(query, ENTRA_WHAT_IF_MAX,
                            ENTRA_JSON_OBJECT | ENTRA_JSON_UNIQUE);
    if (root == NULL) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "not a JSON object, or a duplicate member");
    }

    rc = 0;

    for (item = entra_json_first(root); item && rc == 0;
         item = entra_json_next(item))
    {
        name = entra_str_c(entra_json_name(item));

        if (entra_json_type(item) != ENTRA_JSON_IS_ARRAY) {
            rc = entra_what_if_json_value(what_if, name, item, err);
            continue;
        }

        for (element = entra_json_first(item); element && rc == 0;
             element = entra_json_next(element))
        {
            rc = entra_what_if_json_value(what_if, name, element, err);
        }
    }

    entra_json_free(root);

    return rc;
}


int
entra_what_if_parse(entra_what_if_t *what_if, entra_str_t query, int64_t now,
    entra_err_t *err)
{
    int  rc;

    memset(what_if, 0, sizeof(entra_what_if_t));
    what_if->signals.now = now;

    query = entra_str_trim(query);

    if (query.len > ENTRA_WHAT_IF_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a query of more than %u bytes",
                             ENTRA_WHAT_IF_MAX);
    }

    if (query.len && query.data[0] == '{') {
        rc = entra_what_if_json(what_if, query, err);

    } else {
        rc = entra_what_if_form(what_if, query, err);
    }

    return rc == 0 ? entra_what_if_done(what_if, err) : -1;
}
