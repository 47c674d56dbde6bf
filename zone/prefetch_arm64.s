#include "textflag.h"

// func prefetch(p unsafe.Pointer, more uintptr)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD more+8(FP), R1
	ADD  R0, R1
	PRFM (R0), PLDL1KEEP
	PRFM (R1), PLDL1KEEP
	RET
