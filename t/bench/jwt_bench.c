
/*
 * Copyright (C) nginx-entra authors
 *
 * What a caller's token costs: validated for the first time, and when it was
 * seen before (hash of the whole token and look-up, claims in hand).
 *
 *     cc -O2 $(printf -- '-I%s ' $(find src -type d)) -It/unit -o jwt_bench \
 *         t/bench/jwt_bench.c $(find src -name '*.c') -lcjson -lcrypto -lm
 *
 * CPU time; the median and the spread of 9 rounds.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <time.h>

#include "entra_jwt_cache.h"
#include "jwt_make.h"


#define ROUNDS   9
#define TOKENS   4096
#define LOOKUPS  400000
#define CHECKS   4000


static entra_keyset_t             keys;
static entra_caller_token_conf_t  conf;


static double
cpu(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}


static int
ascending(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


static void
report(const char *what, double *ns)
{
    qsort(ns, ROUNDS, sizeof(double), ascending);

    printf("%-44s %9.2f us  (%.2f to %.2f)\n", what, ns[ROUNDS / 2] / 1000,
           ns[0] / 1000, ns[ROUNDS - 1] / 1000);
}


static void
bench_verify(const char *token)
{
    int             i, round;
    double          ns[ROUNDS], start;
    char            name[64];
    entra_err_t     err;
    entra_str_t     text = entra_str_c(token);
    entra_claims_t  claims;

    for (round = 0; round < ROUNDS; round++) {
        start = cpu();

        for (i = 0; i < CHECKS; i++) {
            if (entra_jwt_verify(text, &keys, &conf, JWT_NOW, &claims, &err)
                != ENTRA_JWT_VALID)
            {
                printf("invalid: %s\n", err.text);
                exit(1);
            }

            entra_claims_free(&claims);
        }

        ns[round] = (cpu() - start) / CHECKS;
    }

    (void) snprintf(name, sizeof(name), "first time, RS256, %zu bytes",
                    text.len);
    report(name, ns);
}


/* many callers: neither the token nor the entry is in the CPU's caches */

static void
bench_seen(EVP_PKEY *key, const char *claims_text, unsigned callers)
{
    int                  i, round;
    char                *one, **tokens, name[64];
    double               ns[ROUNDS], start;
    size_t               len;
    unsigned             t, seed = 1;
    entra_err_t          err;
    entra_jwt_id_t       id;
    entra_claims_t       claims;
    entra_jwt_cache_t   *cache;
    entra_jwt_entry_t   *entry;

    one = jwt_sign(key, "kid", claims_text);
    len = strlen(one);
    cache = entra_jwt_cache_create(0, 256 * 1024 * 1024);
    tokens = malloc(callers * sizeof(char *));

    /* put unverified: the cache does not look at the token */

    for (t = 0; t < callers; t++) {
        tokens[t] = strdup(one);
        (void) snprintf(tokens[t] + len - 9, 10, "%09u", t);
        (void) entra_jwt_verify(entra_str_c(one), &keys, &conf, JWT_NOW,
                                &claims, &err);
        (void) entra_jwt_cache_id(cache, entra_str_c(tokens[t]), &id);
        entra_jwt_entry_release(entra_jwt_cache_put(cache, &id, 1, JWT_NOW,
                                                    &claims));
    }

    for (round = 0; round < ROUNDS; round++) {
        start = cpu();

        for (i = 0; i < LOOKUPS; i++) {
            seed = seed * 1103515245 + 12345;
            t = (seed >> 16) % callers;

            (void) entra_jwt_cache_id(cache,
                                      (entra_str_t) { len, tokens[t] }, &id);
            entry = entra_jwt_cache_get(cache, &id, 1, JWT_NOW);

            if (entry == NULL || entra_jwt_entry_claims(entry)->oid == NULL) {
                printf("not found\n");
                exit(1);
            }

            entra_jwt_entry_release(entry);
        }

        ns[round] = (cpu() - start) / LOOKUPS;
    }

    (void) snprintf(name, sizeof(name), "seen before, %zu bytes, %u callers",
                    len, callers);
    report(name, ns);

    for (t = 0; t < callers; t++) {
        free(tokens[t]);
    }

    free(tokens);
    free(one);
    entra_jwt_cache_free(cache);
}


int
main(void)
{
    int          i;
    char        *claims, *token;
    EVP_PKEY    *key = EVP_RSA_gen(2048);
    entra_buf_t  more;

    /* number of groups: an application, a person, and one in many groups */
    static const int  groups[] = { 0, 12, 50, 200 };

    jwt_conf(&conf);
    keys = jwt_keyset(key, "kid");

    for (i = 0; i < 4; i++) {
        int  g;

        entra_buf_init(&more, 65536);
        entra_buf_add_c(&more, ",\"aio\":\"E2ZgYAAAAAAAAAAAAAAAAAAAAAAAAAAA\""
                        ",\"rh\":\"0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.\","
                        "\"uti\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"groups\":[");
        for (g = 0; g < groups[i]; g++) {
            entra_buf_addf(&more, "%s\"10000000-0000-4000-8000-%012d\"",
                           g ? "," : "", g);
        }
        entra_buf_add_char(&more, ']');

        claims = jwt_claims(more.data);
        token = jwt_sign(key, "kid", claims);

        bench_verify(token);
        bench_seen(key, claims, 1);
        bench_seen(key, claims, TOKENS);

        free(token);
        free(claims);
        entra_buf_free(&more);
    }

    entra_keyset_free(&keys);
    entra_caller_token_conf_free(&conf);
    EVP_PKEY_free(key);

    return 0;
}
