
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_cloud.h"
#include "entra_credential.h"
#include "entra_enc.h"
#include "entra_env.h"


#define ENTRA_KEY_MAX       (32 * 1024)
#define ENTRA_SECRETS_MAX   (1024 * 1024)
#define ENTRA_WARNINGS_MAX  (16 * 1024)
#define ENTRA_NOTE_MAX      1024

/* a credential that asks a chain whose member asks another one */
#define ENTRA_CREDENTIAL_DEPTH  4


static int entra_credential_changed_below(const entra_credential_t *c,
    unsigned depth);


static void *
entra_param_at(const entra_credential_t *c, const entra_param_t *param)
{
    return (char *) c->conf + param->offset;
}


entra_credential_t *
entra_credential_create(const entra_credential_type_t *type, entra_str_t name,
    entra_env_t *env)
{
    unsigned              n;
    const entra_param_t  *param;
    entra_credential_t   *c;

    c = calloc(1, sizeof(entra_credential_t));
    if (c == NULL) {
        return NULL;
    }

    c->type = type;
    c->cloud = entra_cloud_find(NULL);
    c->env = env;
    c->name = entra_str_dup(name);
    c->conf = calloc(1, type->conf_size ? type->conf_size : 1);
    entra_buf_init(&c->warnings, ENTRA_WARNINGS_MAX);
    c->group = ENTRA_ACCESS_NO_GROUP;

    if (c->name == NULL || c->conf == NULL) {
        free(c->name);
        free(c->conf);
        free(c);
        return NULL;
    }

    for (n = 0; (param = entra_credential_param_nth(type, n)) != NULL; n++) {

        if (param->kind == ENTRA_PARAM_FLAG) {
            *(int *) entra_param_at(c, param) = -1;

        } else if (param->kind == ENTRA_PARAM_MSEC) {
            *(int64_t *) entra_param_at(c, param) = -1;
        }
    }

    return c;
}


static void
entra_param_free(entra_credential_t *c, const entra_param_t *param)
{
    char  **text, **name;

    text = entra_param_at(c, param);

    switch (param->kind) {

    case ENTRA_PARAM_STRING:
    case ENTRA_PARAM_FILE:
    case ENTRA_PARAM_DIR:
        free(*text);
        break;

    case ENTRA_PARAM_FILES:
        free(text[0]);
        free(text[1]);
        break;

    case ENTRA_PARAM_NAMES:
        for (name = *(char ***) text; name && *name; name++) {
            free(*name);
        }

        free(*(char ***) text);
        break;

    case ENTRA_PARAM_FLAG:
    case ENTRA_PARAM_MSEC:
        break;
    }
}


void
entra_credential_free(entra_credential_t *c)
{
    unsigned              i;
    const entra_param_t  *param;

    if (c == NULL) {
        return;
    }

    if (c->type->free) {
        c->type->free(c);
    }

    for (i = 0; (param = entra_credential_param_nth(c->type, i)) != NULL; i++)
    {
        entra_param_free(c, param);
    }

    for (i = 0; i < c->nscopes; i++) {
        free(c->scopes[i]);
        free(c->written[i]);
    }

    entra_buf_free(&c->warnings);
    free(c->authority_written);
    free(c->tenant_id);
    free(c->client_id);
    free(c->authority_host);
    free(c->conf);
    free(c->name);
    free(c->note);
    free(c);
}


void
entra_credential_note(entra_credential_t *c, entra_str_t text)
{
    char  note[ENTRA_NOTE_MAX];

    entra_err_clean(note, sizeof(note), text);

    if (c->note && strcmp(c->note, note) == 0) {
        return;
    }

    free(c->note);
    c->note = entra_str_dup(entra_str_c(note));
}


void
entra_credential_warn(entra_credential_t *c, const char *fmt, ...)
{
    int      n;
    char     line[1024], clean[1024];
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);

    if (n > 0) {
        entra_err_clean(clean, sizeof(clean), entra_str_c(line));

        if (c->warnings.len) {
            entra_buf_add_char(&c->warnings, '\n');
        }

        entra_buf_add_c(&c->warnings, clean);
    }
}


const char *
entra_credential_meant(const entra_credential_t *c, const char *name,
    char text[ENTRA_SUGGEST_TEXT])
{
    entra_suggest_t  s;

    entra_suggest_begin(&s, entra_str_c(name));

    if (c->offer) {
        c->offer(c->find_data, &s);
    }

    (void) entra_suggest_text(&s, text);

    return text;
}


void
entra_credential_secret_file(entra_credential_t *c, const char *path)
{
    if (path == NULL) {
        return;
    }

    entra_access_secret(path, c->group, &c->warnings);

    if (c->user) {
        entra_access_readable(path, c->user, &c->warnings);
    }
}


int
entra_credential_default(char **field, const char *value)
{
    if (*field || value == NULL || *value == '\0') {
        return 0;
    }

    /* Kubernetes' secrets often end in a newline */

    *field = entra_str_dup(entra_str_trim(entra_str_c(value)));

    return *field ? 0 : -1;
}


/* what nginx.conf says about tenant_id was checked there, the rest was not */

static int
entra_credential_tenant(entra_credential_t *c, entra_err_t *err)
{
    const entra_credential_type_t  *type = c->type;

    if (type->needs_tenant
        && entra_credential_default(&c->tenant_id,
                                 entra_env_get(c->env, "AZURE_TENANT_ID"))
           != 0)
    {
        return entra_err_no_memory(err);
    }

    if (c->tenant_id == NULL) {
        if (!type->needs_tenant) {
            return 0;
        }

        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "tenant_id is missing: write \"tenant_id ID;\""
                             " or set AZURE_TENANT_ID");
    }

    if (entra_str_is_nearly_guid(entra_str_c(c->tenant_id))) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "tenant_id \"%s\" is not a GUID (%zu"
                             " characters), which has 8-4-4-4-12 hexadecimal"
                             " digits: copy the directory (tenant) ID",
                             c->tenant_id, strlen(c->tenant_id));
    }

    if (!entra_cloud_tenant_ok(entra_str_c(c->tenant_id))) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s\" is not a tenant id: write the directory"
                             " (tenant) ID or a domain name of the tenant",
                             c->tenant_id);
    }

    if (!type->delegated && !type->interactive
        && (strcmp(c->tenant_id, "common") == 0
            || strcmp(c->tenant_id, "organizations") == 0
            || strcmp(c->tenant_id, "consumers") == 0))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "tenant_id \"%s\" is for users: an application"
                             " signs in to one tenant, write its directory"
                             " (tenant) ID", c->tenant_id);
    }

    return 0;
}


static int
entra_credential_client(entra_credential_t *c, entra_err_t *err)
{
    const char  *p;

    if (c->type->needs_client_id
        && entra_credential_default(&c->client_id,
                                 entra_env_get(c->env, "AZURE_CLIENT_ID"))
           != 0)
    {
        return entra_err_no_memory(err);
    }

    if (c->client_id == NULL) {
        if (!c->type->needs_client_id) {
            return 0;
        }

        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "client_id is missing: write \"client_id ID;\""
                             " or set AZURE_CLIENT_ID");
    }

    for (p = c->client_id; *p; p++) {
        if (*p < 0x21 || *p > 0x7e || strchr("\"\\<>{}$", *p)) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "client_id holds a character that no"
                                 " application (client) ID has");
        }
    }

    if (entra_str_is_nearly_guid(entra_str_c(c->client_id))) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "client_id \"%s\" is not a GUID (%zu"
                             " characters), which has 8-4-4-4-12 hexadecimal"
                             " digits: copy the application (client) ID",
                             c->client_id, strlen(c->client_id));
    }

    return 0;
}


/* names of an authority, as in MSAL: scope names mean its cloud's */

static const entra_cloud_t *
entra_authority_cloud(const char *authority)
{
    unsigned  i;

    static const char  *const names[][2] = {
        { "https://login.microsoftonline.com", "public" },
        { "https://login.windows.net", "public" },
        { "https://login.microsoft.com", "public" },
        { "https://sts.windows.net", "public" },
        { "https://login.chinacloudapi.cn", "china" },
        { "https://login.partner.microsoftonline.cn", "china" },
        { "https://login.microsoftonline.us", "usgov" },
        { "https://login.usgovcloudapi.net", "usgov" }
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(authority, names[i][0]) == 0) {
            return entra_cloud_find(names[i][1]);
        }
    }

    return NULL;
}


/* servers that are not Entra's have other ones, as AD FS does */

static void
entra_credential_client_form(entra_credential_t *c)
{
    if (c->client_id && !entra_str_is_guid(entra_str_c(c->client_id))
        && entra_authority_cloud(c->authority_host))
    {
        entra_credential_warn(c, "client_id \"%.64s\" is not a GUID (%zu"
                              " characters): copy the application (client)"
                              " ID", c->client_id, strlen(c->client_id));
    }
}


/*
 * "aml" is a resource of a cloud, and which cloud the authority is of is not
 * known: the ones of MSAL's list, login.sovcloud-identity.fr, .de and .sg,
 * have resources of their own.  An emulator on loopback is nobody's cloud.
 */

static void
entra_credential_unknown(entra_credential_t *c)
{
    unsigned     i;
    const char  *host = c->authority_host + sizeof("https://") - 1;

    if (c->cloud_given || entra_authority_cloud(c->authority_host)
        || strncmp(host, "localhost", 9) == 0 || strncmp(host, "127.", 4) == 0
        || strncmp(host, "[::1]", 5) == 0)
    {
        return;
    }

    for (i = 0; i < c->nscopes; i++) {
        if (strchr(c->scopes[i], '/') == NULL) {
            entra_credential_warn(c, "scope %s is taken to be the public"
                                  " cloud's, but authority_host %s is not"
                                  " known to belong to it: write \"cloud"
                                  " public;\" if it does, or the scope's URI",
                                  c->scopes[i], c->authority_host);
        }
    }
}


/*
 * Of ten thousand credentials each freed string would be a hole between what
 * workers share, and be written by them: nothing is freed but the last that
 * was allocated.
 */

static void
entra_credential_replace(char **field, char **written, char *value)
{
    size_t  len = strlen(value);

    if (*field && len <= strlen(*field)) {
        memcpy(*field, value, len + 1);
        free(value);
        return;
    }

    free(*written);
    *written = *field;
    *field = value;
}


static int
entra_credential_authority(entra_credential_t *c, entra_err_t *err)
{
    char                 *url;
    const char           *text;
    const entra_cloud_t  *cloud;

    text = c->authority_host;

    if (text == NULL && !c->cloud_given) {
        text = entra_env_get(c->env, "AZURE_AUTHORITY_HOST");
    }

    if (text == NULL) {
        text = c->cloud->authority_host;
    }

    url = entra_cloud_authority(entra_str_c(text), err);
    if (url == NULL) {
        return -1;
    }

    entra_credential_replace(&c->authority_host, &c->authority_written, url);

    cloud = entra_authority_cloud(c->authority_host);

    if (cloud && !c->cloud_given) {
        c->cloud = cloud;
    }

    if (cloud && cloud != c->cloud) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "authority_host %s belongs to the cloud \"%s\","
                             " not to \"%s\"", c->authority_host,
                             cloud->name, c->cloud->name);
    }

    return 0;
}


char *
entra_credential_scope(const entra_credential_t *c, entra_str_t name,
    entra_err_t *err)
{
    char  *scope;

    if (c->type->no_scope) {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a credential of type \"%s\" has no scope",
                             c->type->name);
        return NULL;
    }

    scope = entra_cloud_scope(c->cloud, name, err);

    if (scope == NULL || c->type->delegated || c->type->interactive
        || entra_str_ends(entra_str_c(scope), "/.default"))
    {
        return scope;
    }

    (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                         "scope \"%s\" does not end in \"/.default\", as the"
                         " ones of an application do: write the resource's"
                         " URI followed by \"/.default\"", scope);
    free(scope);

    return NULL;
}


static int
entra_credential_scopes(entra_credential_t *c, entra_err_t *err)
{
    char      *scope;
    unsigned   i, n;

    entra_credential_unknown(c);

    for (i = 0; i < c->nscopes; i++) {
        scope = entra_credential_scope(c, entra_str_c(c->scopes[i]), err);
        if (scope == NULL) {
            return -1;
        }

        entra_credential_replace(&c->scopes[i], &c->written[i], scope);

        for (n = 0; n < i; n++) {
            if (strcmp(c->scopes[n], c->scopes[i]) == 0) {
                return entra_err_set(err, ENTRA_ERR_CONFIG,
                                     "duplicate scope \"%s\"",
                                     c->scopes[i]);
            }
        }
    }

    return 0;
}


int
entra_credential_init(entra_credential_t *c, entra_err_t *err)
{
    if (c->ready) {
        return 0;
    }

    if (c->type->load && c->type->load(c, err) != 0) {
        return -1;
    }

    if (entra_credential_tenant(c, err) != 0
        || entra_credential_client(c, err) != 0
        || entra_credential_authority(c, err) != 0
        || entra_credential_scopes(c, err) != 0)
    {
        return -1;
    }

    entra_credential_client_form(c);

    if (c->type->init && c->type->init(c, err) != 0) {
        return -1;
    }

    c->ready = 1;

    return 0;
}


int
entra_credential_init_inner(entra_credential_t *c, entra_credential_t *inner,
    entra_err_t *err)
{
    int  rc;

    inner->group = c->group;
    inner->user = c->user;

    rc = entra_credential_init(inner, err);

    if (rc == 0 && inner->warnings.len) {

        if (c->warnings.len) {
            entra_buf_add_char(&c->warnings, '\n');
        }

        entra_buf_add_str(&c->warnings, entra_buf_str(&inner->warnings));
    }

    return rc;
}


/* lengths first: "a" "bc" and "ab" "c" are not the same */

static void
entra_key_field(entra_buf_t *b, entra_str_t text)
{
    entra_buf_addf(b, "%zu:", text.len);
    entra_buf_add_str(b, text);
    entra_buf_add_char(b, ',');
}


void
entra_credential_key(const entra_credential_t *c, entra_str_t scope,
    unsigned char key[32])
{
    entra_buf_t  b, identity;

    entra_buf_init(&b, ENTRA_KEY_MAX);
    entra_buf_init(&identity, ENTRA_KEY_MAX / 2);

    if (c->type->identity) {
        c->type->identity(c, &identity);
    }

    entra_key_field(&b, entra_str_c(c->name));
    entra_key_field(&b, entra_str_c(c->type->name));
    entra_key_field(&b, entra_str_c(c->authority_host));
    entra_key_field(&b, entra_str_c(c->tenant_id));
    entra_key_field(&b, entra_str_c(c->client_id));
    entra_key_field(&b, entra_buf_str(&identity));
    entra_key_field(&b, scope);

    /* never the key of nothing: two such credentials would share tokens */

    if (!entra_buf_ok(&identity) || !entra_buf_ok(&b)) {
        entra_buf_reset(&b);
        entra_buf_addf(&b, "%p %s", (const void *) c, c->name);
    }

    (void) entra_sha256(entra_buf_str(&b), key);

    entra_buf_free(&identity);
    entra_buf_free(&b);
}


int
entra_credential_changed(const entra_credential_t *c)
{
    return entra_credential_changed_below(c, ENTRA_CREDENTIAL_DEPTH);
}


static int
entra_credential_changed_below(const entra_credential_t *c, unsigned depth)
{
    unsigned             i;
    entra_credential_t  *other;

    if (c->changed || c->type->uses == NULL || depth == 0) {
        return c->changed;
    }

    for (i = 0; (other = c->type->uses(c, i)) != NULL; i++) {
        if (entra_credential_changed_below(other, depth - 1)) {
            return 1;
        }
    }

    return 0;
}


void
entra_credential_secret_digest(const entra_credential_t *c,
    unsigned char digest[32])
{
    entra_buf_t  b;

    memset(digest, 0, 32);

    if (c->type->secrets == NULL) {
        return;
    }

    entra_buf_init(&b, ENTRA_SECRETS_MAX);
    c->type->secrets(c, &b);

    if (b.len && entra_buf_ok(&b)) {
        (void) entra_sha256(entra_buf_str(&b), digest);
    }

    entra_buf_free(&b);
}
