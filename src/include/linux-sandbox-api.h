#include "mini_sandbox.h" /* the name that programs included before */
