
/*
 * Copyright (C) nginx-entra authors
 *
 * The types of credentials there are.
 */

#ifndef ENTRA_CREDENTIAL_TYPES_H
#define ENTRA_CREDENTIAL_TYPES_H


#include "entra_credential_type.h"


/* ended by NULL */
extern const entra_credential_type_t  *const entra_credential_types[];

/* the type of a name, or NULL */
const entra_credential_type_t *entra_credential_type(entra_str_t name);


#endif /* ENTRA_CREDENTIAL_TYPES_H */
