
/*
 * Copyright (C) nginx-entra authors
 *
 * The lines of an entra_credential block.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_ascii.h"
#include "entra_cloud.h"
#include "entra_credential.h"
#include "entra_suggest.h"


#define ENTRA_WORD_MAX   4096
#define ENTRA_USE_MAX    32
#define ENTRA_MSEC_MAX   (24 * 3600 * 1000)


typedef struct {
    const char  *name;
    const char  *instead;
} entra_literal_t;


static const entra_literal_t  entra_literals[] = {
    { "client_secret", "\"client_secret_file FILE;\" or"
                       " \"client_secret_env VAR;\"" },
    { "secret", "\"client_secret_file FILE;\" or"
                " \"client_secret_env VAR;\"" },
    { "password", "\"client_secret_file FILE;\" or"
                  " \"client_secret_env VAR;\"" },
    { "client_certificate_password",
      "\"client_certificate_password_file FILE;\"" },
    { "key", "\"key_file FILE;\"" },
    { "primary_key", "\"key_file FILE;\"" },
    { "token", "\"federated_token_file FILE;\"" },
    { "federated_token", "\"federated_token_file FILE;\"" },
    { "client_assertion", "\"federated_token_file FILE;\"" },
    { "refresh_token", "\"state_file FILE;\"" },
    { NULL, NULL }
};


static const char  *const entra_common[] = {
    "tenant_id", "client_id", "authority_host", "cloud", "scope", NULL
};


/* the nginx module's own */

static const char  *const entra_outer[] = {
    "policies", "upstreams", "preload", NULL
};


const entra_param_t *
entra_credential_param_nth(const entra_credential_type_t *type, unsigned n)
{
    unsigned              i;
    const entra_param_t  *param;

    for (i = 0; i < ENTRA_PARAM_TABLES_MAX; i++) {
        for (param = type->params[i]; param && param->name; param++) {
            if (n-- == 0) {
                return param;
            }
        }
    }

    return NULL;
}


const entra_param_t *
entra_credential_param_find(const entra_credential_type_t *type,
    entra_str_t name)
{
    unsigned              n;
    const entra_param_t  *param;

    for (n = 0; (param = entra_credential_param_nth(type, n)) != NULL; n++) {
        if (entra_str_eq_c(name, param->name)) {
            return param;
        }
    }

    return NULL;
}


static int
entra_param_duplicate(entra_str_t name, entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_CONFIG, "duplicate \"%.*s\"",
                         (int) name.len, name.data);
}


static int
entra_param_nwords(const entra_str_t *words, unsigned nwords, unsigned max,
    const char *usage, entra_err_t *err)
{
    if (nwords >= 2 && nwords <= max) {
        return 0;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "\"%.*s\" has %s: write \"%.*s %s;\"",
                         (int) words[0].len, words[0].data,
                         nwords < 2 ? "no value" : "too many values",
                         (int) words[0].len, words[0].data, usage);
}


static int
entra_param_word_ok(entra_str_t name, entra_str_t word, entra_err_t *err)
{
    if (word.len == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "\"%.*s\" is empty",
                             (int) name.len, name.data);
    }

    if (word.len > ENTRA_WORD_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "\"%.*s\" is too long",
                             (int) name.len, name.data);
    }

    if (entra_str_has_control(word)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a control character in the value of \"%.*s\"",
                             (int) name.len, name.data);
    }

    return 0;
}


static int
entra_param_copy(char **field, entra_str_t name, entra_str_t word,
    entra_err_t *err)
{
    if (*field) {
        return entra_param_duplicate(name, err);
    }

    *field = entra_str_dup(word);
    if (*field == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


static int
entra_param_string(char **field, const entra_str_t *words, unsigned nwords,
    const char *usage, entra_err_t *err)
{
    if (entra_param_nwords(words, nwords, 2, usage, err) != 0) {
        return -1;
    }

    /* a key or certificate pasted where its file belongs */

    if (entra_str_starts(words[1], "-----BEGIN")) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" takes the name of a file, not its"
                             " content", (int) words[0].len, words[0].data);
    }

    return entra_param_copy(field, words[0], words[1], err);
}


static int
entra_param_files(char **files, const entra_str_t *words, unsigned nwords,
    entra_err_t *err)
{
    if (entra_param_nwords(words, nwords, 3, "FILE [FILE2]", err) != 0
        || entra_param_copy(&files[0], words[0], words[1], err) != 0)
    {
        return -1;
    }

    if (nwords == 2) {
        return 0;
    }

    if (entra_str_eq(words[1], words[2])) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "both files of \"%.*s\" are the same",
                             (int) words[0].len, words[0].data);
    }

    return entra_param_copy(&files[1], words[0], words[2], err);
}


static int
entra_param_names(char ***names, const entra_str_t *words, unsigned nwords,
    entra_err_t *err)
{
    unsigned  i;

    if (*names) {
        return entra_param_duplicate(words[0], err);
    }

    if (entra_param_nwords(words, nwords, ENTRA_USE_MAX + 1, "NAME ...",
                           err)
        != 0)
    {
        return -1;
    }

    *names = calloc(nwords, sizeof(char *));
    if (*names == NULL) {
        return entra_err_no_memory(err);
    }

    for (i = 1; i < nwords; i++) {
        if (entra_param_copy(&(*names)[i - 1], words[0], words[i], err)
            != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
entra_param_flag(int *flag, const entra_str_t *words, unsigned nwords,
    entra_err_t *err)
{
    if (entra_param_nwords(words, nwords, 2, "on|off", err) != 0) {
        return -1;
    }

    if (*flag != -1) {
        return entra_param_duplicate(words[0], err);
    }

    if (entra_str_case_eq_c(words[1], "on")) {
        *flag = 1;

    } else if (entra_str_case_eq_c(words[1], "off")) {
        *flag = 0;

    } else {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%.*s\" is \"on\" or \"off\", not \"%.*s\"",
                             (int) words[0].len, words[0].data,
                             (int) words[1].len, words[1].data);
    }

    return 0;
}


/* the unit at s: its milliseconds, and its length */

static int64_t
entra_time_unit(entra_str_t s, size_t *len)
{
    *len = 1;

    if (entra_str_starts(s, "ms")) {
        *len = 2;
        return 1;
    }

    switch (s.len ? s.data[0] : 's') {

    case 's':
        *len = s.len ? 1 : 0;
        return 1000;

    case 'm':
        return 60 * 1000;

    case 'h':
        return 3600 * 1000;

    case 'd':
        return 24 * 3600 * 1000;
    }

    return 0;
}


/* as nginx writes times: "10s", "1m30s", "500ms"; seconds without a unit */

static int64_t
entra_param_time(entra_str_t s)
{
    size_t       i, n;
    int64_t      value, unit, total = 0;
    entra_str_t  digits;

    do {
        for (i = 0; i < s.len && entra_is_digit(s.data[i]); i++) {
            /* void */
        }

        digits.data = s.data;
        digits.len = i;
        s.data += i;
        s.len -= i;

        if (entra_str_int(digits, &value) != 0) {
            return -1;
        }

        unit = entra_time_unit(s, &n);

        if (unit == 0 || value > ENTRA_MSEC_MAX / unit) {
            return -1;
        }

        s.data += n;
        s.len -= n;
        total += value * unit;

    } while (s.len && total <= ENTRA_MSEC_MAX);

    return total <= ENTRA_MSEC_MAX ? total : -1;
}


static int
entra_param_msec(int64_t *field, const entra_str_t *words, unsigned nwords,
    entra_err_t *err)
{
    int64_t  ms;

    if (entra_param_nwords(words, nwords, 2, "TIME", err) != 0) {
        return -1;
    }

    if (*field != -1) {
        return entra_param_duplicate(words[0], err);
    }

    ms = entra_param_time(words[1]);

    if (ms <= 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "invalid time \"%.*s\" for \"%.*s\": write"
                             " \"10s\" or \"500ms\"",
                             (int) words[1].len, words[1].data,
                             (int) words[0].len, words[0].data);
    }

    *field = ms;

    return 0;
}


static int
entra_param_own(entra_credential_t *c, const entra_param_t *param,
    const entra_str_t *words, unsigned nwords, entra_err_t *err)
{
    void  *field = (char *) c->conf + param->offset;

    switch (param->kind) {

    case ENTRA_PARAM_STRING:
        return entra_param_string(field, words, nwords, "VALUE", err);

    case ENTRA_PARAM_FILE:
        return entra_param_string(field, words, nwords, "FILE", err);

    case ENTRA_PARAM_DIR:
        return entra_param_string(field, words, nwords, "DIR", err);

    case ENTRA_PARAM_FILES:
        return entra_param_files(field, words, nwords, err);

    case ENTRA_PARAM_NAMES:
        return entra_param_names(field, words, nwords, err);

    case ENTRA_PARAM_FLAG:
        return entra_param_flag(field, words, nwords, err);

    case ENTRA_PARAM_MSEC:
        return entra_param_msec(field, words, nwords, err);
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG, "unknown kind of parameter");
}


static int
entra_param_cloud(entra_credential_t *c, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    char                 *name;
    const entra_cloud_t  *cloud;

    if (entra_param_nwords(words, nwords, 2, "public|china|usgov", err) != 0)
    {
        return -1;
    }

    if (c->cloud_given) {
        return entra_param_duplicate(words[0], err);
    }

    name = entra_str_dup(words[1]);
    if (name == NULL) {
        return entra_err_no_memory(err);
    }

    cloud = entra_cloud_find(name);
    free(name);

    if (cloud == NULL) {
        return entra_cloud_unknown(words[1], err);
    }

    c->cloud = cloud;
    c->cloud_given = 1;

    return 0;
}


/* the cloud may follow in a later line: the names become URIs at the end */

static int
entra_param_scope(entra_credential_t *c, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    char      *scope;
    unsigned   i;

    if (entra_param_nwords(words, nwords, ENTRA_SCOPES_MAX + 1, "SCOPE ...",
                           err)
        != 0)
    {
        return -1;
    }

    if (c->nscopes) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "duplicate \"scope\": write"
                             " all scopes in one \"scope A B;\"");
    }

    for (i = 1; i < nwords; i++) {
        scope = entra_credential_scope(c, words[i], err);
        if (scope == NULL) {
            return -1;
        }

        free(scope);

        if (entra_param_copy(&c->scopes[c->nscopes], words[0], words[i], err)
            != 0)
        {
            return -1;
        }

        c->nscopes++;
    }

    return 0;
}


static int
entra_param_authority(entra_credential_t *c, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    char  *url;

    if (entra_param_nwords(words, nwords, 2, "https://HOST", err) != 0) {
        return -1;
    }

    if (c->authority_host) {
        return entra_param_duplicate(words[0], err);
    }

    url = entra_cloud_authority(words[1], err);
    c->authority_host = url;

    return url ? 0 : -1;
}


/* 1: it was one of them */

static int
entra_param_shared(entra_credential_t *c, const entra_str_t *words,
    unsigned nwords, entra_err_t *err, int *rc)
{
    if (entra_str_eq_c(words[0], "tenant_id")) {
        *rc = entra_param_string(&c->tenant_id, words, nwords, "ID", err);

        if (*rc == 0 && !entra_cloud_tenant_ok(words[1])) {
            *rc = entra_err_set(err, ENTRA_ERR_CONFIG,
                                "\"%.*s\" is not a tenant id: write the"
                                " directory (tenant) ID or a domain name of"
                                " the tenant", (int) words[1].len,
                                words[1].data);
        }

    } else if (entra_str_eq_c(words[0], "client_id")) {
        *rc = entra_param_string(&c->client_id, words, nwords, "ID", err);

    } else if (entra_str_eq_c(words[0], "authority_host")) {
        *rc = entra_param_authority(c, words, nwords, err);

    } else if (entra_str_eq_c(words[0], "cloud")) {
        *rc = entra_param_cloud(c, words, nwords, err);

    } else if (entra_str_eq_c(words[0], "scope")) {
        *rc = entra_param_scope(c, words, nwords, err);

    } else {
        return 0;
    }

    return 1;
}


int
entra_credential_is_param(const entra_credential_t *c, entra_str_t name)
{
    unsigned  n;

    if (entra_credential_param_find(c->type, name)) {
        return 1;
    }

    for (n = 0; entra_common[n]; n++) {
        if (entra_str_eq_c(name, entra_common[n])) {
            return 1;
        }
    }

    for (n = 0; entra_outer[n]; n++) {
        if (entra_str_eq_c(name, entra_outer[n])) {
            return 1;
        }
    }

    return 0;
}


/* one of the type's and the common ones */

static int
entra_param_meant(const entra_credential_type_t *type, entra_str_t name,
    entra_buf_t *out)
{
    unsigned              n;
    entra_suggest_t       s;
    const entra_param_t  *param;

    entra_suggest_begin(&s, name);

    for (n = 0; (param = entra_credential_param_nth(type, n)) != NULL; n++) {
        entra_suggest_offer(&s, entra_str_c(param->name));
    }

    entra_suggest_list(&s, entra_common);
    entra_suggest_list(&s, entra_outer);

    return entra_suggest_add(&s, out);
}


static int
entra_param_unknown(entra_credential_t *c, entra_str_t name,
    entra_err_t *err)
{
    int                                    rc;
    unsigned                               n, other;
    entra_buf_t                            b;
    const entra_param_t                   *param;
    const entra_literal_t                 *literal;
    const entra_credential_type_t  *const *type;

    for (literal = entra_literals; literal->name; literal++) {
        if (entra_str_eq_c(name, literal->name)) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"%s\" with the secret itself is refused,"
                                 " because \"nginx -T\" would print it: write"
                                 " %s", literal->name, literal->instead);
        }
    }

    entra_buf_init(&b, sizeof(err->text));
    entra_buf_addf(&b, "unknown parameter \"%.*s\" of entra_credential"
                   " \"%s\"", (int) (name.len < 64 ? name.len : 64), name.data,
                   c->name);
    other = 0;

    for (type = c->types; type && *type; type++) {
        if (entra_credential_param_find(*type, name)) {
            entra_buf_addf(&b, ", which belongs to the type \"%s\"",
                           (*type)->name);
            other = 1;
            break;
        }
    }

    if (other || !entra_param_meant(c->type, name, &b)) {
        entra_buf_addf(&b, "; \"%s\" has", c->type->name);

        for (n = 0;
             (param = entra_credential_param_nth(c->type, n)) != NULL;
             n++)
        {
            entra_buf_addf(&b, " %s,", param->name);
        }

        for (n = 0; entra_common[n]; n++) {
            entra_buf_addf(&b, " %s,", entra_common[n]);
        }

        entra_buf_add_c(&b, " policies, upstreams, preload");
    }

    rc = entra_err_set(err, ENTRA_ERR_CONFIG, "%s", entra_buf_str(&b).data);
    entra_buf_free(&b);

    return rc;
}


int
entra_credential_param(entra_credential_t *c, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    int                   rc;
    unsigned              i;
    const entra_param_t  *param;

    param = entra_credential_param_find(c->type, words[0]);

    for (i = 1; i < nwords; i++) {
        if (entra_param_word_ok(words[0], words[i], err) != 0) {
            return -1;
        }
    }

    if (param) {
        return entra_param_own(c, param, words, nwords, err);
    }

    if (entra_param_shared(c, words, nwords, err, &rc)) {
        return rc;
    }

    return entra_param_unknown(c, words[0], err);
}
