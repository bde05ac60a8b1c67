
/*
 * Copyright (C) nginx-entra authors
 *
 * What entra_status says of policies and lists.
 */

#include "ngx_http_entra_module.h"
#include "entra_enc.h"


const char *
ngx_http_entra_policy_state(const entra_policy_t *policy)
{
    switch (policy->state) {
    case ENTRA_POLICY_ENABLED:
        return "enabled";
    case ENTRA_POLICY_REPORT_ONLY:
        return "report_only";
    default:
        return "disabled";
    }
}


void
ngx_http_entra_status_json_rules(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b)
{
    ngx_uint_t                     i, n, result;
    entra_policy_t                *policy;
    entra_store_atomics_t         *rec;
    const entra_named_location_t  *location;

    entra_buf_add_c(b, ",\"policies\":[");

    n = 0;

    for (i = 0; (policy = entra_rules_policy_nth(mcf->rules, i)) != NULL; i++)
    {
        entra_buf_addf(b, "%s{\"name\":", n++ ? "," : "");
        entra_enc_json(b, entra_str_c(policy->name));
        entra_buf_addf(b, ",\"state\":\"%s\",\"used\":%s,\"results\":{",
                       ngx_http_entra_policy_state(policy),
                       policy->data ? "true" : "false");

        rec = policy->data;

        for (result = 0; result < ENTRA_RESULTS; result++) {
            entra_buf_addf(b, "%s\"%s\":%lu", result ? "," : "",
                           entra_result_name(result),
                           rec ? (unsigned long) rec->counters[result] : 0);
        }

        entra_buf_addf(b, "},\"would_deny\":%lu}",
                       rec ? (unsigned long)
                             rec->counters[ENTRA_RESULT_REPORT_ONLY_FAILURE]
                           : 0);
    }

    entra_buf_add_c(b, "],\"named_locations\":[");

    n = 0;

    for (i = 0;
         (location = entra_rules_location_nth(mcf->rules, i)) != NULL;
         i++)
    {
        entra_buf_addf(b, "%s{\"name\":", n++ ? "," : "");
        entra_enc_json(b, entra_str_c(location->name));
        entra_buf_addf(b, ",\"entries\":%lu,\"age\":%lld,\"failures\":%u",
                       (unsigned long) entra_named_location_entries(location),
                       (long long) (ngx_time() - location->loaded_at),
                       location->failures);

        if (location->error[0]) {
            entra_buf_add_c(b, ",\"error\":");
            entra_enc_json(b, entra_str_c(location->error));
        }

        entra_buf_add_char(b, '}');
    }

    entra_buf_add_char(b, ']');
}


void
ngx_http_entra_prometheus_rules(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b)
{
    ngx_uint_t                     i, result;
    entra_policy_t                *policy;
    entra_store_atomics_t         *rec;
    const entra_named_location_t  *location;

    entra_buf_add_c(b, "# HELP entra_policy_evaluations_total Evaluations of "
                    "policies.\n# TYPE entra_policy_evaluations_total "
                    "counter\n");

    /* names of policies and locations are checked: no escapes needed */

    for (i = 0; (policy = entra_rules_policy_nth(mcf->rules, i)) != NULL; i++)
    {
        rec = policy->data;

        for (result = 0; rec && result < ENTRA_RESULTS; result++) {
            entra_buf_addf(b, "entra_policy_evaluations_total{policy=\"%s\","
                           "result=\"%s\"} %lu\n", policy->name,
                           entra_result_name(result),
                           (unsigned long) rec->counters[result]);
        }
    }

    entra_buf_add_c(b, "# HELP entra_list_entries Ranges of a named "
                    "location.\n# TYPE entra_list_entries gauge\n");

    for (i = 0;
         (location = entra_rules_location_nth(mcf->rules, i)) != NULL;
         i++)
    {
        entra_buf_addf(b, "entra_list_entries{name=\"%s\"} %lu\n",
                       location->name, (unsigned long)
                       entra_named_location_entries(location));
    }

    entra_buf_add_c(b, "# HELP entra_list_age_seconds Since the list last "
                    "changed.\n# TYPE entra_list_age_seconds gauge\n");

    for (i = 0;
         (location = entra_rules_location_nth(mcf->rules, i)) != NULL;
         i++)
    {
        entra_buf_addf(b, "entra_list_age_seconds{name=\"%s\"} %lld\n",
                       location->name,
                       (long long) (ngx_time() - location->loaded_at));
    }

    entra_buf_add_c(b, "# HELP entra_list_failures_total Reading it failed.\n"
                    "# TYPE entra_list_failures_total counter\n");

    for (i = 0;
         (location = entra_rules_location_nth(mcf->rules, i)) != NULL;
         i++)
    {
        entra_buf_addf(b, "entra_list_failures_total{name=\"%s\"} %u\n",
                       location->name, location->failures);
    }
}
