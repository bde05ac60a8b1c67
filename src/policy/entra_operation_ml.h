
/*
 * Copyright (C) nginx-entra authors
 *
 * What the operations of Microsoft.MachineLearningServices do, as far as they
 * are classified.
 */

#ifndef ENTRA_OPERATION_ML_H
#define ENTRA_OPERATION_ML_H


#include "entra_str.h"


#define ENTRA_ML_OTHER    0     /* changes, but none of the following */
#define ENTRA_ML_READ     1
#define ENTRA_ML_SECRET   2     /* discloses or replaces a key, token or SAS */
#define ENTRA_ML_RUN      4     /* runs code, now or later */
#define ENTRA_ML_CARRY    8     /* carries or grants other operations */

/*
 * Of an action in lower case; the flags, or -1: of another provider; -2: of
 * Azure ML, and not classified.
 */
int entra_operation_ml(entra_str_t action);


#endif /* ENTRA_OPERATION_ML_H */
