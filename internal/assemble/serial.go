package assemble

import (
	"fmt"

	"github.com/ptrd/ptrd/zone"
)

// last is what was served of a zone before, by this process or, according to the journal, by an
// earlier one.
type last struct {
	known  bool
	serial zone.Serial
	digest zone.Digest

	// declared is the serial in the zone's file at that time, if hasDeclared.
	declared    zone.Serial
	hasDeclared bool

	records int // 0: not known
}

// generatedSerial returns the serial of a zone whose SOA is generated: the same as before for the
// same content, else at least one more and at least the Unix time. The time replaces a lost state
// directory: no serial served before is later, unless content changed more than once a second on
// average.
func generatedSerial(prev last, content zone.Digest, unix int64) zone.Serial {
	switch {
	case !prev.known:
		return zone.Serial(uint32(unix))
	case prev.digest == content:
		return prev.serial
	}
	return prev.serial.Next(unix)
}

// declaredSerial returns the serial of an unsigned zone whose file has an SOA with the serial file.
// That one is used if the zone was never served, or if it is later (RFC 1982) than the one that was
// served. Else the same content keeps its serial, and changed content gets the next one. So the
// served serial never goes back, and secondaries see every change, whatever the file has.
//
// warning is not empty where the serial in the file was set without effect. A serial in the file
// that did not change gets no warning.
func declaredSerial(prev last, content zone.Digest, file zone.Serial) (serial zone.Serial, warning string) {
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
	return serial, fmt.Sprintf("serial %d in the file is not after %d, which was served already (RFC 1982), so %d is served; give the file a serial after %d, or leave it: ptrd increments the served serial itself",
		file, prev.serial, serial, serial)
}

// signedSerial decides whether a pre-signed zone may replace what was served before. Its serial
// cannot be incremented: the SOA is signed. If it may not, fault is the text of the finding.
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
