package delegation

import "github.com/ptrd/ptrd/zone/dname"

// Accept and NameOf are exported for tests in package delegation_test.
var Accept = accept

// Limits that tests compare with.
const (
	MaxAliases = maxAliases
)

// NameOf is nameOf.
func NameOf(s string) dname.Name { return nameOf(s) }
