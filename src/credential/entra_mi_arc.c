
/*
 * Copyright (C) nginx-entra authors
 *
 * Managed identity of a server connected through Azure Arc.  The agent
 * proves that the client may read its token directory: a first request is
 * answered by 401 that names a key file, whose content is sent back.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "entra_env.h"
#include "entra_file.h"
#include "entra_mi_source.h"


#define ENTRA_MI_ARC_AGENT     "/opt/azcmagent/bin/himds"
#define ENTRA_MI_ARC_TOKENS    "/var/opt/azcmagent/tokens"
#define ENTRA_MI_ARC_ENDPOINT                                                 \
    "http://127.0.0.1:40342/metadata/identity/oauth2/token"
#define ENTRA_MI_ARC_API       "2020-06-01"

#define ENTRA_MI_ARC_KEY_MAX   4096
#define ENTRA_MI_ARC_PATH_MAX  1024


static int
entra_mi_arc_detect(const entra_mi_t *mi, const entra_env_t *env)
{
    const char  *agent = mi->arc_agent ? mi->arc_agent : ENTRA_MI_ARC_AGENT;

    return (entra_env_get(env, "IDENTITY_ENDPOINT")
            && entra_env_get(env, "IMDS_ENDPOINT"))
           || access(agent, F_OK) == 0;
}


static int
entra_mi_arc_init(entra_credential_t *c, entra_err_t *err)
{
    entra_mi_t  *mi = c->conf;

    if (entra_env_get(c->env, "IDENTITY_ENDPOINT")
        && entra_env_get(c->env, "IMDS_ENDPOINT"))
    {
        return entra_mi_endpoint(c, "IDENTITY_ENDPOINT", NULL, err);
    }

    mi->endpoint = entra_str_dup(entra_str(ENTRA_MI_ARC_ENDPOINT));
    if (mi->endpoint == NULL) {
        return entra_err_no_memory(err);
    }

    return 0;
}


/* the value of realm in: Basic realm=/path or Basic realm="/path" */

static entra_str_t
entra_mi_arc_realm(entra_str_t header)
{
    entra_str_t  s = entra_str_trim(header);

    if (s.len < 6 || !entra_str_case_eq_c((entra_str_t) { 5, s.data }, "Basic")
        || s.data[5] != ' ')
    {
        return entra_str_null;
    }

    s.data += 6;
    s.len -= 6;
    s = entra_str_trim(s);

    if (s.len < 6
        || !entra_str_case_eq_c((entra_str_t) { 6, s.data }, "realm="))
    {
        return entra_str_null;
    }

    s.data += 6;
    s.len -= 6;

    if (s.len >= 2 && s.data[0] == '"' && s.data[s.len - 1] == '"') {
        s.data++;
        s.len -= 2;
    }

    return s;
}


/* [A-Za-z0-9._-]+ before .key: no separators, no surprises in a log */

static int
entra_mi_arc_name_ok(entra_str_t name)
{
    return name.len > sizeof(".key") - 1 && entra_str_ends(name, ".key")
           && name.data[0] != '.' && entra_str_is_word(name, "._-");
}


char *
entra_mi_arc_challenge(entra_str_t header, const char *dir, entra_err_t *err)
{
    char         *copy;
    size_t        n = strlen(dir);
    entra_str_t   path, name;

    path = entra_mi_arc_realm(header);

    if (path.len == 0) {
        entra_err_set(err, ENTRA_ERR_PROTOCOL,
                      "the Azure Arc agent answered 401 without \"Basic "
                      "realm=<file>\" in WWW-Authenticate");
        return NULL;
    }

    if (path.len > ENTRA_MI_ARC_PATH_MAX || path.len <= n + 1
        || memcmp(path.data, dir, n) != 0 || path.data[n] != '/')
    {
        entra_err_set(err, ENTRA_ERR_PROTOCOL,
                      "the Azure Arc agent's challenge names a file that is "
                      "not in %s: not read", dir);
        return NULL;
    }

    name.data = path.data + n + 1;
    name.len = path.len - n - 1;

    if (!entra_mi_arc_name_ok(name)) {
        entra_err_set(err, ENTRA_ERR_PROTOCOL,
                      "the Azure Arc agent's challenge names a file in %s "
                      "that is not a plain <name>.key: not read", dir);
        return NULL;
    }

    copy = entra_str_dup(path);
    if (copy == NULL) {
        entra_err_no_memory(err);
    }

    return copy;
}


/* a->request gets the key as it is in the file: it is not encoded again */

static int
entra_mi_arc_key(entra_acquire_t *a, const char *path)
{
    int           rc;
    entra_buf_t   value;
    entra_file_t  file;

    if (entra_file_init(&file, path, ENTRA_MI_ARC_KEY_MAX) != 0) {
        return entra_err_no_memory(&a->err);
    }

    if (entra_file_refresh(&file, &a->err) < 0) {
        a->err.advice = "let nginx's user read the Azure Arc agent's keys: "
                        "add it to the group \"himds\" and restart nginx";
        entra_file_free(&file);
        return -1;
    }

    entra_buf_init(&value, ENTRA_MI_ARC_KEY_MAX + 64);
    entra_buf_add_c(&value, "Basic ");
    entra_buf_add_str(&value, entra_file_text(&file));

    rc = entra_buf_ok(&value)
         ? entra_http_request_header(&a->request, "Authorization",
                                     entra_buf_str(&value))
         : -1;

    entra_buf_free(&value);
    entra_file_free(&file);

    if (rc != 0) {
        return entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                             "the Azure Arc agent's key file %s does not hold "
                             "one line of text", path);
    }

    return 0;
}


static entra_next_e
entra_mi_arc_answer(entra_acquire_t *a)
{
    char              *path;
    entra_mi_t        *mi = a->credential->conf;
    entra_mi_state_t  *state = a->state;

    path = entra_mi_arc_challenge(a->reply->www_authenticate,
                                  mi->arc_tokens ? mi->arc_tokens
                                                 : ENTRA_MI_ARC_TOKENS,
                                  &a->err);
    if (path == NULL) {
        return ENTRA_NEXT_FAILED;
    }

    if (entra_mi_get(a, ENTRA_MI_ARC_API) != 0
        || entra_mi_header(a, "Metadata", "true") != 0
        || entra_mi_arc_key(a, path) != 0)
    {
        free(path);
        return ENTRA_NEXT_FAILED;
    }

    free(path);
    state->challenged = 1;

    return ENTRA_NEXT_HTTP;
}


static entra_next_e
entra_mi_arc_step(entra_acquire_t *a)
{
    entra_mi_state_t  *state = a->state;

    if (a->step == 0) {
        return entra_mi_get(a, ENTRA_MI_ARC_API) == 0
               && entra_mi_header(a, "Metadata", "true") == 0
               ? ENTRA_NEXT_HTTP : ENTRA_NEXT_FAILED;
    }

    if (state->challenged) {
        return entra_mi_finish(a);
    }

    if (a->reply->status == 401) {
        return entra_mi_arc_answer(a);
    }

    /* a token without a challenge would not come from the agent */

    if (a->reply->status == 200) {
        entra_err_set(&a->err, ENTRA_ERR_PROTOCOL,
                      "what listens on the Azure Arc agent's address gave a "
                      "token without a challenge: not used");
        return ENTRA_NEXT_FAILED;
    }

    entra_mi_error(a);

    return ENTRA_NEXT_FAILED;
}


const entra_mi_source_t  entra_mi_arc = {
    .name = "Azure Arc",
    .names = { NULL, "client_id", "object_id", "msi_res_id" },
    .echoes = 1,
    .detect = entra_mi_arc_detect,
    .init = entra_mi_arc_init,
    .step = entra_mi_arc_step
};
