package handover

import (
	"testing"
)

func TestModel(t *testing.T) {
	for name, m := range map[string]*model{
		"unsigned": newModel(), "nsec": newModel().sign(0), "two keys": newModel().sign(0).sign(1).cds(),
		"nsec3": func() *model { m := newModel().sign(0).put("@ NSEC3PARAM 1 0 0 -"); m.nsec3 = true; return m }(),
	} {
		errs, warnings := m.check(t)
		if errs != nil || warnings != nil {
			t.Errorf("%s: %v, %v", name, errs, warnings)
		}
	}
}
