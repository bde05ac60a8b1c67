
/*
 * Copyright (C) nginx-entra authors
 *
 * Environment variables as they were when the configuration was read: nginx's
 * own environment, or a .env file over it.
 */

#ifndef ENTRA_ENV_H
#define ENTRA_ENV_H


#include "entra_err.h"


#define ENTRA_DOTENV_MAX  (64 * 1024)


typedef struct entra_env_s  entra_env_t;


/*
 * parent may be NULL and has to outlive it.  With process set, starts with a
 * copy of the environment of this process, taken now.
 */
entra_env_t *entra_env_create(const entra_env_t *parent, int process);
void entra_env_free(entra_env_t *env);                          /* wipes */

/* value or NULL; empty counts as unset (as in azidentity for Go and JS) */
const char *entra_env_get(const entra_env_t *env, const char *name);

/* 0 and the value, which may be empty here; or -1 */
int entra_env_find(const entra_env_t *env, entra_str_t name,
    entra_str_t *value);

/* 0, or -1 without memory */
int entra_env_set(entra_env_t *env, entra_str_t name, entra_str_t value);

/*
 * The syntax of python-dotenv: export, quotes, escapes in double quotes,
 * values of several lines in quotes, comments, ${NAME} and ${NAME:-default}
 * (in single quotes too, as there).  A line that it would skip with a warning
 * is skipped: odd, which may be NULL, gets "line 3 is skipped: no ..." for the
 * first ones and the number of the others, nothing of their content.  0; or
 * -1 and err, when it is too large or there is no memory.
 */
int entra_env_parse(entra_env_t *env, entra_str_t text, entra_buf_t *odd,
    entra_err_t *err);


#endif /* ENTRA_ENV_H */
