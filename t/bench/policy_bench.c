
/*
 * Copyright (C) nginx-entra authors
 *
 * What a decision costs: ns for 4 policies with 10,000 and with 100,000
 * ranges, as a table.
 *
 *   cc -O2 $(printf -- '-I%s ' $(find src -type d)) -It/unit -o policy_bench \
 *       t/bench/policy_bench.c $(find src -name '*.c')
 *      -lcjson -lssl -lcrypto
 */

#include <time.h>

#include "rules.h"


#define REQUESTS  4096                          /* different ones */
#define ROUNDS    2000000
#define REPEATS   7                             /* the best one counts */


typedef struct {
    const char            *name;
    const entra_policy_t  *policies[4];
    entra_rules_t         *rules;
} bench_t;


static entra_cert_t       cert;
static entra_claims_t     claims;
static entra_signals_t    requests[REQUESTS];
static entra_operation_t  operation;
static char               scratch[8192];
static uint64_t           seed = 88172645463325252ULL;


static uint64_t
rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed;
}


static double
now_ns(void)
{
    struct timespec  ts;

    /* of this process: the machine may have other things to do */

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}


/* a file of n ranges: every other /26 of IPv4, or every other /64 of IPv6 */

static double
make(bench_t *bench, unsigned n, int v6)
{
    int           i;
    FILE         *f;
    char          path[] = "/tmp/policy_bench_XXXXXX", text[256];
    double        start;
    unsigned      k, a;
    entra_err_t   err;

    static const char *const  blocks[] = {
        "caller apps: token oid=33333333-3333-3333-3333-333333333333; token"
        " roles=Score.Invoke; certificate san_dns=scoring.example.com",
        "operations calls: \"POST /score\"; \"POST /v2/models/*/infer\"; arm"
        " Microsoft.MachineLearningServices/workspaces/*/score/action",
        "policy office: locations any except corp; block",
        "policy keys: operations preset secrets preset escape; block",
        "policy hours: locations corp; callers any except apps; time mon-sun"
        " 00:00-24:00; block",
        "policy score: locations corp; operations calls; grant token"
    };

    f = fdopen(mkstemp(path), "w");

    for (k = 0; k < n; k++) {
        a = k * 128;

        if (v6) {
            fprintf(f, "2001:db8:%x:%x::/64\n", k * 2 >> 16, k * 2 & 0xffff);

        } else {
            fprintf(f, "%u.%u.%u.%u/26\n", 11 + (a >> 24), a >> 16 & 255,
                    a >> 8 & 255, a & 255);
        }
    }

    fclose(f);
    bench->rules = entra_rules_create();

    snprintf(text, sizeof(text), "location corp: file %s", path);
    start = now_ns();
    i = rules_block(bench->rules, text, &err);
    start = now_ns() - start;
    remove(path);

    for (k = 0; i == 0 && k < 6; k++) {
        i = rules_block(bench->rules, blocks[k], &err);
    }

    if (i != 0 || entra_rules_finish(bench->rules, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }

    (void) rules_policies(bench->rules, bench->policies, 4);

    return start / 1e6;
}


static void
fill(unsigned n, int v6)
{
    char      text[64];
    unsigned  i, a, inside;

    for (i = 0; i < REQUESTS; i++) {
        memset(&requests[i], 0, sizeof(entra_signals_t));

        /* half of them inside, at random places of the list */

        inside = (unsigned) (rnd() & 1);
        a = (unsigned) (rnd() % n);

        if (v6) {
            a = a * 2 + !inside;
            snprintf(text, sizeof(text), "2001:db8:%x:%x::%x", a >> 16,
                     a & 0xffff, (unsigned) (rnd() & 0xffff));
        } else {
            a = a * 128 + (inside ? 0 : 64) + (unsigned) (rnd() & 63);
            snprintf(text, sizeof(text), "%u.%u.%u.%u", 11 + (a >> 24),
                     a >> 16 & 255, a >> 8 & 255, a & 255);
        }

        (void) entra_addr_parse(&requests[i].address, entra_str_c(text));
        requests[i].peer = requests[i].address;
        requests[i].certificate = ENTRA_SIGNAL_ABSENT;
        requests[i].token = ENTRA_SIGNAL_VALID;
        requests[i].cert = &cert;
        requests[i].claims = &claims;
        requests[i].operation = &operation;
        requests[i].deployment = ENTRA_DEPLOYMENT_NONE;
        requests[i].now = RULES_NOW;
    }
}


static double
measure(const bench_t *bench, int only_allowed, unsigned *allowed)
{
    double            start, best, ns;
    unsigned          i, k, n, r;
    entra_decision_t  d;

    static unsigned  at[REQUESTS];

    for (i = 0, n = 0; i < REQUESTS; i++) {
        entra_decide(bench->policies, 4, &requests[i], &d);

        if (d.outcome == ENTRA_ALLOW || !only_allowed) {
            at[n++] = i;
        }
    }

    best = 1e18;
    *allowed = 0;

    for (r = 0; r < REPEATS; r++) {
        start = now_ns();

        for (i = 0, k = 0; i < ROUNDS / REPEATS; i++) {
            entra_decide(bench->policies, 4, &requests[at[k]], &d);
            *allowed += d.outcome == ENTRA_ALLOW;
            k = k + 1 < n ? k + 1 : 0;
        }

        ns = (now_ns() - start) / (ROUNDS / REPEATS);
        best = ns < best ? ns : best;
    }

    return best;
}


static void
lookups(const bench_t *bench, const char *name, double loading)
{
    double                         start, ns;
    unsigned                       i, hits;
    const entra_named_location_t  *location;

    location = entra_rules_location_nth(bench->rules, 0);
    hits = 0;
    start = now_ns();

    for (i = 0; i < ROUNDS; i++) {
        hits += (unsigned) entra_cidr_set_has(&location->set,
                                &requests[i % REQUESTS].address);
    }

    ns = (now_ns() - start) / ROUNDS;
    printf("%-14s %8.1f %10.0f", name, loading, ns);

    if (hits == 0) {
        printf(" (none found)");
    }
}


static void
row(const char *name, unsigned n, int v6)
{
    double    loading, mixed, allow;
    bench_t   bench;
    unsigned  allowed;

    loading = make(&bench, n, v6);
    fill(n, v6);
    lookups(&bench, name, loading);

    allow = measure(&bench, 1, &allowed);
    mixed = measure(&bench, 0, &allowed);
    printf(" %12.0f %12.0f\n", allow, mixed);

    entra_rules_free(bench.rules);
}


static void
table(const char *method, const char *path)
{
    double    start;
    unsigned  i;

    start = now_ns();

    for (i = 0; i < ROUNDS; i++) {
        entra_operation_init(&operation, entra_str_c(method),
                             entra_str_c(path), scratch);
    }

    printf("\n%s %s\n(read once per request: %.0f ns)\n", method, path,
           (now_ns() - start) / ROUNDS);
    printf("%-14s %8s %10s %12s %12s\n", "ranges", "load, ms", "lookup, ns",
           "allowed, ns", "half, ns");

    row("10,000 IPv4", 10000, 0);
    row("10,000 IPv6", 10000, 1);
    row("100,000 IPv4", 100000, 0);
    row("100,000 IPv6", 100000, 1);
}


int
main(void)
{
    entra_claims_add(&claims.roles, entra_str("Score.Invoke"));
    claims.oid = entra_str_dup(entra_str(
                                   "44444444-4444-4444-4444-444444444444"));

    printf("4 policies: a block by location, a block of presets, a block by"
           " caller and time,\na grant by location and operation with a"
           " control. CPU time, the best of %u.\n\n", REPEATS);

    table("POST", "/score");
    table("POST", "/subscriptions/00000000-0000-0000-0000-000000000000/"
          "resourceGroups/rg/providers/Microsoft.MachineLearningServices/"
          "workspaces/ws/onlineEndpoints/ep/score");

    entra_claims_free(&claims);

    return 0;
}
