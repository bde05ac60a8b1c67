
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_credential.h"
#include "entra_file.h"
#include "entra_json.h"
#include "entra_json_write.h"
#include "entra_signed_in.h"
#include "entra_state_file.h"


int
entra_signed_in_token_ok(const char *refresh_token)
{
    size_t  i;

    for (i = 0; refresh_token[i]; i++) {
        if (refresh_token[i] < ' ' || refresh_token[i] > 0x7e
            || i == ENTRA_SIGNED_IN_TOKEN_MAX)
        {
            return 0;
        }
    }

    return i != 0;
}


void
entra_signed_in_free(entra_signed_in_t *record)
{
    entra_free_secret(record->refresh_token);
    entra_wipe(record, sizeof(entra_signed_in_t));
}


int
entra_signed_in_write(const entra_signed_in_t *record, entra_buf_t *out)
{
    entra_buf_add_char(out, '{');
    entra_json_add_int(out, "v", 1);
    entra_json_add_int(out, "since", record->since);
    entra_json_add_c(out, "id", record->id);
    entra_json_add_c(out, "user", record->user);
    entra_json_add_c(out, "why", record->why);
    entra_json_add_int(out, "aadsts", record->aadsts);

    if (record->refresh_token) {
        entra_json_add_c(out, "refresh_token", record->refresh_token);
    }

    entra_buf_add_char(out, '}');

    return entra_buf_ok(out) ? 0 : -1;
}


static int
entra_signed_in_members(const entra_json_t *root, entra_signed_in_t *record)
{
    int64_t      version;
    entra_str_t  id, token;

    id = entra_json_member_string(root, "id");
    token = entra_json_member_string(root, "refresh_token");

    if (entra_json_member_int64(root, "v", &version) != 0 || version != 1
        || entra_json_member_int64(root, "since", &record->since) != 0
        || id.len >= sizeof(record->id))
    {
        return -1;
    }

    entra_err_clean(record->id, sizeof(record->id), id);
    entra_err_clean(record->user, sizeof(record->user),
                    entra_json_member_string(root, "user"));
    entra_err_clean(record->why, sizeof(record->why),
                    entra_json_member_string(root, "why"));

    if (entra_json_member_int64(root, "aadsts", &record->aadsts) != 0
        || record->aadsts < 0 || record->aadsts > UINT32_MAX)
    {
        record->aadsts = 0;
    }

    if (token.len) {
        record->refresh_token = entra_str_dup(token);
        return record->refresh_token && record->id[0]
               && entra_signed_in_token_ok(record->refresh_token) ? 0 : -1;
    }

    return 0;
}


int
entra_signed_in_read(entra_str_t text, entra_signed_in_t *record)
{
    int            rc;
    entra_json_t  *root;

    memset(record, 0, sizeof(entra_signed_in_t));

    root = entra_json_parse(text, ENTRA_STATE_MAX,
                            ENTRA_JSON_UNIQUE | ENTRA_JSON_OBJECT);
    rc = entra_signed_in_members(root, record);
    entra_json_free(root);

    if (rc != 0) {
        entra_signed_in_free(record);
    }

    return rc;
}


/* 1: the store has a record */

static int
entra_signed_in_get(const entra_credential_t *c, entra_signed_in_t *record)
{
    int            found;
    entra_buf_t    blob;
    unsigned char  key[ENTRA_SESSION_KEY];

    if (c->store == NULL) {
        return 0;
    }

    entra_session_key(c, "signed-in", 0, key);
    entra_buf_init(&blob, ENTRA_SESSION_BLOB_MAX);

    found = c->store->get(c->store->data, key, &blob) == 1
            && entra_signed_in_read(entra_buf_str(&blob), record) == 0;

    entra_buf_free(&blob);

    return found;
}


static int
entra_signed_in_put(const entra_credential_t *c,
    const entra_signed_in_t *record, int only_if_absent)
{
    int            rc = -1;
    entra_buf_t    blob;
    unsigned char  key[ENTRA_SESSION_KEY];

    if (c->store == NULL) {
        return -1;
    }

    entra_session_key(c, "signed-in", 0, key);
    entra_buf_init(&blob, ENTRA_SESSION_BLOB_MAX);

    if (entra_signed_in_write(record, &blob) == 0) {
        rc = only_if_absent
             ? c->store->add(c->store->data, key, entra_buf_str(&blob), 0)
             : c->store->put(c->store->data, key, entra_buf_str(&blob), 0);
    }

    entra_buf_free(&blob);

    return rc;
}


/* the owner of the file: no other credential can decrypt it */

static entra_str_t
entra_signed_in_owner(const entra_credential_t *c, unsigned char key[32])
{
    entra_credential_key(c, entra_str("state"), key);

    return (entra_str_t) { 32, (const char *) key };
}


/* 1: the file has a record; 0: there is no file; -1 and err */

static int
entra_signed_in_file(entra_credential_t *c, entra_signed_in_t *record,
    entra_err_t *err)
{
    int                      rc;
    entra_buf_t              sealed, plain;
    unsigned char            key[32];
    entra_signed_in_conf_t  *conf = c->conf;

    if (conf->state_file == NULL) {
        return 0;
    }

    entra_buf_init(&sealed, ENTRA_STATE_MAX);
    entra_buf_init(&plain, ENTRA_STATE_MAX);

    rc = entra_state_file_read(conf->state_file, &sealed, err);

    if (rc == 1 && !entra_state_is_sealed(entra_buf_str(&sealed))) {
        err->advice = "remove it, or name another file that does not exist"
                      " yet: the first sign-in writes it";
        rc = entra_err_set(err, ENTRA_ERR_CONFIG,
                           "state_file \"%s\" cannot be decrypted: it is not"
                           " one that the gateway wrote", conf->state_file);
    }

    if (rc == 1
        && (entra_state_open(entra_file_text(&conf->key),
                             entra_signed_in_owner(c, key),
                             entra_buf_str(&sealed), &plain) != 0
            || entra_signed_in_read(entra_buf_str(&plain), record) != 0))
    {
        err->advice = "give it back the key it was written with, or sign in"
                      " again, which replaces it";
        rc = entra_err_set(err, ENTRA_ERR_CONFIG,
                           "state_file \"%s\" cannot be decrypted: it was"
                           " written with another key, for a credential of"
                           " another name, tenant or client id, or it was"
                           " changed", conf->state_file);
    }

    entra_buf_free(&sealed);
    entra_buf_free(&plain);

    return rc;
}


static int
entra_signed_in_file_save(entra_credential_t *c,
    const entra_signed_in_t *record, entra_err_t *err)
{
    int                      rc;
    entra_buf_t              sealed, plain;
    unsigned char            key[32];
    entra_signed_in_conf_t  *conf = c->conf;

    if (conf->state_file == NULL) {
        return 0;
    }

    entra_buf_init(&sealed, ENTRA_STATE_MAX);
    entra_buf_init(&plain, ENTRA_STATE_MAX);

    if (entra_signed_in_write(record, &plain) == 0
        && entra_state_seal(entra_file_text(&conf->key),
                            entra_signed_in_owner(c, key),
                            entra_buf_str(&plain), &sealed) == 0)
    {
        rc = entra_state_file_write(conf->state_file, entra_buf_str(&sealed),
                                    err);

    } else {
        rc = entra_err_set(err, ENTRA_ERR_TRANSIENT,
                           "state_file \"%s\" could not be encrypted",
                           conf->state_file);
    }

    entra_buf_free(&sealed);
    entra_buf_free(&plain);

    return rc;
}


int
entra_signed_in_load(entra_credential_t *c, entra_signed_in_t *record,
    entra_err_t *err)
{
    int                rc;
    entra_signed_in_t  other;

    memset(record, 0, sizeof(entra_signed_in_t));

    if (!entra_signed_in_get(c, record)) {
        rc = entra_signed_in_file(c, record, err);

        if (rc < 0) {
            return -1;
        }

        /* somebody may have signed in meanwhile */

        if (rc == 1 && entra_signed_in_put(c, record, 1) == 1
            && entra_signed_in_get(c, &other))
        {
            entra_signed_in_free(record);
            *record = other;
        }
    }

    return 0;
}


int
entra_signed_in_save(entra_credential_t *c, const entra_signed_in_t *record,
    entra_err_t *err)
{
    int                      shared;
    entra_signed_in_conf_t  *conf = c->conf;

    memcpy(conf->id, record->id, sizeof(conf->id));

    shared = entra_signed_in_put(c, record, 0) == 0;

    if (conf->state_file == NULL) {
        if (shared) {
            return 0;
        }

        err->advice = "write a larger \"entra_shared_zone zone=NAME:SIZE;\"";
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "there is no room in the shared zone to keep the"
                             " refresh token");
    }

    if (entra_signed_in_file_save(c, record, err) == 0) {
        return 0;
    }

    return shared ? 1 : -1;
}


void
entra_signed_in_discard(entra_credential_t *c, const char *refresh_token,
    const char *why, uint32_t aadsts, entra_err_t *err)
{
    int                      current;
    entra_signed_in_t        record;
    entra_signed_in_conf_t  *conf = c->conf;

    if (entra_signed_in_load(c, &record, err) != 0) {
        return;
    }

    current = record.refresh_token
              && strcmp(record.refresh_token, refresh_token) == 0;
    entra_signed_in_free(&record);

    if (!current) {
        return;
    }

    entra_err_clean(record.why, sizeof(record.why), entra_str_c(why));
    record.aadsts = aadsts;
    (void) entra_signed_in_put(c, &record, 0);
    conf->id[0] = '\0';

    if (conf->state_file) {
        (void) entra_state_file_remove(conf->state_file, err);
    }
}


int
entra_signed_in_watch(entra_credential_t *c, entra_err_t *err)
{
    int                      rc = 0, key = 0;
    entra_signed_in_t        record;
    entra_signed_in_conf_t  *conf = c->conf;

    if (conf->state_key_file) {
        key = entra_file_refresh(&conf->key, err);
    }

    if (!entra_signed_in_get(c, &record)) {
        return key < 0 ? -1 : 0;
    }

    if (strcmp(record.id, conf->seen) != 0) {
        memcpy(conf->seen, record.id, sizeof(conf->seen));
        memcpy(conf->id, record.id, sizeof(conf->id));
        rc = 1;
    }

    if (key == 1 && record.refresh_token
        && entra_signed_in_file_save(c, &record, err) != 0)
    {
        key = -1;
    }

    entra_signed_in_free(&record);

    return rc ? rc : key < 0 ? -1 : 0;
}


/* two people may have signed in to the same application */

void
entra_signed_in_identity(const entra_credential_t *c, entra_buf_t *out)
{
    entra_buf_addf(out, "sign_in=%s", c->name);
}


void
entra_signed_in_secrets(const entra_credential_t *c, entra_buf_t *out)
{
    const entra_signed_in_conf_t  *conf = c->conf;

    entra_buf_add_c(out, conf->id);
}
