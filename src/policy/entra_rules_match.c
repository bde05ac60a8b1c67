
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_rules.h"


static void
entra_rules_add_name(entra_buf_t *out, const char *name)
{
    size_t  len = strlen(name);

    if (out->len + len + 1 <= out->max) {
        if (out->len) {
            entra_buf_add_char(out, ',');
        }

        entra_buf_add(out, name, len);
    }
}


void
entra_rules_locations_of(const entra_rules_t *rules, const entra_addr_t *addr,
    entra_buf_t *out)
{
    unsigned                       i;
    const entra_named_location_t  *location;

    for (i = 0; (location = entra_rules_location_nth(rules, i)) != NULL; i++) {
        if (entra_cidr_set_has(&location->set, addr)) {
            entra_rules_add_name(out, location->name);
        }
    }
}


void
entra_rules_callers_of(const entra_rules_t *rules,
    const entra_signals_t *signals, entra_buf_t *out)
{
    unsigned               i;
    const entra_caller_t  *caller;

    for (i = 0; (caller = entra_rules_caller_nth(rules, i)) != NULL; i++) {
        if (entra_caller_match(caller, signals, 0).lo == ENTRA_TRUE) {
            entra_rules_add_name(out, caller->name);
        }
    }
}
