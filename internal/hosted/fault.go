package hosted

import (
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone"
)

// Fault is why a request is refused. Codes are those of the API.
type Fault struct {
	Code  string
	Texts []string // one, but for InvalidChangeBatch, which has one for each thing that is wrong
}

func (f *Fault) Error() string {
	if f.Code == InvalidChangeBatch {
		return "[" + strings.Join(f.Texts, ", ") + "]"
	}
	return strings.Join(f.Texts, "; ")
}

// The codes that this package returns.
const (
	InvalidChangeBatch        = "InvalidChangeBatch"
	InvalidInput              = "InvalidInput"
	InvalidDomainName         = "InvalidDomainName"
	NoSuchHostedZone          = "NoSuchHostedZone"
	NoSuchChange              = "NoSuchChange"
	NoSuchDelegationSet       = "NoSuchDelegationSet"
	HostedZoneAlreadyExists   = "HostedZoneAlreadyExists"
	HostedZoneNotEmpty        = "HostedZoneNotEmpty"
	ConflictingDomainExists   = "ConflictingDomainExists"
	DelegationSetNotAvailable = "DelegationSetNotAvailable"
	DelegationSetInUse        = "DelegationSetInUse"
	DelegationSetExists       = "DelegationSetAlreadyCreated"
	DelegationSetReusable     = "DelegationSetAlreadyReusable"
	ServiceUnavailable        = "ServiceUnavailable"
	LimitsExceeded            = "LimitsExceeded"
)

func faultf(code, format string, args ...any) *Fault {
	return &Fault{code, []string{fmt.Sprintf(format, args...)}}
}

func noSuchZone(id string) *Fault {
	return faultf(NoSuchHostedZone, "No hosted zone found with ID: %s", id)
}

// noData returns why the zone of an entry cannot be read from z, which is served; nil: it can.
func (e *entry) noData(z *zone.Zone) error {
	switch {
	case z == nil: // it is being removed
		return noSuchZone(e.id)
	case z.IsAvailable():
		return nil
	}
	return faultf(ServiceUnavailable, "The zone has no data: what is stored of it is damaged; `ptrd status` has the reason.")
}
