
/*
 * Copyright (C) nginx-entra authors
 *
 * What the workers have to share while somebody signs in, and afterwards.
 *
 * A sign-in begins in one worker, the browser comes back to another one, and
 * a third one refreshes the tokens.  So all that is known about it is a blob
 * in a store, which the nginx module keeps in shared memory.
 */

#ifndef ENTRA_SESSION_H
#define ENTRA_SESSION_H


#include "entra_err.h"
#include "entra_iface.h"


#define ENTRA_SESSION_KEY       32          /* bytes of a key */
#define ENTRA_SESSION_BLOB_MAX  (32 * 1024)

/*
 * Sign-ins of one credential that are under way; a new one replaces the
 * oldest.  With the record of who has signed in and two locks, a credential
 * has at most 11 blobs, most of them of one or two KB.
 */
#define ENTRA_SESSION_SLOTS     8

#define ENTRA_SESSION_LIFE      900         /* s, until the browser is back */
#define ENTRA_SESSION_SHOWN     600         /* s, its outcome is shown */


/*
 * The interface of the store.  Every function is atomic across all workers.
 * ttl is in seconds, counted by a clock that does not step; 0: for ever.
 * Blobs hold secrets: they are wiped before their memory is given back.
 */

typedef struct entra_session_store_s  entra_session_store_t;

struct entra_session_store_s {
    void   *data;                           /* first argument of each */

    /* replaces what is there; 0, or -1: no room (what was there is gone) */
    int   (*put)(void *data, const unsigned char key[ENTRA_SESSION_KEY],
              entra_str_t blob, unsigned ttl);

    /* unless something is there: 0; 1: it is there, untouched; -1: no room */
    int   (*add)(void *data, const unsigned char key[ENTRA_SESSION_KEY],
              entra_str_t blob, unsigned ttl);

    /* 1: appended to blob; 0: not there, or expired */
    int   (*get)(void *data, const unsigned char key[ENTRA_SESSION_KEY],
              entra_buf_t *blob);

    /* get and remove in one: of two callers, one gets 0 */
    int   (*take)(void *data, const unsigned char key[ENTRA_SESSION_KEY],
              entra_buf_t *blob);

    void  (*remove)(void *data, const unsigned char key[ENTRA_SESSION_KEY]);
};


struct entra_credential_s;
struct entra_json_s;


typedef enum {
    ENTRA_SESSION_CODE = 1,                 /* authorization code, PKCE */
    ENTRA_SESSION_DEVICE
} entra_session_kind_e;

typedef enum {
    ENTRA_SESSION_PENDING = 1,
    ENTRA_SESSION_DONE,
    ENTRA_SESSION_FAILED
} entra_session_progress_e;


/* base64url of 32 random bytes, or of a SHA-256, with its NUL */
#define ENTRA_SESSION_WORD  44


/* somebody who is signing in; times are seconds since the epoch */

typedef struct {
    entra_session_kind_e      kind;
    entra_session_progress_e  progress;
    char                      browser[ENTRA_SESSION_WORD];  /* its cookie's
                                                               SHA-256 */
    int64_t                   created;
    int64_t                   expires;

    /* ENTRA_SESSION_CODE */
    char                      state[ENTRA_SESSION_WORD];
    char                      verifier[ENTRA_SESSION_WORD];
    char                      nonce[ENTRA_SESSION_WORD];

    /* ENTRA_SESSION_DEVICE */
    char                      device_code[2048];
    char                      user_code[64];
    char                      uri[512];
    int64_t                   interval;             /* seconds */

    char                      text[400];            /* of the outcome */
} entra_session_t;


/* a random word; -1 without randomness */
int entra_session_random(char word[ENTRA_SESSION_WORD]);

/* SHA-256 of text as a word */
void entra_session_digest(entra_str_t text, char word[ENTRA_SESSION_WORD]);

/* constant time, for words and what is compared with them */
int entra_session_equal(const char *word, entra_str_t text);

/*
 * The key of a blob: of one credential (the same in all workers and after a
 * reload), for a purpose, the n-th.
 */
void entra_session_key(const struct entra_credential_s *c, const char *purpose,
    unsigned n, unsigned char key[ENTRA_SESSION_KEY]);

/* to and from the text in the store; 0, or -1.  Public for tests */
int entra_session_write(const entra_session_t *session, entra_buf_t *out);
int entra_session_read(entra_str_t text, entra_session_t *session);

/* a member of visible ASCII and spaces, perhaps empty; 0, or -1 */
int entra_session_text(const struct entra_json_s *root, const char *name,
    char *dst, size_t size);

/*
 * A slot of the credential's store.  get: 1 when a session is there that has
 * not expired; take removes it, too.  put: 0, or -1: no room.
 */
int entra_session_get(const struct entra_credential_s *c, unsigned slot,
    int64_t now, entra_session_t *session);
int entra_session_take(const struct entra_credential_s *c, unsigned slot,
    int64_t now, entra_session_t *session);
int entra_session_put(const struct entra_credential_s *c, unsigned slot,
    int64_t now, const entra_session_t *session);

/* where a new one of this browser goes */
unsigned entra_session_slot(const struct entra_credential_s *c,
    const char *browser, int64_t now);

/* that of this browser; its slot, or -1 */
int entra_session_find(const struct entra_credential_s *c,
    const char *browser, int64_t now, entra_session_t *session);

/*
 * A lock that ends by itself.  0: held, and owner is what unlocks it; 1: of
 * somebody else.  Without a store, or without room, everybody gets it.
 */
int entra_session_lock(const struct entra_credential_s *c, const char *purpose,
    unsigned n, unsigned ttl, char owner[ENTRA_SESSION_WORD]);
void entra_session_relock(const struct entra_credential_s *c,
    const char *purpose, unsigned n, unsigned ttl, const char *owner);
void entra_session_unlock(const struct entra_credential_s *c,
    const char *purpose, unsigned n, const char *owner);


#endif /* ENTRA_SESSION_H */
