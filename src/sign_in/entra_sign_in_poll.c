
/*
 * Copyright (C) nginx-entra authors
 *
 * Device code (RFC 8628): polling until the person has signed in.  One worker
 * polls and holds a lock; when it is gone, another one takes over, whether or
 * not the page is open.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_reply.h"
#include "entra_sign_in_call.h"
#include "entra_token_request.h"


#define ENTRA_POLL_GRANT     "urn:ietf:params:oauth:grant-type:device_code"
#define ENTRA_POLL_LOCK      "poll"
#define ENTRA_POLL_LOCK_TTL  30             /* seconds beyond the interval */
#define ENTRA_POLL_SLOWER    5              /* seconds, section 3.5 */
#define ENTRA_POLL_SLOWEST   60


struct entra_sign_in_poll_s {
    entra_sign_in_poll_t    *next;
    entra_sign_in_t         *site;
    entra_credential_t      *credential;
    unsigned                 slot;
    char                     lock[ENTRA_SESSION_WORD];
    entra_session_t          session;
    entra_acquire_t          a;
    void                    *timer;
    void                    *http;
};


static void entra_poll_arm(entra_sign_in_poll_t *poll);


static void
entra_poll_free(entra_sign_in_poll_t *poll)
{
    entra_platform_t       *platform = poll->site->platform;
    entra_sign_in_poll_t  **p;

    for (p = &poll->site->polls; *p; p = &(*p)->next) {
        if (*p == poll) {
            *p = poll->next;
            break;
        }
    }

    if (poll->timer) {
        platform->timer_cancel(platform->data, poll->timer);
    }

    if (poll->http) {
        platform->http_cancel(platform->data, poll->http);
    }

    entra_session_unlock(poll->credential, ENTRA_POLL_LOCK, poll->slot,
                         poll->lock);

    entra_http_request_free(&poll->a.request);
    entra_token_free(&poll->a.token);
    free(poll->a.scope);
    entra_wipe(poll, sizeof(entra_sign_in_poll_t));
    free(poll);
}


void
entra_sign_in_poll_free(entra_sign_in_t *site)
{
    while (site->polls) {
        entra_poll_free(site->polls);
    }
}


static void
entra_poll_end(entra_sign_in_poll_t *poll, entra_session_progress_e progress,
    const char *text)
{
    entra_session_t  *s = &poll->session;

    s->progress = progress;
    s->expires = entra_acquire_now(&poll->a);
    entra_err_clean(s->text, sizeof(s->text), entra_str_c(text));

    /* no longer needed */
    entra_wipe(s->device_code, sizeof(s->device_code));

    (void) entra_session_put(poll->credential, poll->slot,
                             entra_acquire_now(&poll->a), s);

    if (progress == ENTRA_SESSION_FAILED) {
        entra_sign_in_log(poll->site, poll->credential, ENTRA_LOG_WARN,
                          "sign-in failed: %s", s->text);
    }

    entra_poll_free(poll);
}


static void
entra_poll_refused(entra_sign_in_poll_t *poll, const entra_err_t *err)
{
    char              text[700];
    entra_session_t  *s = &poll->session;

    if (strcmp(err->error, "authorization_pending") == 0) {
        entra_poll_arm(poll);
        return;
    }

    /* a time-out, section 3.5: less often, too */

    if (strcmp(err->error, "slow_down") == 0
        || err->class == ENTRA_ERR_TRANSIENT
        || err->class == ENTRA_ERR_THROTTLED
        || (err->class == ENTRA_ERR_PROTOCOL && err->error[0] == '\0'))
    {
        s->interval += ENTRA_POLL_SLOWER;

        if (s->interval > ENTRA_POLL_SLOWEST) {
            s->interval = ENTRA_POLL_SLOWEST;
        }

        (void) entra_session_put(poll->credential, poll->slot,
                                 entra_acquire_now(&poll->a), s);
        entra_poll_arm(poll);
        return;
    }

    if (strcmp(err->error, "expired_token") == 0) {
        entra_poll_end(poll, ENTRA_SESSION_FAILED, "The code expired before"
                       " anybody signed in.");
        return;
    }

    if (strcmp(err->error, "authorization_declined") == 0
        || strcmp(err->error, "access_denied") == 0)
    {
        entra_poll_end(poll, ENTRA_SESSION_FAILED, "The sign-in was"
                       " declined.");
        return;
    }

    snprintf(text, sizeof(text), "%.300s%s%.200s", err->text,
             err->advice ? "; " : "", err->advice ? err->advice : "");
    entra_poll_end(poll, ENTRA_SESSION_FAILED, text);
}


static void
entra_poll_received(void *ctx, const entra_http_reply_t *reply)
{
    int                    rc;
    char                   user[ENTRA_SIGNED_IN_USER], text[256];
    entra_err_t            err;
    entra_sign_in_poll_t  *poll = ctx;

    poll->http = NULL;
    poll->a.reply = reply;
    entra_err_clear(&err);

    rc = entra_sign_in_accept(poll->site, &poll->a, NULL, user, &err);

    poll->a.reply = NULL;

    if (rc != 0) {
        entra_reply_redact(&err, poll->session.device_code);
        entra_poll_refused(poll, &err);
        return;
    }

    snprintf(text, sizeof(text), "Done: %s has signed in, the gateway now gets"
             " its tokens by itself.", user[0] ? user : "somebody");
    entra_poll_end(poll, ENTRA_SESSION_DONE, text);
}


static int
entra_poll_send(entra_sign_in_poll_t *poll)
{
    entra_acquire_t   *a = &poll->a;
    entra_platform_t  *platform = poll->site->platform;

    entra_http_request_free(&a->request);

    if (entra_sign_in_prepare(a, platform, poll->credential) != 0
        || entra_signed_in_request(a, ENTRA_POLL_GRANT) != 0)
    {
        return -1;
    }

    entra_enc_form_pair(&a->request.body, "device_code",
                        entra_str_c(poll->session.device_code));

    if (entra_token_request_send(a) == ENTRA_NEXT_FAILED) {
        return -1;
    }

    poll->http = platform->http(platform->data, &a->request,
                                entra_poll_received, poll);

    return poll->http ? 0 : -1;
}


/* the slot may be another sign-in's by now: somebody has started over */

static int
entra_poll_reload(entra_sign_in_poll_t *poll)
{
    int              same;
    entra_session_t  s;

    same = entra_session_get(poll->credential, poll->slot,
                             entra_acquire_now(&poll->a), &s)
           && s.kind == ENTRA_SESSION_DEVICE
           && s.progress == ENTRA_SESSION_PENDING
           && (poll->session.device_code[0] == '\0'
               || strcmp(s.device_code, poll->session.device_code) == 0);

    if (same) {
        poll->session = s;
    }

    entra_wipe(&s, sizeof(s));

    return same;
}


static void
entra_poll_due(void *ctx)
{
    entra_sign_in_poll_t  *poll = ctx;

    poll->timer = NULL;

    if (!entra_poll_reload(poll)) {
        entra_poll_free(poll);
        return;
    }

    if (poll->session.expires <= entra_acquire_now(&poll->a)) {
        entra_poll_end(poll, ENTRA_SESSION_FAILED, "The code expired before"
                       " anybody signed in.");
        return;
    }

    entra_session_relock(poll->credential, ENTRA_POLL_LOCK, poll->slot,
                         (unsigned) poll->session.interval
                         + ENTRA_POLL_LOCK_TTL, poll->lock);

    if (entra_poll_send(poll) != 0) {
        entra_poll_arm(poll);
    }
}


static void
entra_poll_arm(entra_sign_in_poll_t *poll)
{
    entra_platform_t  *platform = poll->site->platform;

    poll->timer = platform->timer(platform->data,
                                  (unsigned) poll->session.interval * 1000,
                                  entra_poll_due, poll);

    /* without memory another worker, or this one, finds it again */

    if (poll->timer == NULL) {
        entra_poll_free(poll);
    }
}


void
entra_sign_in_poll(entra_sign_in_t *site, entra_credential_t *c,
    unsigned slot)
{
    entra_sign_in_poll_t  *poll;

    for (poll = site->polls; poll; poll = poll->next) {
        if (poll->credential == c && poll->slot == slot) {

            /* its next look shows that the sign-in is another one */

            entra_poll_free(poll);
            break;
        }
    }

    poll = calloc(1, sizeof(entra_sign_in_poll_t));
    if (poll == NULL) {
        return;
    }

    poll->site = site;
    poll->credential = c;
    poll->slot = slot;
    poll->a.platform = site->platform;
    entra_http_request_init(&poll->a.request);
    entra_token_init(&poll->a.token);
    poll->next = site->polls;
    site->polls = poll;

    if (!entra_poll_reload(poll)
        || entra_session_lock(c, ENTRA_POLL_LOCK, slot,
                              (unsigned) poll->session.interval
                              + ENTRA_POLL_LOCK_TTL, poll->lock) != 0)
    {
        entra_poll_free(poll);
        return;
    }

    entra_poll_arm(poll);
}


static int
entra_poll_here(const entra_sign_in_t *site, const entra_credential_t *c,
    unsigned slot)
{
    const entra_sign_in_poll_t  *poll;

    for (poll = site->polls; poll; poll = poll->next) {
        if (poll->credential == c && poll->slot == slot) {
            return 1;
        }
    }

    return 0;
}


void
entra_sign_in_poll_orphans(entra_sign_in_t *site)
{
    int64_t              now;
    unsigned             i, slot;
    entra_session_t      s;
    entra_credential_t  *c;

    now = site->platform->wall(site->platform->data);

    for (i = 0; i < site->n; i++) {
        c = site->credentials[i];

        for (slot = 0; slot < ENTRA_SESSION_SLOTS; slot++) {

            if (!entra_poll_here(site, c, slot)
                && entra_session_get(c, slot, now, &s)
                && s.kind == ENTRA_SESSION_DEVICE
                && s.progress == ENTRA_SESSION_PENDING)
            {
                entra_sign_in_poll(site, c, slot);
            }
        }
    }

    entra_wipe(&s, sizeof(s));
}
