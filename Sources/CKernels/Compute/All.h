// All compute kernels of a level, and its table. The order matters: later files use earlier ones.
#include "Vectors.h"

#include "Functions.h"
#include "Elements.h"
#include "Rows.h"
#include "Moves.h"

#include "Blocked.h"
#include "GemmPack.h"
#include "GemmNarrow.h"
#include "Gemm.h"
#include "ByteProducts.h"
#include "IntegerResult.h"
#include "IntegerNarrow.h"
#include "IntegerGemm.h"

const ck_compute_table CK_COMPUTE_TABLE = {
#define X(result, name, parameters, arguments) .name = name,
    CK_COMPUTE_KERNELS(X)
#undef X
};
