
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_enc.h"
#include "entra_store_copy.h"
#include "entra_store_memory.h"
#include "entra_token.h"


#define ENTRA_STORE_COPY_MAGIC  "nginx-entra copy"      /* 16 bytes */

/* a clock that is not quite the same after a restart, ms */
#define ENTRA_STORE_COPY_AHEAD    5000


/* before each value and its texts; without holes */

typedef struct {
    uint64_t       len;
    uint32_t       kind;
    uint32_t       texts;
    int64_t        obtained;
    int64_t        expires;
    int64_t        refresh;
    unsigned char  key[ENTRA_STORE_KEY];
    unsigned char  digest[ENTRA_STORE_DIGEST];
} entra_store_copy_record_t;


typedef struct {
    char           magic[16];
    uint32_t       version;
    uint32_t       record;      /* its size, and the order of bytes */
    uint64_t       len;
    unsigned char  hash[32];
} entra_store_copy_head_t;


static void entra_store_export_record(entra_store_t *s,
    entra_store_copy_t *copy, entra_store_record_t *rec, entra_buf_t *out);
static int entra_store_copy_sane(entra_store_copy_t *copy,
    entra_store_copy_record_t *r);
static int entra_store_import_record(entra_store_t *s,
    entra_store_copy_t *copy, const entra_store_copy_record_t *r,
    const char *value);
static int entra_store_import_values(entra_store_t *s,
    entra_store_copy_t *copy, entra_store_record_t *rec,
    const entra_store_copy_record_t *r, const char *value);


int
entra_store_export(entra_store_t *s, entra_store_copy_t *copy,
    entra_buf_t *out)
{
    uint32_t               last;
    entra_store_record_t  *rec;

    entra_store_lock(s);

    last = s->head->records;

    if (last - copy->at > ENTRA_STORE_COPY_TURN) {
        last = copy->at + ENTRA_STORE_COPY_TURN;
    }

    for ( /* void */ ; copy->at < last; copy->at++) {
        rec = &s->records[copy->at];

        if (rec->kind != ENTRA_STORE_FREE && rec->kind < ENTRA_STORE_KINDS
            && (copy->kinds & (1U << rec->kind)) && rec->value.len
            && (rec->expires > copy->now
                || (rec->expires == 0 && rec->kind == ENTRA_STORE_SIGN_IN)))
        {
            entra_store_export_record(s, copy, rec, out);
        }
    }

    last = s->head->records;

    entra_store_unlock(s);

    return copy->at < last;
}


static void
entra_store_export_record(entra_store_t *s, entra_store_copy_t *copy,
    entra_store_record_t *rec, entra_buf_t *out)
{
    entra_store_copy_record_t  r;

    memset(&r, 0, sizeof(r));

    r.kind = rec->kind;
    r.len = rec->value.len;
    r.texts = rec->texts.len;
    r.obtained = rec->obtained + copy->shift;
    r.expires = rec->expires ? rec->expires + copy->shift : 0;
    r.refresh = rec->refresh + copy->shift;
    memcpy(r.key, rec->key, ENTRA_STORE_KEY);
    memcpy(r.digest, rec->digest, ENTRA_STORE_DIGEST);

    entra_buf_add(out, &r, sizeof(r));
    entra_store_append(s, &rec->value, out);
    entra_store_append(s, &rec->texts, out);

    copy->copied++;
}


int
entra_store_import(entra_store_t *s, entra_store_copy_t *copy,
    entra_str_t records)
{
    const char                 *value;
    entra_store_copy_record_t   r;

    while (records.len) {

        if (records.len < sizeof(r)) {
            return -1;
        }

        memcpy(&r, records.data, sizeof(r));
        records.data += sizeof(r);
        records.len -= sizeof(r);

        if (r.len == 0 || r.len > records.len
            || r.texts > records.len - r.len
            || r.kind == ENTRA_STORE_FREE || r.kind >= ENTRA_STORE_KINDS)
        {
            return -1;
        }

        value = records.data;
        records.data += r.len + r.texts;
        records.len -= r.len + r.texts;

        if (entra_store_copy_sane(copy, &r)
            && (copy->wanted == NULL
                || copy->wanted(copy->data, r.kind, r.key))
            && entra_store_import_record(s, copy, &r, value) == 0)
        {
            copy->copied++;

        } else {
            copy->dropped++;
        }
    }

    return 0;
}


/* makes times of the store's clock of them; 0: it is of no use */

static int
entra_store_copy_sane(entra_store_copy_t *copy, entra_store_copy_record_t *r)
{
    const int64_t  max = (int64_t) ENTRA_LIFETIME_MAX * 1000;

    if (!(copy->kinds & (1U << r->kind))) {
        return 0;
    }

    if (r->expires == 0) {
        return r->kind == ENTRA_STORE_SIGN_IN;
    }

    /* differences of what may be any number: unsigned, so defined */

    r->expires = (int64_t) ((uint64_t) r->expires - (uint64_t) copy->shift);
    r->obtained = (int64_t) ((uint64_t) r->obtained - (uint64_t) copy->shift);
    r->refresh = (int64_t) ((uint64_t) r->refresh - (uint64_t) copy->shift);

    if (r->expires <= copy->now || r->expires > copy->now + max) {
        return 0;
    }

    /* the clock was set back: nothing tells when it really ends */

    if (r->obtained > copy->now + ENTRA_STORE_COPY_AHEAD) {
        return 0;
    }

    r->obtained = r->obtained < copy->now - max ? copy->now - max
                                                : r->obtained;
    r->refresh = r->refresh < r->obtained ? r->obtained : r->refresh;
    r->refresh = r->refresh > r->expires ? r->expires : r->refresh;

    return 1;
}


static int
entra_store_import_record(entra_store_t *s, entra_store_copy_t *copy,
    const entra_store_copy_record_t *r, const char *value)
{
    int                    rc, made;
    entra_store_record_t  *rec;

    rc = -1;

    entra_store_lock(s);

    rec = entra_store_find(s, r->key, r->kind);
    made = rec == NULL;

    if (rec == NULL) {
        rec = entra_store_make(s, r->key, r->kind, copy->now);

    } else if (rec->value.len
               && (rec->expires == 0 || rec->expires >= r->expires))
    {
        rec = NULL;

    } else {
        entra_store_begin(rec);
    }

    if (rec) {
        rc = entra_store_import_values(s, copy, rec, r, value);
        entra_store_end(rec);

        if (rc != 0 && made) {
            entra_store_evict(s, rec);
        }
    }

    entra_store_unlock(s);

    return rc;
}


static int
entra_store_import_values(entra_store_t *s, entra_store_copy_t *copy,
    entra_store_record_t *rec, const entra_store_copy_record_t *r,
    const char *value)
{
    if (entra_store_set(s, rec, &rec->value, value, r->len, copy->now) != 0) {
        return -1;
    }

    (void) entra_store_set(s, rec, &rec->texts, value + r->len, r->texts,
                           copy->now);

    memcpy(rec->digest, r->digest, ENTRA_STORE_DIGEST);
    rec->obtained = r->obtained;
    rec->expires = r->expires;
    rec->refresh = r->refresh;

    entra_store_write();
    rec->atomics.generation = ++s->head->generation;

    return 0;
}


int
entra_store_copy_head(entra_str_t records, unsigned char *head)
{
    entra_store_copy_head_t  h;

    memset(head, 0, ENTRA_STORE_COPY_HEAD);
    memset(&h, 0, sizeof(h));

    memcpy(h.magic, ENTRA_STORE_COPY_MAGIC, sizeof(h.magic));
    h.version = ENTRA_STORE_COPY_VERSION;
    h.record = sizeof(entra_store_copy_record_t);
    h.len = records.len;

    if (entra_sha256(records, h.hash) != 0) {
        return -1;
    }

    memcpy(head, &h, sizeof(h));

    return 0;
}


int
entra_store_copy_open(entra_str_t message, entra_str_t *records)
{
    unsigned char            hash[32];
    entra_store_copy_head_t  h;

    if (message.len < ENTRA_STORE_COPY_HEAD) {
        return -1;
    }

    memcpy(&h, message.data, sizeof(h));

    if (memcmp(h.magic, ENTRA_STORE_COPY_MAGIC, sizeof(h.magic)) != 0) {
        return -1;
    }

    if (h.version != ENTRA_STORE_COPY_VERSION
        || h.record != sizeof(entra_store_copy_record_t))
    {
        return 0;
    }

    records->data = message.data + ENTRA_STORE_COPY_HEAD;
    records->len = message.len - ENTRA_STORE_COPY_HEAD;

    return h.len == records->len && entra_sha256(*records, hash) == 0
           && memcmp(hash, h.hash, sizeof(hash)) == 0 ? 1 : -1;
}
