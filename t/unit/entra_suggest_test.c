
/*
 * Copyright (C) nginx-entra authors
 *
 * What is near enough to be what was meant, and what is not.
 */

#include <string.h>

#include "entra_suggest.h"
#include "tap.h"


static const char *const  names[] = {
    "tenant_id", "client_id", "scope", "cloud", "policies", "upstreams",
    "preload", "client_secret_file", "client_secret_env", "aml", "arm", NULL
};


static void
meant(const char *word, const char *want)
{
    char         text[ENTRA_SUGGEST_TEXT], all[128];
    entra_str_t  name = entra_str_c(word);

    if (want) {
        snprintf(all, sizeof(all), ", did you mean \"%s\"?", want);
    }

    ok(entra_suggest(text, name, names) == (want != NULL),
       "\"%.*s\" is %s", (int) name.len, name.data, want ? "near" : "far");
    is(text, want ? all : "", "which one");
}


int
main(void)
{
    char             longest[2 * ENTRA_SUGGEST_MAX];
    entra_buf_t      b;
    entra_suggest_t  s;

    meant("scop", "scope");
    meant("sscope", "scope");
    meant("scpoe", "scope");
    meant("SCOPE", "scope");
    meant("tennant_id", "tenant_id");
    meant("tenantid", "tenant_id");
    meant("client-id", "client_id");
    meant("policy", "policies");
    meant("upstream", "upstreams");
    meant("client_secret", "client_secret_env");
    meant("am", "aml");
    meant("amr", "aml");

    meant("x", NULL);
    meant("", NULL);
    meant("nonsense", NULL);
    meant("issuer", NULL);
    meant("openid", NULL);

    /* longer than anything that is compared, on both sides */

    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    meant(longest, NULL);

    entra_suggest_begin(&s, entra_str("aaaaaaaa"));
    entra_suggest_offer(&s, entra_str_c(longest));
    entra_suggest_offer(&s, entra_str(""));
    ok(s.name.len == 0, "a name that is too long, and none");

    longest[ENTRA_SUGGEST_MAX] = '\0';
    entra_suggest_begin(&s, entra_str_c(longest));
    entra_suggest_offer(&s, entra_str_c(longest));
    ok(s.name.len == ENTRA_SUGGEST_MAX, "the longest is compared");

    /* of equally near ones the first */

    entra_suggest_begin(&s, entra_str("cat"));
    entra_suggest_offer(&s, entra_str("bat"));
    entra_suggest_offer(&s, entra_str("hat"));
    entra_buf_init(&b, 100);
    ok(entra_suggest_add(&s, &b) == 1, "one is near");
    is(b.data, ", did you mean \"bat\"?", "the first");
    entra_buf_free(&b);

    return done();
}
