// All kernels of a level, and its table. The order matters: later files use earlier ones.
#include "Lanes.h"

#include "Convert.h"
#include "Nibbles.h"
#include "Quantize.h"
#include "Ranges.h"
#include "Statistics.h"
#include "Transpose.h"

#include "BlockScales.h"
#include "Blocks.h"

const ck_table CK_TABLE = {
#define X(result, name, parameters, arguments) .name = name,
    CK_KERNELS(X)
#undef X
};
