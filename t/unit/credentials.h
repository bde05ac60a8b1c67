
/*
 * Copyright (C) nginx-entra authors
 *
 * For unit tests: the credentials of an nginx.conf.  A block is its lines
 * with ";" between them; "@/" in it is the fixture's directory.
 */

#ifndef CREDENTIALS_H
#define CREDENTIALS_H


#include "entra_credential_types.h"
#include "fake_platform.h"
#include "fixture.h"
#include "tap.h"
#include "words.h"


#define CREDENTIALS_MAX  20


typedef struct {
    entra_credential_t  *items[CREDENTIALS_MAX];
    unsigned             n;
} credentials_t;


/* 0, or -1 with err when a line is refused */

__attribute__((unused))
static int
credential_lines(entra_credential_t *c, const char *block, entra_err_t *err)
{
    int           rc = 0;
    char         *line, *lines;
    unsigned      n;
    entra_buf_t   text;
    entra_str_t   words[WORDS_MAX];

    entra_err_clear(err);
    entra_buf_init(&text, 100000);

    for ( /* void */ ; *block; block++) {
        if (block[0] == '@' && block[1] == '/') {
            entra_buf_addf(&text, "%s", fixture_top());

        } else {
            entra_buf_add(&text, block, 1);
        }
    }

    entra_buf_add(&text, ";", 1);       /* an empty block has a text, too */

    for (line = strtok_r(text.data, ";", &lines); line && rc == 0;
         line = strtok_r(NULL, ";", &lines))
    {
        n = words_of(line, words);

        if (n) {
            rc = entra_credential_param(c, words, n, err);
        }
    }

    entra_buf_free(&text);

    return rc;
}


static entra_credential_t *
credentials_find(void *data, const char *name)
{
    unsigned        i;
    credentials_t  *all = data;

    for (i = 0; i < all->n; i++) {
        if (strcmp(all->items[i]->name, name) == 0) {
            return all->items[i];
        }
    }

    return NULL;
}


/* one more of them, without init(); NULL and err when a line is refused */

__attribute__((unused))
static entra_credential_t *
credentials_add(credentials_t *all, const char *type, const char *name,
    const char *block, entra_env_t *env, entra_err_t *err)
{
    entra_credential_t  *c;

    c = entra_credential_create(entra_credential_type(entra_str_c(type)),
                                entra_str_c(name), env);
    c->types = entra_credential_types;
    c->find = credentials_find;
    c->find_data = all;
    all->items[all->n++] = c;

    return credential_lines(c, block, err) == 0 ? c : NULL;
}


__attribute__((unused))
static void
credentials_free(credentials_t *all)
{
    while (all->n) {
        entra_credential_free(all->items[--all->n]);
    }
}


/* one by itself, ready for use; NULL and err when it is refused */

__attribute__((unused))
static entra_credential_t *
fake_credential(const char *type, const char *block, entra_env_t *env,
    entra_err_t *err)
{
    entra_credential_t  *c;

    c = entra_credential_create(entra_credential_type(entra_str_c(type)),
                                entra_str("test"), env);
    c->types = entra_credential_types;

    if (credential_lines(c, block, err) != 0
        || entra_credential_init(c, err) != 0)
    {
        entra_credential_free(c);
        return NULL;
    }

    return c;
}


/* one that has to be accepted */

__attribute__((unused))
static entra_credential_t *
credential_made(const char *type, const char *block, entra_env_t *env)
{
    entra_err_t          err;
    entra_credential_t  *c;

    c = fake_credential(type, block, env, &err);

    if (c == NULL) {
        printf("# %s: %s\n", type, err.text);
        exit(2);
    }

    return c;
}


__attribute__((unused))
static void
credential_refused(const char *type, const char *block, entra_env_t *env,
    const char *want)
{
    entra_err_t          err;
    entra_credential_t  *c;

    c = fake_credential(type, block, env, &err);

    if (!ok(c == NULL && err.class == ENTRA_ERR_CONFIG
            && strstr(err.text, want), "%s refused: %s", type, want))
    {
        printf("# %s\n", c ? "accepted" : err.text);
    }

    entra_credential_free(c);
}


#endif /* CREDENTIALS_H */
