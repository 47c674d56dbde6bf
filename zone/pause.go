package zone

// pauser calls pause now and then in a long computation, so that its caller can
// let others have the processor. A nil pause is never called.
type pauser struct {
	pause func()
	steps uint32
}

// pauseSteps is how many steps, each below a microsecond, lie between two calls of
// pause: few enough for a caller that counts in tenths of milliseconds, and enough
// for the call to be negligible.
const pauseSteps = 64

// step counts one step: a comparison, a node, a name.
func (p *pauser) step() {
	if p.steps++; p.steps%pauseSteps == 0 && p.pause != nil {
		p.pause()
	}
}
