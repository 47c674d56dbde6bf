package assemble

import (
	"fmt"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
)

// declaredSerial returns the serial of an unsigned zone whose file has an SOA with the serial file.
// That one is used if the zone was never served, or if it is later (RFC 1982) than the one that was
// served. Else the same content keeps its serial, and changed content gets the next one. So the
// served serial never goes back, and secondaries see every change, whatever the file has.
//
// warning is not empty where the serial in the file was set without effect. A serial in the file
// that did not change gets no warning.
func declaredSerial(prev *commit.Last, content zone.Digest, file zone.Serial) (serial zone.Serial, warning string) {
	if !prev.Known || prev.Serial.Before(file) {
		return file, ""
	}
	serial = prev.Serial
	if prev.Digest != content {
		serial++
	}
	if file == prev.Serial || prev.HasDeclared && file == prev.Declared {
		return serial, ""
	}
	return serial, fmt.Sprintf("serial %d in the file is not after %d, which was served already (RFC 1982), so %d is served; give the file a serial after %d, or leave it: ptrd increments the served serial itself",
		file, prev.Serial, serial, serial)
}

// signedSerial decides whether a pre-signed zone may replace what was served before. Its serial
// cannot be incremented: the SOA is signed. If it may not, fault is the text of the finding.
func signedSerial(prev *commit.Last, content zone.Digest, file zone.Serial) (fault string) {
	switch {
	case !prev.Known || prev.Serial.Before(file):
		return ""
	case prev.Serial == file && prev.Digest == content:
		return ""
	case prev.Serial == file:
		return fmt.Sprintf("content of this signed zone changed under the same serial %d, which secondaries would not notice; sign it again with a serial after %d", file, prev.Serial)
	}
	return fmt.Sprintf("serial %d of this signed zone is not after %d, which was served already (RFC 1982); sign it again with a serial after %d", file, prev.Serial, prev.Serial)
}
