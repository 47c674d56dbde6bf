#include "textflag.h"

// func prefetch(p unsafe.Pointer, more uintptr)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVQ       p+0(FP), AX
	MOVQ       more+8(FP), BX
	PREFETCHT0 (AX)
	PREFETCHT0 (AX)(BX*1)
	RET
