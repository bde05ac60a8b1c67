
/*
 * Copyright (C) nginx-entra authors
 *
 * What is done with records: each function takes the lock, finds the record
 * by its key, and leaves it in a state that is made in one place.
 */

#include <string.h>

#include "entra_store_memory.h"
#include "entra_token.h"


#define ENTRA_STORE_TEXTS  2048

/*
 * Without any token requests fail: a provider that recovers is noticed
 * sooner than the usual backoff would, ms
 */
#define ENTRA_STORE_BACKOFF_EMPTY  10000


const int64_t  entra_store_took[ENTRA_STORE_TOOK - 1] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000
};


/* for tests, which put an old fault back */
#ifndef ENTRA_STORE_IS
#define ENTRA_STORE_IS(rec, ref)                                              \
    ((rec)->kind == (ref)->kind                                               \
     && memcmp((rec)->key, (ref)->key, ENTRA_STORE_KEY) == 0)
#endif


static entra_store_record_t *entra_store_record(entra_store_t *s,
    entra_store_ref_t *ref);
static void entra_store_hold(entra_store_t *s, entra_store_record_t *rec,
    int hold);
static void entra_store_settle(entra_store_t *s, entra_store_record_t *rec,
    int64_t now);
static int entra_store_owned(entra_store_t *s, entra_store_record_t *rec);
static void entra_store_texts(entra_store_t *s, entra_store_record_t *rec,
    const entra_err_t *err, const char *note, const char *member, int64_t now);
static int entra_store_never_took(const entra_store_record_t *rec);
static void entra_store_add_took(entra_store_record_t *rec, int64_t ms);
static void entra_store_add_text(entra_buf_t *texts, const char *text,
    size_t max);
static void entra_store_text(char *to, size_t size, entra_str_t *rest);
static void entra_store_get_texts(entra_store_t *s, entra_store_record_t *rec,
    entra_store_snapshot_t *snapshot);
static void entra_store_copy(entra_store_record_t *rec,
    entra_store_snapshot_t *snapshot);
static entra_store_record_t *entra_store_sign_in(entra_store_t *s,
    const unsigned char *key, int64_t now);
static int entra_store_insert(entra_store_t *s, const unsigned char *key,
    entra_str_t text, int64_t expires, int64_t now);


/*
 * The one way to a record: that of this key, or NULL.  Where it was is only
 * a hint.
 */

static entra_store_record_t *
entra_store_record(entra_store_t *s, entra_store_ref_t *ref)
{
    entra_store_record_t  *rec;

    rec = ref->index < s->head->records ? &s->records[ref->index] : NULL;

    if (rec && ENTRA_STORE_IS(rec, ref)) {
        return rec;
    }

    rec = entra_store_find(s, ref->key, ref->kind);

    if (rec) {
        ref->index = rec - s->records;

        if (ref->attached) {
            entra_store_hold(s, rec, 1);
        }
    }

    return rec;
}


static void
entra_store_hold(entra_store_t *s, entra_store_record_t *rec, int hold)
{
    uint64_t  bit;

    /* of more processes than that, each finds its records by their keys */

    if (s->process >= ENTRA_STORE_PROCESSES) {
        return;
    }

    bit = (uint64_t) 1 << (s->process % 64);

    if (hold) {
        rec->attached[s->process / 64] |= bit;

    } else {
        rec->attached[s->process / 64] &= ~bit;
    }
}


/*
 * What time has done to it, and what it is after a change: the only place
 * where a state comes from
 */

static void
entra_store_settle(entra_store_t *s, entra_store_record_t *rec, int64_t now)
{
    entra_store_state_e  state;

    if (rec->lease
        && (rec->lease <= now || (s->alive && !s->alive(rec->pid))))
    {
        /* killed in the middle of a fetch, or it hangs */
        rec->lease = 0;
    }

    if (rec->value.len && rec->expires <= now) {
        entra_store_begin(rec);
        (void) entra_store_set(s, rec, &rec->value, NULL, 0, now);
        entra_store_end(rec);
    }

    if (rec->lease) {
        state = rec->value.len ? ENTRA_STORE_REFRESHING : ENTRA_STORE_FETCHING;

    } else if (rec->value.len) {
        state = ENTRA_STORE_VALID;

    } else if (rec->fails) {
        state = ENTRA_STORE_FAILING;

    } else {
        state = rec->expires && rec->expires <= now ? ENTRA_STORE_EXPIRED
                                                    : ENTRA_STORE_EMPTY;
    }

    rec->state = state;
}


static int
entra_store_owned(entra_store_t *s, entra_store_record_t *rec)
{
    return rec->lease && rec->process == s->process && rec->pid == s->pid;
}


void
entra_store_join(entra_store_t *s)
{
    uint32_t               i;
    entra_store_record_t  *rec;

    entra_store_lock(s);

    for (i = 0; i < s->head->records; i++) {
        rec = &s->records[i];

        if (rec->kind == ENTRA_STORE_FREE) {
            continue;
        }

        entra_store_hold(s, rec, 0);

        if (rec->lease && rec->process == s->process
            && s->process < ENTRA_STORE_PROCESSES)
        {
            rec->lease = 0;
        }
    }

    entra_store_unlock(s);
}


/* --- attaching ------------------------------------------------------------ */

int
entra_store_attach(entra_store_t *s, entra_store_ref_t *ref, uint32_t config,
    int64_t now)
{
    entra_store_record_t  *rec;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec == NULL) {
        rec = entra_store_make(s, ref->key, ref->kind, now);

        if (rec) {
            entra_store_end(rec);
        }

    } else {
        entra_store_front(s, rec, now);
    }

    if (rec) {
        ref->index = rec - s->records;
        ref->attached = 1;
        entra_store_hold(s, rec, 1);

        if (rec->config != config) {
            rec->config = config;
            rec->fails = 0;
            rec->next = 0;
        }

        entra_store_settle(s, rec, now);
    }

    entra_store_unlock(s);

    return rec ? 0 : -1;
}


void
entra_store_detach(entra_store_t *s, entra_store_ref_t *ref)
{
    entra_store_record_t  *rec;

    if (!ref->attached) {
        return;
    }

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        entra_store_hold(s, rec, 0);

        if (entra_store_owned(s, rec)) {
            rec->lease = 0;
        }
    }

    ref->attached = 0;

    entra_store_unlock(s);
}


entra_store_atomics_t *
entra_store_atomics(entra_store_t *s, const entra_store_ref_t *ref)
{
    return &s->records[ref->index].atomics;
}


/* --- reading -------------------------------------------------------------- */

int
entra_store_read(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    entra_buf_t *value, entra_store_value_t *v)
{
    int                    rc;
    entra_store_record_t  *rec;

    memset(v, 0, sizeof(entra_store_value_t));
    rc = -1;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        entra_store_settle(s, rec, now);

        v->generation = rec->atomics.generation;
        rc = 0;

        if (rec->value.len) {
            v->expires = rec->expires;
            v->refresh = rec->refresh;
            memcpy(v->digest, rec->digest, ENTRA_STORE_DIGEST);
            rc = 1;

            if (value) {
                entra_store_append(s, &rec->value, value);
            }
        }
    }

    entra_store_unlock(s);

    return rc;
}


int
entra_store_snapshot(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    entra_store_snapshot_t *snapshot, entra_buf_t *claims)
{
    unsigned               i;
    entra_store_record_t  *rec;

    memset(snapshot, 0, sizeof(entra_store_snapshot_t));

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        entra_store_settle(s, rec, now);
        entra_store_copy(rec, snapshot);
        entra_store_get_texts(s, rec, snapshot);

        for (i = 0; i < ENTRA_STORE_COUNTERS; i++) {
            snapshot->counters[i] = rec->atomics.counters[i];
        }

        if (claims) {
            entra_store_append(s, &rec->claims, claims);
        }
    }

    entra_store_unlock(s);

    return rec ? 0 : -1;
}


int
entra_store_peek(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    entra_store_snapshot_t *snapshot)
{
    entra_store_record_t  *rec;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        entra_store_settle(s, rec, now);
        entra_store_copy(rec, snapshot);

    } else {
        memset(snapshot, 0, sizeof(entra_store_snapshot_t));
    }

    entra_store_unlock(s);

    return rec ? 0 : -1;
}


static void
entra_store_copy(entra_store_record_t *rec, entra_store_snapshot_t *snapshot)
{
    snapshot->state = rec->state;
    snapshot->generation = rec->atomics.generation;
    memcpy(snapshot->digest, rec->digest, ENTRA_STORE_DIGEST);
    snapshot->obtained = rec->obtained;
    snapshot->begun = rec->begun;
    snapshot->expires = rec->expires;
    snapshot->refresh = rec->refresh;
    snapshot->lease = rec->lease;
    snapshot->next = rec->next;
    snapshot->fails = rec->fails;

    snapshot->tried = rec->tried;
    snapshot->failed = rec->failed;
    snapshot->error_class = rec->error_class;
    snapshot->error_status = rec->error_status;
    snapshot->error_aadsts = rec->error_aadsts;
    snapshot->error_remedy = rec->error_remedy;
    memcpy(snapshot->error_name, rec->error_name,
           sizeof(snapshot->error_name));

    snapshot->fetches = rec->fetches;
    snapshot->failures = rec->failures;
    snapshot->fetch_ms = rec->fetch_ms;
    memcpy(snapshot->took, rec->took, sizeof(snapshot->took));
    snapshot->waits = rec->atomics.waits;
    snapshot->replays = rec->atomics.replays;
    snapshot->upstream_401 = rec->atomics.upstream_401;
    snapshot->upstream_403 = rec->atomics.upstream_403;
    snapshot->upstream_424 = rec->atomics.upstream_424;
    snapshot->upstream_429 = rec->atomics.upstream_429;
}


/* --- a fetch -------------------------------------------------------------- */

entra_store_lease_e
entra_store_lease(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    const unsigned char *digest, entra_buf_t *claims, entra_buf_t *refused)
{
    entra_store_lease_e    rc;
    entra_store_record_t  *rec;

    rc = ENTRA_STORE_NOT_DUE;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        entra_store_settle(s, rec, now);

        if (rec->lease) {
            rc = ENTRA_STORE_BUSY;

        } else if (rec->next <= now
                   && (rec->value.len == 0 || rec->refresh <= now
                       || memcmp(rec->digest, digest, ENTRA_STORE_DIGEST)
                          != 0))
        {
            rc = ENTRA_STORE_LEASED;

            rec->process = s->process;
            rec->pid = s->pid;
            rec->lease = now + ENTRA_STORE_LEASE;
            rec->fetches++;

            if (rec->kind != ENTRA_STORE_CALLER || rec->fails == 0) {
                entra_store_append(s, &rec->claims, claims);
            }

            if (rec->forced
                && rec->forced_generation == rec->atomics.generation)
            {
                entra_store_append(s, &rec->value, refused);
            }

            entra_store_settle(s, rec, now);
        }
    }

    entra_store_unlock(s);

    return rc;
}


void
entra_store_renew(entra_store_t *s, entra_store_ref_t *ref, int64_t now)
{
    entra_store_record_t  *rec;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec && entra_store_owned(s, rec)) {
        rec->lease = now + ENTRA_STORE_LEASE;
    }

    entra_store_unlock(s);
}


void
entra_store_release(entra_store_t *s, entra_store_ref_t *ref, int64_t next)
{
    entra_store_record_t  *rec;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec && entra_store_owned(s, rec)) {
        rec->lease = 0;
        rec->next = next;
        rec->fetches--;
    }

    entra_store_unlock(s);
}


int
entra_store_success(entra_store_t *s, entra_store_ref_t *ref,
    entra_store_success_t *ok)
{
    int                    rc;
    entra_store_record_t  *rec;

    ok->fails = 0;
    ok->since = 0;
    ok->refused = 0;
    ok->generation = 0;
    ok->first = 0;
    rc = -1;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        ok->fails = rec->fails;
        ok->since = rec->since;
        ok->refused = rec->refused;

        entra_store_begin(rec);

        rc = entra_store_set(s, rec, &rec->value, ok->value.data,
                             ok->value.len, ok->now);
        (void) entra_store_set(s, rec, &rec->claims, NULL, 0, ok->now);
        entra_store_texts(s, rec, NULL, ok->note, ok->member, ok->now);

        memcpy(rec->digest, ok->digest, ENTRA_STORE_DIGEST);
        rec->obtained = ok->now;
        rec->begun = ok->now - ok->took;
        rec->expires = ok->expires;
        rec->refresh = ok->refresh;
        rec->fails = 0;
        rec->next = 0;
        rec->lease = entra_store_owned(s, rec) ? 0 : rec->lease;
        rec->tried = ok->wall;
        ok->first = entra_store_never_took(rec);
        entra_store_add_took(rec, ok->took);

        /* the value is whole: now the others may look */

        entra_store_write();
        ok->generation = ++s->head->generation;

        if (rec->forced && rec->forced_generation == rec->atomics.generation) {
            rec->healed_generation = ok->generation;
        }

        rec->atomics.generation = ok->generation;

        entra_store_end(rec);

        s->head->changes += rec->kind == ENTRA_STORE_SHARED;

        entra_store_front(s, rec, ok->now);
        entra_store_settle(s, rec, ok->now);
    }

    entra_store_unlock(s);

    return rc;
}


void
entra_store_failure(entra_store_t *s, entra_store_ref_t *ref,
    entra_store_failure_t *f)
{
    size_t                 len;
    entra_store_record_t  *rec;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    f->fails = rec ? rec->fails + 1 : 1;
    f->tell = 1;
    f->delay = entra_token_backoff(f->err, f->fails, f->random);

    if (!f->usable && f->err->retry_after <= 0
        && f->delay > ENTRA_STORE_BACKOFF_EMPTY
        && (f->err->class == ENTRA_ERR_TRANSIENT
            || f->err->class == ENTRA_ERR_PROTOCOL))
    {
        f->delay = ENTRA_STORE_BACKOFF_EMPTY;
    }

    /* one whose lease was over meanwhile leaves it to the one who took over */

    if (rec && (rec->lease == 0 || entra_store_owned(s, rec))) {
        entra_store_begin(rec);

        if (f->fails == 1) {
            rec->since = f->now;
            rec->refused = f->refused;
        }

        f->tell = f->fails == 1 || rec->told_class != f->err->class
                  || rec->told_usable != (uint32_t) (f->usable != 0)
                  || f->now - rec->told >= ENTRA_STORE_TELL;

        if (f->tell) {
            rec->told = f->now;
            rec->told_class = f->err->class;
            rec->told_usable = f->usable != 0;
        }

        rec->fails = f->fails;
        rec->next = f->now + f->delay;
        rec->lease = 0;
        rec->failures++;
        entra_store_add_took(rec, f->took);

        rec->tried = f->wall;
        rec->failed = f->wall;
        rec->error_class = f->err->class;
        rec->error_status = f->err->http_status;
        rec->error_aadsts = f->err->aadsts;
        rec->error_remedy = f->err->remedy;
        entra_err_clean(rec->error_name, sizeof(rec->error_name),
                        entra_str_c(f->err->error));

        entra_store_texts(s, rec, f->err, f->note, f->member, f->now);

        /* what an upstream asked for is asked for again */

        if (rec->kind == ENTRA_STORE_CALLER) {
            len = f->claims ? strlen(f->claims) : 0;

            (void) entra_store_set(s, rec, &rec->claims,
                                   len <= ENTRA_STORE_CLAIMS ? f->claims
                                                             : NULL,
                                   len <= ENTRA_STORE_CLAIMS ? len : 0,
                                   f->now);
        }

        entra_store_end(rec);

        entra_store_front(s, rec, f->now);
        entra_store_settle(s, rec, f->now);
    }

    entra_store_unlock(s);
}


entra_store_invalidate_e
entra_store_invalidate(entra_store_t *s, entra_store_ref_t *ref,
    unsigned long generation, entra_str_t claims, int64_t now)
{
    entra_store_record_t      *rec;
    entra_store_invalidate_e   rc;

    rc = ENTRA_STORE_TOO_SOON;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        entra_store_settle(s, rec, now);

        if (rec->value.len && rec->atomics.generation != generation) {
            rc = ENTRA_STORE_NEWER;

        } else if (rec->forced && rec->forced_generation == generation
                   && rec->lease)
        {
            rc = ENTRA_STORE_NEWER;

        } else if (rec->next <= now
                   && (rec->forced == 0
                       || now - rec->forced
                          >= (int64_t) ENTRA_STORE_FORCE << rec->vain))
        {
            entra_store_begin(rec);

            /* the one that was forced is refused, too: less and less often */

            if (rec->forced && claims.len == 0
                && rec->healed_generation == generation)
            {
                rec->vain += rec->vain < ENTRA_STORE_VAIN;

            } else {
                rec->vain = 0;
            }

            rec->forced = now;
            rec->forced_generation = generation;
            rec->refresh = now;

            (void) entra_store_set(s, rec, &rec->claims,
                                   claims.len <= ENTRA_STORE_CLAIMS
                                   ? claims.data : NULL, claims.len, now);
            entra_store_end(rec);

            rc = ENTRA_STORE_FETCH;
        }
    }

    entra_store_unlock(s);

    return rc;
}


int
entra_store_refresh_at(entra_store_t *s, entra_store_ref_t *ref,
    unsigned long generation, int64_t when, int64_t now)
{
    int                    rc;
    entra_store_record_t  *rec;

    rc = -1;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        entra_store_settle(s, rec, now);

        if (rec->value.len && rec->atomics.generation == generation) {
            entra_store_begin(rec);
            rec->refresh = when < rec->refresh ? when : rec->refresh;
            entra_store_end(rec);

            rc = 0;
        }
    }

    entra_store_unlock(s);

    return rc;
}


int
entra_store_renewed(entra_store_t *s, entra_store_ref_t *ref, int64_t now,
    const unsigned char *digest)
{
    int                    rc;
    entra_store_record_t  *rec;

    rc = 0;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec) {
        entra_store_settle(s, rec, now);

        if (memcmp(rec->digest, digest, ENTRA_STORE_DIGEST) != 0) {
            rec->next = 0;
        }

        rc = rec->value.len != 0;
    }

    entra_store_unlock(s);

    return rc;
}


int
entra_store_retry(entra_store_t *s, entra_store_ref_t *ref, int64_t now)
{
    int                    rc;
    entra_store_record_t  *rec;

    rc = 0;

    entra_store_lock(s);

    rec = entra_store_record(s, ref);

    if (rec && rec->fails && rec->next > now
        && rec->error_class != ENTRA_ERR_THROTTLED)
    {
        rec->next = 0;
        rc = 1;
    }

    entra_store_unlock(s);

    return rc;
}


/* --- what the status tells ------------------------------------------------ */

/* what was the last error is told after it is over, too: err NULL keeps it */

static void
entra_store_texts(entra_store_t *s, entra_store_record_t *rec,
    const entra_err_t *err, const char *note, const char *member, int64_t now)
{
    entra_buf_t             texts;
    entra_store_snapshot_t  was;

    entra_buf_init(&texts, ENTRA_STORE_TEXTS);

    if (err) {
        entra_store_add_text(&texts, err->correlation_id,
                             sizeof(was.error_id));
        entra_store_add_text(&texts, err->text, sizeof(was.error_text));
        entra_store_add_text(&texts, err->advice ? err->advice : "",
                             sizeof(was.error_advice));

    } else if (rec->texts.len) {
        entra_store_get_texts(s, rec, &was);
        entra_store_add_text(&texts, was.error_id, sizeof(was.error_id));
        entra_store_add_text(&texts, was.error_text, sizeof(was.error_text));
        entra_store_add_text(&texts, was.error_advice,
                             sizeof(was.error_advice));

    } else if (note || member) {
        entra_buf_add(&texts, "\0\0", 3);
    }

    if (texts.len) {
        entra_store_add_text(&texts, note ? note : "", sizeof(was.note));
        entra_store_add_text(&texts, member ? member : "",
                             sizeof(was.member));
    }

    if (entra_buf_ok(&texts)) {
        (void) entra_store_set(s, rec, &rec->texts, texts.data, texts.len,
                               now);
    }

    entra_buf_free(&texts);
}


/* no fetch has ended so far */

static int
entra_store_never_took(const entra_store_record_t *rec)
{
    unsigned  i;

    for (i = 0; i < ENTRA_STORE_TOOK; i++) {
        if (rec->took[i]) {
            return 0;
        }
    }

    return 1;
}


static void
entra_store_add_took(entra_store_record_t *rec, int64_t ms)
{
    unsigned  i;

    for (i = 0; i < ENTRA_STORE_TOOK - 1 && ms > entra_store_took[i]; i++) {
        /* void */
    }

    rec->took[i]++;
    rec->fetch_ms += ms;
}


static void
entra_store_add_text(entra_buf_t *texts, const char *text, size_t max)
{
    entra_buf_add(texts, text, strnlen(text, max - 1));
    entra_buf_add_char(texts, '\0');
}


static void
entra_store_get_texts(entra_store_t *s, entra_store_record_t *rec,
    entra_store_snapshot_t *snapshot)
{
    entra_buf_t   texts;
    entra_str_t   rest;

    entra_buf_init(&texts, ENTRA_STORE_TEXTS);
    entra_store_append(s, &rec->texts, &texts);

    rest = entra_buf_str(&texts);

    entra_store_text(snapshot->error_id, sizeof(snapshot->error_id), &rest);
    entra_store_text(snapshot->error_text, sizeof(snapshot->error_text),
                     &rest);
    entra_store_text(snapshot->error_advice, sizeof(snapshot->error_advice),
                     &rest);
    entra_store_text(snapshot->note, sizeof(snapshot->note), &rest);
    entra_store_text(snapshot->member, sizeof(snapshot->member), &rest);

    entra_buf_free(&texts);
}


static void
entra_store_text(char *to, size_t size, entra_str_t *rest)
{
    size_t       n;
    entra_str_t  text;

    text = entra_str_cut(rest, '\0');
    n = text.len < size ? text.len : size - 1;

    if (n) {
        memcpy(to, text.data, n);
    }

    to[n] = '\0';
}


/* --- sign-ins ------------------------------------------------------------- */

static entra_store_record_t *
entra_store_sign_in(entra_store_t *s, const unsigned char *key, int64_t now)
{
    entra_store_record_t  *rec;

    rec = entra_store_find(s, key, ENTRA_STORE_SIGN_IN);

    if (rec && rec->expires && rec->expires <= now) {
        entra_store_evict(s, rec);
        return NULL;
    }

    return rec;
}


static int
entra_store_insert(entra_store_t *s, const unsigned char *key,
    entra_str_t text, int64_t expires, int64_t now)
{
    int                    rc;
    entra_store_record_t  *rec;

    rec = entra_store_make(s, key, ENTRA_STORE_SIGN_IN, now);
    if (rec == NULL) {
        return -1;
    }

    rec->expires = expires;
    rc = entra_store_set(s, rec, &rec->value, text.data, text.len, now);

    entra_store_end(rec);

    if (rc != 0) {
        entra_store_evict(s, rec);
    }

    return rc;
}


int
entra_store_put(entra_store_t *s, const unsigned char *key, entra_str_t text,
    int64_t expires, int64_t now)
{
    int                    rc;
    entra_store_record_t  *rec;

    entra_store_lock(s);

    rec = entra_store_sign_in(s, key, now);
    if (rec) {
        entra_store_evict(s, rec);
    }

    rc = entra_store_insert(s, key, text, expires, now);

    entra_store_unlock(s);

    return rc;
}


int
entra_store_add(entra_store_t *s, const unsigned char *key, entra_str_t text,
    int64_t expires, int64_t now)
{
    int  rc;

    entra_store_lock(s);

    rc = entra_store_sign_in(s, key, now)
         ? 1 : entra_store_insert(s, key, text, expires, now);

    entra_store_unlock(s);

    return rc;
}


int
entra_store_get(entra_store_t *s, const unsigned char *key, int64_t now,
    int take, entra_buf_t *text)
{
    entra_store_record_t  *rec;

    entra_store_lock(s);

    rec = entra_store_sign_in(s, key, now);

    if (rec && text) {
        entra_store_append(s, &rec->value, text);
    }

    if (rec && take) {
        entra_store_evict(s, rec);
    }

    entra_store_unlock(s);

    return rec != NULL;
}
