
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_env.h"


#define ENTRA_ENV_BUCKETS  256


extern char  **environ;


typedef struct entra_var_s  entra_var_t;

struct entra_var_s {
    entra_var_t        *next;
    char               *name;
    char               *value;
};


struct entra_env_s {
    const entra_env_t  *parent;
    entra_var_t        *buckets[ENTRA_ENV_BUCKETS];
};


static unsigned
entra_env_hash(entra_str_t name)
{
    size_t    i;
    uint32_t  h = 2166136261u;

    for (i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char) name.data[i]) * 16777619u;
    }

    return h % ENTRA_ENV_BUCKETS;
}


static entra_var_t *
entra_env_var(const entra_env_t *env, entra_str_t name)
{
    entra_var_t  *var;

    for (var = env->buckets[entra_env_hash(name)]; var; var = var->next) {
        if (entra_str_eq_c(name, var->name)) {
            return var;
        }
    }

    return NULL;
}


int
entra_env_set(entra_env_t *env, entra_str_t name, entra_str_t value)
{
    char         *copy;
    unsigned      h;
    entra_var_t  *var;

    copy = entra_str_dup(value);
    if (copy == NULL) {
        return -1;
    }

    var = entra_env_var(env, name);

    if (var) {
        entra_free_secret(var->value);
        var->value = copy;
        return 0;
    }

    var = calloc(1, sizeof(entra_var_t));
    if (var == NULL) {
        entra_free_secret(copy);
        return -1;
    }

    var->value = copy;
    var->name = entra_str_dup(name);

    if (var->name == NULL) {
        entra_free_secret(copy);
        free(var);
        return -1;
    }

    h = entra_env_hash(name);
    var->next = env->buckets[h];
    env->buckets[h] = var;

    return 0;
}


/*
 * A copy, because workers see another environment than the master: only what
 * nginx's "env" directives keep.
 */

static int
entra_env_snapshot(entra_env_t *env)
{
    char        **v;
    const char   *eq;
    entra_str_t   name;

    for (v = environ; v && *v; v++) {
        eq = strchr(*v, '=');
        if (eq == NULL) {
            continue;
        }

        name.data = *v;
        name.len = (size_t) (eq - *v);

        if (entra_env_set(env, name, entra_str_c(eq + 1)) != 0) {
            return -1;
        }
    }

    return 0;
}


entra_env_t *
entra_env_create(const entra_env_t *parent, int process)
{
    entra_env_t  *env;

    env = calloc(1, sizeof(entra_env_t));
    if (env == NULL) {
        return NULL;
    }

    env->parent = parent;

    if (process && entra_env_snapshot(env) != 0) {
        entra_env_free(env);
        return NULL;
    }

    return env;
}


void
entra_env_free(entra_env_t *env)
{
    unsigned      i;
    entra_var_t  *var, *next;

    if (env == NULL) {
        return;
    }

    for (i = 0; i < ENTRA_ENV_BUCKETS; i++) {
        for (var = env->buckets[i]; var; var = next) {
            next = var->next;
            free(var->name);
            entra_free_secret(var->value);
            free(var);
        }
    }

    free(env);
}


const char *
entra_env_get(const entra_env_t *env, const char *name)
{
    entra_var_t  *var;

    for ( /* void */ ; env; env = env->parent) {
        var = entra_env_var(env, entra_str_c(name));

        if (var && var->value[0] != '\0') {
            return var->value;
        }
    }

    return NULL;
}


int
entra_env_find(const entra_env_t *env, entra_str_t name, entra_str_t *value)
{
    entra_var_t  *var;

    for ( /* void */ ; env; env = env->parent) {
        var = entra_env_var(env, name);

        if (var) {
            *value = entra_str_c(var->value);
            return 0;
        }
    }

    return -1;
}
