
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "entra_credential.h"
#include "entra_enc.h"
#include "entra_json.h"
#include "entra_json_write.h"
#include "entra_session.h"


static void
entra_session_word(const unsigned char bytes[32],
    char word[ENTRA_SESSION_WORD])
{
    entra_buf_t  b;

    entra_buf_init(&b, ENTRA_SESSION_WORD);
    entra_enc_base64url(&b, bytes, 32);

    memset(word, 0, ENTRA_SESSION_WORD);

    if (entra_buf_ok(&b) && b.len < ENTRA_SESSION_WORD) {
        memcpy(word, b.data, b.len);
    }

    entra_buf_free(&b);
}


int
entra_session_random(char word[ENTRA_SESSION_WORD])
{
    unsigned char  bytes[32];

    word[0] = '\0';

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return -1;
    }

    entra_session_word(bytes, word);
    entra_wipe(bytes, sizeof(bytes));

    return word[0] ? 0 : -1;
}


void
entra_session_digest(entra_str_t text, char word[ENTRA_SESSION_WORD])
{
    unsigned char  digest[ENTRA_SHA256_LEN];

    word[0] = '\0';

    if (entra_sha256(text, digest) == 0) {
        entra_session_word(digest, word);
    }
}


int
entra_session_equal(const char *word, entra_str_t text)
{
    size_t  n = strlen(word);

    return n != 0 && n == text.len
           && CRYPTO_memcmp(word, text.data, n) == 0;
}


void
entra_session_key(const entra_credential_t *c, const char *purpose,
    unsigned n, unsigned char key[ENTRA_SESSION_KEY])
{
    char  name[64];

    snprintf(name, sizeof(name), "session %s %u", purpose, n);

    entra_credential_key(c, entra_str_c(name), key);
}


int
entra_session_write(const entra_session_t *session, entra_buf_t *out)
{
    entra_buf_add_char(out, '{');
    entra_json_add_int(out, "v", 1);
    entra_json_add_int(out, "kind", session->kind);
    entra_json_add_int(out, "progress", session->progress);
    entra_json_add_int(out, "created", session->created);
    entra_json_add_int(out, "expires", session->expires);
    entra_json_add_int(out, "interval", session->interval);

    entra_json_add_c(out, "browser", session->browser);
    entra_json_add_c(out, "state", session->state);
    entra_json_add_c(out, "verifier", session->verifier);
    entra_json_add_c(out, "nonce", session->nonce);
    entra_json_add_c(out, "device_code", session->device_code);
    entra_json_add_c(out, "user_code", session->user_code);
    entra_json_add_c(out, "uri", session->uri);
    entra_json_add_c(out, "text", session->text);
    entra_buf_add_char(out, '}');

    return entra_buf_ok(out) ? 0 : -1;
}


int
entra_session_text(const entra_json_t *root, const char *name, char *dst,
    size_t size)
{
    size_t       i;
    entra_str_t  text;

    if (entra_json_string(entra_json_member(root, name), &text) != 0
        || text.len >= size)
    {
        return -1;
    }

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] > 0x7e) {
            return -1;
        }
    }

    memcpy(dst, text.data, text.len);
    dst[text.len] = '\0';

    return 0;
}


static int
entra_session_members(const entra_json_t *root, entra_session_t *s)
{
    int64_t  version, kind, progress;

    if (entra_json_member_int64(root, "v", &version) != 0 || version != 1
        || entra_json_member_int64(root, "kind", &kind) != 0
        || entra_json_member_int64(root, "progress", &progress) != 0
        || entra_json_member_int64(root, "created", &s->created) != 0
        || entra_json_member_int64(root, "expires", &s->expires) != 0
        || entra_json_member_int64(root, "interval", &s->interval) != 0
        || kind < ENTRA_SESSION_CODE || kind > ENTRA_SESSION_DEVICE
        || progress < ENTRA_SESSION_PENDING
        || progress > ENTRA_SESSION_FAILED)
    {
        return -1;
    }

    s->kind = (entra_session_kind_e) kind;
    s->progress = (entra_session_progress_e) progress;

    return entra_session_text(root, "browser", s->browser, sizeof(s->browser))
           | entra_session_text(root, "state", s->state, sizeof(s->state))
           | entra_session_text(root, "verifier", s->verifier,
                                sizeof(s->verifier))
           | entra_session_text(root, "nonce", s->nonce, sizeof(s->nonce))
           | entra_session_text(root, "device_code", s->device_code,
                                sizeof(s->device_code))
           | entra_session_text(root, "user_code", s->user_code,
                                sizeof(s->user_code))
           | entra_session_text(root, "uri", s->uri, sizeof(s->uri))
           | entra_session_text(root, "text", s->text, sizeof(s->text));
}


int
entra_session_read(entra_str_t text, entra_session_t *session)
{
    int            rc;
    entra_json_t  *root;

    memset(session, 0, sizeof(entra_session_t));

    root = entra_json_parse(text, ENTRA_SESSION_BLOB_MAX,
                            ENTRA_JSON_UNIQUE | ENTRA_JSON_OBJECT);
    rc = entra_session_members(root, session);
    entra_json_free(root);

    if (rc != 0) {
        entra_wipe(session, sizeof(entra_session_t));
        return -1;
    }

    return 0;
}


typedef int (*entra_session_get_pt)(void *data,
    const unsigned char key[ENTRA_SESSION_KEY], entra_buf_t *blob);


static int
entra_session_fetch(const entra_credential_t *c, unsigned slot, int64_t now,
    entra_session_get_pt get, entra_session_t *session)
{
    int            found;
    entra_buf_t    blob;
    unsigned char  key[ENTRA_SESSION_KEY];

    entra_session_key(c, "sign-in", slot, key);
    entra_buf_init(&blob, ENTRA_SESSION_BLOB_MAX);

    found = get(c->store->data, key, &blob) == 1
            && entra_session_read(entra_buf_str(&blob), session) == 0
            && session->expires + ENTRA_SESSION_SHOWN > now;

    entra_buf_free(&blob);

    return found;
}


int
entra_session_get(const entra_credential_t *c, unsigned slot, int64_t now,
    entra_session_t *session)
{
    return c->store
           && entra_session_fetch(c, slot, now, c->store->get, session);
}


int
entra_session_take(const entra_credential_t *c, unsigned slot, int64_t now,
    entra_session_t *session)
{
    return c->store
           && entra_session_fetch(c, slot, now, c->store->take, session);
}


int
entra_session_put(const entra_credential_t *c, unsigned slot, int64_t now,
    const entra_session_t *session)
{
    int            rc = -1;
    int64_t        ttl;
    entra_buf_t    blob;
    unsigned char  key[ENTRA_SESSION_KEY];

    if (c->store == NULL) {
        return -1;
    }

    ttl = session->expires - now + ENTRA_SESSION_SHOWN;

    if (ttl < 1) {
        ttl = 1;
    }

    entra_session_key(c, "sign-in", slot, key);
    entra_buf_init(&blob, ENTRA_SESSION_BLOB_MAX);

    if (entra_session_write(session, &blob) == 0) {
        rc = c->store->put(c->store->data, key, entra_buf_str(&blob),
                           (unsigned) ttl);
    }

    entra_buf_free(&blob);

    return rc;
}


unsigned
entra_session_slot(const entra_credential_t *c, const char *browser,
    int64_t now)
{
    int64_t          oldest = 0;
    unsigned         i, empty = ENTRA_SESSION_SLOTS, slot = 0;
    entra_session_t  session;

    for (i = 0; i < ENTRA_SESSION_SLOTS; i++) {

        if (!entra_session_get(c, i, now, &session)) {
            empty = empty == ENTRA_SESSION_SLOTS ? i : empty;
            continue;
        }

        if (strcmp(session.browser, browser) == 0) {
            entra_wipe(&session, sizeof(session));
            return i;
        }

        if (oldest == 0 || session.created < oldest) {
            oldest = session.created;
            slot = i;
        }
    }

    entra_wipe(&session, sizeof(session));

    return empty < ENTRA_SESSION_SLOTS ? empty : slot;
}


int
entra_session_find(const entra_credential_t *c, const char *browser,
    int64_t now, entra_session_t *session)
{
    unsigned  i;

    for (i = 0; i < ENTRA_SESSION_SLOTS && browser[0]; i++) {
        if (entra_session_get(c, i, now, session)
            && entra_session_equal(session->browser, entra_str_c(browser)))
        {
            return (int) i;
        }
    }

    entra_wipe(session, sizeof(entra_session_t));

    return -1;
}


int
entra_session_lock(const entra_credential_t *c, const char *purpose,
    unsigned n, unsigned ttl, char owner[ENTRA_SESSION_WORD])
{
    unsigned char  key[ENTRA_SESSION_KEY];

    owner[0] = '\0';

    if (c->store == NULL || entra_session_random(owner) != 0) {
        return 0;
    }

    entra_session_key(c, purpose, n, key);

    if (c->store->add(c->store->data, key, entra_str_c(owner), ttl) == 1) {
        owner[0] = '\0';
        return 1;
    }

    return 0;
}


static int
entra_session_owns(const entra_credential_t *c,
    const unsigned char key[ENTRA_SESSION_KEY], const char *owner)
{
    int          mine;
    entra_buf_t  b;

    entra_buf_init(&b, ENTRA_SESSION_WORD);

    mine = c->store->get(c->store->data, key, &b) == 1
           && entra_str_eq_c(entra_buf_str(&b), owner);

    entra_buf_free(&b);

    return mine;
}


void
entra_session_relock(const entra_credential_t *c, const char *purpose,
    unsigned n, unsigned ttl, const char *owner)
{
    unsigned char  key[ENTRA_SESSION_KEY];

    if (c->store == NULL || owner[0] == '\0') {
        return;
    }

    entra_session_key(c, purpose, n, key);

    if (entra_session_owns(c, key, owner)) {
        (void) c->store->put(c->store->data, key, entra_str_c(owner), ttl);
    }
}


void
entra_session_unlock(const entra_credential_t *c, const char *purpose,
    unsigned n, const char *owner)
{
    unsigned char  key[ENTRA_SESSION_KEY];

    if (c->store == NULL || owner[0] == '\0') {
        return;
    }

    entra_session_key(c, purpose, n, key);

    if (entra_session_owns(c, key, owner)) {
        c->store->remove(c->store->data, key);
    }
}
