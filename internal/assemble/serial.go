package assemble

import (
	"fmt"

	"github.com/ptrd/ptrd/zone"
)

// last is what was served of a zone before, by this process or, after a
// restart, by the word of the journal.
type last struct {
	known  bool
	serial zone.Serial
	digest zone.Digest

	// declared is the serial that the zone's file had then; it means nothing
	// unless hasDeclared.
	declared    zone.Serial
	hasDeclared bool

	records int // 0: not known
}

// generatedSerial returns the serial of a zone whose SOA we make: the same as
// before for the same content, else at least one more and at least the Unix
// time. The time makes up for a lost state directory: what was given out before is
// not later than it, unless content changed more than once a second on average.
func generatedSerial(prev last, content zone.Digest, unix int64) zone.Serial {
	switch {
	case !prev.known:
		return zone.Serial(uint32(unix))
	case prev.digest == content:
		return prev.serial
	}
	return prev.serial.Next(unix)
}

// declaredSerial returns the serial of an unsigned zone whose file has an SOA with
// the serial in file. That one is taken as it stands at first and whenever it is
// later (RFC 1982) than what was served; else the served one stays for the same
// content and the next one is given to changed content. So a file whose serial
// goes back, or stands still, never makes the served serial go back, and
// secondaries see every change.
//
// note is not empty where somebody set the file's serial to no effect; a serial
// that just stands still is fine and gets none.
func declaredSerial(prev last, content zone.Digest, file zone.Serial) (serial zone.Serial, note string) {
	if !prev.known || prev.serial.Before(file) {
		return file, ""
	}
	serial = prev.serial
	if prev.digest != content {
		serial++
	}
	if file == prev.serial || prev.hasDeclared && file == prev.declared {
		return serial, ""
	}
	return serial, fmt.Sprintf("serial %d in the file is not after %d, which was served already (RFC 1982), so %d is served; give the file a serial after %d, or leave it: ptrd counts on by itself",
		file, prev.serial, serial, serial)
}

// signedSerial decides whether a pre-signed zone may take the place of what was
// served before. We cannot count its serial on: the SOA is signed. fault is the
// finding's text where it may not.
func signedSerial(prev last, content zone.Digest, file zone.Serial) (fault string) {
	switch {
	case !prev.known || prev.serial.Before(file):
		return ""
	case prev.serial == file && prev.digest == content:
		return ""
	case prev.serial == file:
		return fmt.Sprintf("content of this signed zone changed under the same serial %d, which secondaries would not notice; sign it again with a serial after %d", file, prev.serial)
	}
	return fmt.Sprintf("serial %d of this signed zone is not after %d, which was served already (RFC 1982); sign it again with a serial after %d", file, prev.serial, prev.serial)
}
