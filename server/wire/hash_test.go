package wire

import "testing"

// TestCraftedLabels: the search for labels stays short when strangers choose them.
// These had one hash when it had no secret.
func TestCraftedLabels(t *testing.T) {
	old := func(label []byte) int {
		h := uint32(12)
		h = h*0x9e3779b1 ^ uint32(len(label))
		for _, c := range label {
			h = (h ^ uint32(c)) * 0x01000193
		}
		return int(h>>16^h) & (nameSlots - 1)
	}
	var labels names
	msg := make([]byte, 12)
	for i := uint32(0); labels.n < 300; i++ {
		label := []byte{byte('0' + i%10), byte('0' + i/10%10), byte('0' + i/100%10), byte('0' + i/1000%10), byte('0' + i/10000%10), byte('0' + i/100000%10)}
		if old(label) == 7 {
			at := len(msg)
			msg = append(append(msg, byte(len(label))), label...)
			labels.add(msg, 12, at)
		}
	}
	probes := 0
	for at, s := range labels.slots {
		if s.label != 0 {
			label := msg[s.label+1 : int(s.label)+1+int(msg[s.label])]
			probes += 1 + (at-slotOf(12, label))&(nameSlots-1)
			if labels.find(msg, 12, label, false) != int(s.label) {
				t.Fatalf("%s is not found", label)
			}
		}
	}
	if probes > 6*labels.n {
		t.Errorf("%d probes find %d labels", probes, labels.n)
	}
}
